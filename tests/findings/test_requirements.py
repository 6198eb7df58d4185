"""What laws and standards ask for leads to rules that exist, and the page of rules says what the code says."""

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from safelight.findings.assessment import assess
from safelight.findings.facts import Facts, Hits
from safelight.findings.requirement import Standing, judged, requirement_packs
from safelight.findings.rule import Rule, built_in
from safelight.findings.source import Verified, source_of, works
from safelight.plan.words import EXAMPLES
from safelight.site.plan_assessment import facts_of
from safelight.site.plan_folder import example_plan

TODAY = date(2026, 11, 24)
ROOT = Path(__file__).parents[2]


def test_every_requirement_names_rules_that_exist_and_says_how_far_it_was_checked() -> None:
    rules = {rule.id for rule in built_in()}
    packs = requirement_packs()
    assert {"hipaa", "nist-sp-800-34", "safer", "ihe-radiology"} <= {pack.id for pack in packs}
    for pack in packs:
        assert all(set(one.rules) <= rules for one in pack.requirements)
    # Nobody here has read the SAFER guides of 2025: a line must not say so.
    safer = next(pack for pack in packs if pack.id == "safer")
    assert Verified.READ not in {one.verified for one in safer.requirements}


def test_every_source_of_a_rule_says_how_far_it_was_checked_and_none_is_listed_in_vain() -> None:
    cited = {source.text for rule in built_in() for source in rule.sources}
    assert all(any(text.startswith(name) for text in cited) for name in works())
    assert str(source_of("MQSA")) == "MQSA (general knowledge)"
    assert source_of("SAFER 2.2").verified is Verified.UNREAD
    with pytest.raises(KeyError):
        source_of("21 CFR 900.12(c)(4)")


class Watched(Mapping[str, Any]):
    """The sections of a plan that writes down which of them were read."""

    def __init__(self, sections: Mapping[str, Any]) -> None:
        self.sections = sections
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return self.sections[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sections)

    def __len__(self) -> int:
        return len(self.sections)


@pytest.mark.parametrize("rule", built_in(), ids=lambda rule: rule.id)
def test_a_rule_reads_the_parts_of_the_plan_that_it_says(rule: Rule) -> None:
    read: set[str] = set()
    for name in EXAMPLES:
        facts = facts_of(example_plan(name, TODAY), TODAY)
        watched = Watched(facts.sections)
        list(rule.check(replace(facts, sections=watched)))
        read |= watched.read
    assert read == set(rule.reads)


def judged_by(treatments: tuple[dict[str, Any], ...] = (), **broken: Any) -> dict[str, Standing]:
    facts = facts_of(example_plan("400-bed", TODAY), TODAY)
    sections = {**facts.sections, "restore_order_it": ("vna", "pacs"), "treatments": treatments}
    rules = [replace(rule, check=broken.get(rule.id, rule.check)) for rule in built_in()]
    told = assess(replace(facts, sections=sections, unsigned={}), rules)
    pack = next(pack for pack in requirement_packs() if pack.id == "nist-sp-800-34")
    return {one.requirement.ref: one.standing for one in judged(pack, told, rules)}


def test_a_requirement_is_open_decided_met_or_not_checked() -> None:
    assert (judged_by()["4.3.1"], judged_by()["4.2.1"]) == (Standing.OPEN, Standing.MET)
    why = {"state": "accepted", "owner": "ines", "expires_on": TODAY, "why": "until spring", "id": "t"}
    both = tuple(
        {**why, "rule": rule, "subject": subject}
        for rule, subject in (("R15", "systems/pacs"), ("R39", "restore_order"))
    )
    assert judged_by(both)["4.3.1"] is Standing.DECIDED

    def fails(facts: Facts) -> Hits:
        raise KeyError(facts.today)

    assert judged_by(R38=fails)["4.2.1"] is Standing.NOT_CHECKED
    hipaa = next(pack for pack in requirement_packs() if pack.id == "hipaa")
    told = assess(facts_of(example_plan("400-bed", TODAY), TODAY), built_in())
    kept = next(one for one in judged(hipaa, told, built_in()) if one.requirement.ref == "164.316(b)(2)(i)")
    assert (kept.standing, kept.reads) == (Standing.NOT_CHECKED, ())


def test_the_pages_of_the_plan_are_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("plan_pages", ROOT / "tools/plan_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.pages().items():
        assert (ROOT / "docs" / name).read_text() == text, "run: make docs"
