# One way into the repository: make, make setup, make check. Every target works on a fresh Debian 12 with git and Python 3.11.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Imports are four times slower without bytecode, and an environment made for containers often forbids it.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
BUILD := .build
STAMPS := $(BUILD)/stamps
SOURCES := src tests tools bench
PAGES := $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/viewer/*')
PART ?= all
PYTEST_FLAGS ?=

.PHONY: help setup check format lint types contracts pages fast test soak demo demo-downtime demo-drill bench docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMPS)/system $(STAMPS)/program $(STAMPS)/pages $(STAMPS)/viewer ## install Debian packages (as root), make .venv with the program in it, build the pages

$(STAMPS)/system: tools/system-packages tools/debian-packages.txt
	@mkdir -p $(STAMPS)
	tools/system-packages tools/debian-packages.txt
	@touch $@

$(STAMPS)/libraries: requirements.lock | $(STAMPS)/system
	@mkdir -p $(STAMPS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes --requirement requirements.lock
	@touch $@

$(STAMPS)/program: pyproject.toml $(STAMPS)/libraries
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Where npm or its registry is missing, this says so and all else works; without a stamp the next make tries again.
$(STAMPS)/pages: $(PAGES) tools/console_pages.py | $(STAMPS)/libraries
	@$(BIN)/python tools/console_pages.py pages && touch $@ || test $$? = 3

$(STAMPS)/viewer: $(wildcard web/viewer/*) tools/console_pages.py | $(STAMPS)/libraries
	@$(BIN)/python tools/console_pages.py viewer && touch $@ || test $$? = 3

check: lint types contracts fast ## format, lint, types, contracts and fast tests: about three minutes on two cores

lint: setup
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: setup
	$(BIN)/mypy
	$(BIN)/mypy -p bench

pages: setup ## types and tests of the pages in the browser
	@if [ -d web/node_modules ]; then \
	    cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent types && PATH="$(CURDIR)/$(BIN):$$PATH" npm test --silent; \
	else echo 'The pages could not be built here, so they are not checked; tests in the browser are skipped.'; fi

contracts: setup ## the floors: who may import whom
	$(BIN)/lint-imports --config importlinter.toml

fast: setup
	$(BIN)/pytest -n 2 -m "not peer and not slow and not soak" $(PYTEST_FLAGS)

# The fast tests are part of the one run here, so that pytest closes with one line that counts everything.
test: lint types contracts pages ## everything but the soak: the checks, and all tests with the real peers
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not soak" $(PYTEST_FLAGS)

soak: setup ## 100 kills and 20 power cuts under load (SOAK_KILLS=, SOAK_CUTS=); needs root and loop devices
	$(BIN)/pytest -m soak --timeout 7200 -s tests/soak $(PYTEST_FLAGS)

demo: setup ## a rehearsal hospital loses its PACS and gets it back, in under three minutes
	$(BIN)/safelight rehearsal demonstrate $(BUILD)/demo

demo-downtime: setup ## a day without PACS and RIS: carry on, come back, reconcile, in under five minutes
	$(BIN)/safelight rehearsal day $(BUILD)/demo-downtime

demo-drill: setup ## a drill from plan to evidence: restore a tier into a scratch PACS, in under two minutes
	$(BIN)/safelight rehearsal drill $(BUILD)/demo-drill

bench: setup ## Safelight beside its peers, in one table (PART=receive|send|vault|memory|scale|hl7|query|retrieve, QUICK=1)
	@PYTHON=$(BIN)/python tools/backup-peers
	$(BIN)/python -m bench --part $(PART) $(if $(QUICK),--quick)

format: setup ## lay out the code and mend what ruff can
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

docs: setup ## write from the code what docs/ says of it: errors, conformance tables, cases, rules, the plan's schema
	$(BIN)/python tools/errors_page.py
	$(BIN)/python tools/conformance_pages.py
	$(BIN)/python tools/impact_cases.py
	$(BIN)/python tools/plan_pages.py

lock: setup ## pin and hash the newest libraries that pyproject.toml allows
	PYTHON=$(BIN)/python tools/lock

clean: ## remove what was built; homes, archives and the environment stay
	rm -rf $(BUILD) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
