"""What laws and standards ask for leads to rules that exist, and the page of rules says what the code says."""

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.findings.assessment import assess
from safelight.findings.facts import Estimated, Facts, Hits, SignedVersion
from safelight.findings.requirement import (
    Judged,
    Requirement,
    RequirementPack,
    Standing,
    judged,
    requirement_packs,
)
from safelight.findings.requirement_check import CHECKS
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
        assert all(not one.check or one.check in CHECKS for one in pack.requirements)
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


def asked(facts: Facts, pack: str, ref: str) -> Judged:
    told = next(one for one in requirement_packs() if one.id == pack)
    rules = built_in()
    return next(one for one in judged(told, assess(facts, rules), rules) if one.requirement.ref == ref)


def test_whatever_was_not_checked_says_why() -> None:
    pack = RequirementPack("ours", "ours", "1", "", (Requirement("1", "a wish", Verified.READ, ()),))
    told = assess(facts_of(example_plan("400-bed", TODAY), TODAY), built_in())
    (wish,) = judged(pack, told, built_in())
    assert (wish.standing, wish.says) == (Standing.NOT_CHECKED, ("no rule looks at it",))
    failed = replace(told, broken=(("R46", "KeyError: x"),))
    pack = next(one for one in requirement_packs() if one.id == "iso-27031")
    (one,) = judged(pack, replace(failed, findings=()), built_in())
    assert (one.standing, one.says) == (Standing.NOT_CHECKED, ("R46 failed: KeyError: x",))


def test_every_version_signed_in_six_years_must_still_lie_there() -> None:
    facts = facts_of(example_plan("400-bed", TODAY), TODAY)
    ref = "hipaa", "164.316(b)(2)(i)"
    nobody = asked(facts, *ref)
    assert nobody.standing is Standing.NOT_CHECKED
    assert "nobody signed" in nobody.says[0]
    old, new = SignedVersion("0.1", date(2020, 11, 20), False), SignedVersion("1.0", date(2026, 1, 1), True)
    assert asked(replace(facts, signed=(old,)), *ref).standing is Standing.NOT_CHECKED
    assert asked(replace(facts, signed=(old, new)), *ref).standing is Standing.MET
    lost = asked(replace(facts, signed=(new, SignedVersion("0.9", date(2020, 11, 25), False))), *ref)
    assert (lost.standing, lost.says) == (Standing.OPEN, ("version 0.9, signed on 2020-11-25, is not kept",))
    assert "not whether this folder is backed up" in lost.requirement.beyond


def test_services_must_be_back_within_72_hours_by_a_written_runbook() -> None:
    facts = facts_of(example_plan("400-bed", TODAY), TODAY)
    ref = "hipaa-nprm-2025", "restore within 72 h"
    assert (asked(facts, *ref).standing, asked(facts, *ref).says) == (Standing.MET, ())
    late = replace(facts, estimates=(Estimated("stroke", "site", timedelta(hours=73), timedelta(0)),))
    assert asked(late, *ref).says == ("Stroke takes 3 d 1 h to come back, by estimate, in site",)
    unknown = replace(facts, estimates=(Estimated("stroke", "site", None, timedelta(0)),))
    assert asked(unknown, *ref).says == ("Stroke takes an unknown time to come back, by estimate, in site",)
    business = replace(facts, estimates=(Estimated("finance", "site", timedelta(days=9), timedelta(0)),))
    assert asked(business, *ref).standing is Standing.NOT_CHECKED
    silent = replace(facts, sections={**facts.sections, "runbooks": ()})
    assert (asked(silent, *ref).standing, asked(silent, *ref).says[0]) == (Standing.OPEN, "no runbook restores PACS")


@pytest.mark.parametrize("name", [*CHECKS])
def test_a_check_reads_the_parts_of_the_plan_that_it_says(name: str) -> None:
    facts = facts_of(example_plan("400-bed", TODAY), TODAY)
    watched = Watched(facts.sections)
    CHECKS[name].ask(replace(facts, sections=watched))
    assert watched.read == set(CHECKS[name].reads)


def test_the_pages_of_the_plan_are_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("plan_pages", ROOT / "tools/plan_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.pages().items():
        assert (ROOT / "docs" / name).read_text() == text, "run: make docs"
