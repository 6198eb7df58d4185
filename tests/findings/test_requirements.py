"""What laws and standards ask for leads to rules that exist, and the page of rules says what the code says."""

import importlib.util
from pathlib import Path

from safelight.findings.requirement import Verified, requirement_packs
from safelight.findings.rule import built_in

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


def test_the_pages_of_the_plan_are_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("plan_pages", ROOT / "tools/plan_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.pages().items():
        assert (ROOT / "docs" / name).read_text() == text, "run: make docs"
