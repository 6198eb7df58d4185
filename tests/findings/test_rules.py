"""Each rule, both ways: silent on the example of 400 beds, and heard when one thing in it is made worse."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from safelight.findings.assessment import State, assess
from safelight.findings.facts import Facts, ServiceImpact, Surge, SurgeImpact
from safelight.findings.rule import Rule, Severity, built_in, site_rules
from safelight.site.plan_assessment import facts_of
from safelight.site.plan_folder import example_plan

TODAY = date(2026, 11, 24)
SURGE = Surge({"stroke": SurgeImpact(late=5, exams=100)})
SOUND = replace(facts_of(example_plan("400-bed", TODAY), TODAY, surge=SURGE), unsigned={"it": (), "radiology": ()})
RULES = {rule.id: rule for rule in built_in()}
Sections = dict[str, Any]
HOUR = timedelta(hours=1)


def pick(sections: Sections, section: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in sections[section] if one["id"] == name)
    return found


def setting(section: str, name: str, **values: Any) -> Callable[[Sections], None]:
    return lambda sections: (pick(sections, section, name) if name else sections[section]).update(values)


def without(section: str, name: str = "") -> Callable[[Sections], None]:
    def remove(sections: Sections) -> None:
        sections[section] = tuple(one for one in sections[section] if name and one["id"] != name)

    return remove


def every(section: str, **values: Any) -> Callable[[Sections], None]:
    return lambda sections: [one.update(values) for one in sections[section]] and None


def capability(system: str, **values: Any) -> Callable[[Sections], None]:
    return lambda sections: pick(sections, "systems", system)["capabilities"][0].update(values)


def tolerance(service: str, **values: Any) -> Callable[[Sections], None]:
    return lambda sections: pick(sections, "services", service)["tolerances"][0].update(values)


ROSTERING = pick(dict(SOUND.sections), "services", "rostering")["tolerances"][0]
LONG_AGO = TODAY - timedelta(days=500)
WORSE: list[tuple[str, Callable[[Sections], Any]]] = [
    ("R01", setting("systems", "pacs", in_it_plan=False)),
    ("R02", without("copies", "cath-copy")),
    ("R03", tolerance("stroke", rto=HOUR)),
    ("R03", capability("pacs", rpo=HOUR)),
    ("R03", setting("services", "rostering", tolerances=({**ROSTERING, "rto": HOUR},))),
    ("R26", setting("services", "rostering", tolerances=({**ROSTERING, "mtd": HOUR},))),
    ("R04", setting("assumptions", "it-copy", position="disk")),
    ("R04", setting("assumptions", "it-copy", expires_on=LONG_AGO)),
    ("R05", setting("systems", "pacs", it_owner=None)),
    ("R05", setting("systems", "pacs", it_owner="paula")),
    ("R05", setting("systems", "pacs", staffed_by=None)),
    ("R06", every("reviews", attended=("ines",))),
    ("R06", every("people", on_committee=False)),
    ("R08", setting("roles", "pacs-administrator", deputy=None)),
    ("R08", setting("people", "mei", mobile=None)),
    ("R08", setting("people", "mei", verified_on=TODAY - timedelta(days=91))),
    ("R09", tolerance("stroke", mtd=None)),
    ("R09", tolerance("stroke", mtd=timedelta(0))),
    ("R09", capability("pacs", rpo=None)),
    ("R10", setting("systems", "pacs", tier=2)),
    ("R11", setting("plan", "", horizon=timedelta(days=5))),
    ("R11", without("procedures", "on-paper")),
    ("R12", without("procedures", "isolated")),
    ("R13", setting("segments", "modalities", in_it_map=False)),
    ("R13", setting("plan", "", network_map_on=LONG_AGO)),
    ("R14", without("flows", "ct-1-store-recovery")),
    ("R14", setting("flows", "ct-1-store-recovery", port=None)),
    ("R15", capability("directory", rto=50 * HOUR)),
    ("R15", lambda s: s.update(restore_order_it=("pacs", "directory"))),
    ("R16", every("copies", site="main")),
    ("R16", lambda s: [one.update(admin_domain="hospital") for one in s["copies"]]),
    ("R17", every("copies", offline=False, immutable=False)),
    ("R17", every("copies", persons_to_delete=1)),
    ("R18", without("runbooks", "rb-failback")),
    ("R19", lambda s: [one.update(needs=()) for one in s["systems"] if one["id"] in {"pacs", "ris"}]),
    ("R19", capability("engine", rto=9 * HOUR)),
    ("R20", setting("flows", "orders", radiology_owner=None)),
    ("R20", setting("flows", "orders", alarm=False)),
    ("R21", setting("flows", "orders", acknowledges="before-store")),
    ("R21", setting("flows", "orders", durable_queue=False)),
    ("R22", setting("flows", "orders", queue_messages_max=1000)),
    ("R22", setting("flows", "orders", poison_rule=False)),
    ("R23", lambda s: s.update(replay=None)),
    ("R23", setting("replay", "", ordered_across_feeds=False)),
    ("R23", setting("replay", "", study_uid="generate")),
    ("R24", setting("systems", "ris", transaction_recovery=None)),
    ("R25", setting("runbooks", "rb-restore", paired_with=None)),
    ("R25", setting("runbooks", "rb-restore", tells_radiology=False)),
    ("R26", tolerance("stroke", mtd=HOUR)),
    ("R27", setting("systems", "ct-1", local_storage=3 * HOUR)),
    ("R27", setting("systems", "ct-1", deletes_before_commitment=True)),
    ("R28", setting("reserved_numbers", "downtime-patients", last=5)),
    ("R28", setting("reserved_numbers", "downtime-patients", prefix="")),
    ("R29", without("fallbacks")),
    ("R29", setting("fallbacks", "console-reading", needs=("directory",))),
    ("R30", setting("services", "stroke", divert_owner=None)),
    ("R30", without("services", "theatre")),
    ("R31", every("drills", held_on=LONG_AGO)),
    ("R31", every("drills", proved=())),
    ("R31", every("drills", vendors=())),
    ("R32", every("drills", measured=())),
    ("R32", setting("systems", "pacs", changed_on=TODAY)),
    ("R32", capability("pacs", rto=HOUR)),
    ("R33", every("drills", proved=("files", "database"))),
    ("R34", setting("vendors", "pacs-vendor", on_site=99 * HOUR)),
    ("R34", setting("vendors", "pacs-vendor", out_of_hours=False)),
    ("R34", setting("vendors", "pacs-vendor", subcontractor="Somebody")),
    ("R35", setting("systems", "pacs", storage_change_needs_pacs_administrator=False)),
    ("R36", setting("packs", "P-001", version="0.9")),
    ("R36", without("packs", "P-002")),
    ("R37", without("channels", "radio")),
    ("R38", lambda s: s.update(declaration=None)),
    ("R38", setting("declaration", "", declarer=("ines", "omar"))),
    ("R38", setting("declaration", "", successor=None)),
    ("R38", setting("declaration", "", slow_is_declarable=False)),
    ("R39", lambda s: s.update(restore_order_radiology=("vna", "pacs"))),
    ("R39", lambda s: s.update(restore_order_radiology=())),
    ("R40", without("priors")),
    ("R40", setting("priors", "safelight-viewer", age=48 * HOUR)),
    ("R40", setting("priors", "safelight-viewer", marked=False)),
    ("R41", setting("exports", "schedule", every=24 * HOUR)),
    ("R41", setting("exports", "schedule", opened_offline_on=TODAY - timedelta(days=91))),
    ("R41", setting("exports", "justification", opened_offline_on=None)),
    ("R42", every("copies", holds=("images",))),
    ("R43", setting("supplies", "labels", lasts=HOUR)),
    ("R44", setting("systems", "ct-1", emergency_account_tested_on=None)),
    ("R45", setting("access", "key-main", needs=("directory",))),
    ("R46", setting("vendors", "cloud-vna", exit_copy=False)),
    ("R47", setting("services", "stroke", divert_to="main")),
    ("R48", setting("actions", "a-1", due_on=TODAY - timedelta(days=1))),
    ("R48", setting("actions", "a-1", reopened=True)),
    ("R49", setting("flows", "ct-1-store-recovery", tls=False)),
    ("R49", setting("flows", "ct-1-store-recovery", certificate_expires_on=LONG_AGO)),
    ("R50", setting("retention", "children", tagged_in_disposal=False)),
]


def changed(worse: Callable[[Sections], Any]) -> Facts:
    sections = deepcopy(dict(SOUND.sections))
    worse(sections)
    return replace(SOUND, sections=sections)


def test_a_system_missing_in_its_plan_is_told_with_who_bought_and_runs_it() -> None:
    worse = setting("systems", "pacs", in_it_plan=False, bought_by="radiology", staffed_by="radiology")
    (hit,) = RULES["R01"].check(changed(worse))
    assert hit.what == "PACS is not in IT's disaster-recovery plan: radiology bought and staffs it."


def test_there_are_fifty_rules_with_words_for_both_sides() -> None:
    assert list(RULES) == [f"R{number:02}" for number in range(1, 51)]
    assert all(rule.it and rule.radiology and rule.sources for rule in RULES.values())


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_silent_where_all_is_well(name: str) -> None:
    assert list(RULES[name].check(SOUND)) == []


@pytest.mark.parametrize(("name", "worse"), WORSE, ids=[f"{name}-{number}" for number, (name, _) in enumerate(WORSE)])
def test_a_rule_is_heard_when_one_thing_is_worse(name: str, worse: Callable[[Sections], Any]) -> None:
    assert list(RULES[name].check(changed(worse)))


def test_every_rule_is_tried_both_ways() -> None:
    assert {name for name, _ in WORSE} | {"R07"} == set(RULES)


def test_a_plan_that_one_side_has_not_signed_is_found() -> None:
    hits = list(RULES["R07"].check(replace(SOUND, unsigned={"it": (), "radiology": ("plan",)})))
    assert [hit.subject for hit in hits] == ["signatures:radiology"]


def copied(every: timedelta) -> Facts:
    """Return the example with nothing left of its PACS after broken hardware but one copy, made so often."""
    plan = example_plan("400-bed", TODAY)
    others = [one for one in plan.copies if one.of != "pacs"]
    kept = next(one for one in plan.copies if one.id == "safelight")
    return facts_of(replace(plan, copies=(*others, replace(kept, every=every))), TODAY)


def test_a_recovery_point_that_the_copies_cannot_give_is_found_and_one_that_they_can_is_not() -> None:
    (hit,) = RULES["R32"].check(copied(HOUR))
    assert hit.subject == "systems/pacs"
    assert (
        hit.what == "PACS, hardware: RPO 0 min claimed, 1 h estimated: safelight is made every 1 h, as the plan says."
    )
    assert "stroke" in hit.services
    assert list(RULES["R32"].check(copied(timedelta(0)))) == []


@pytest.mark.parametrize(
    "impact",
    [
        ServiceImpact(first_breach=HOUR, clears_after=HOUR, utilisation=0.5),
        ServiceImpact(first_breach=None, clears_after=None, utilisation=0.5),
        ServiceImpact(first_breach=None, clears_after=HOUR, utilisation=0.95),
        ServiceImpact(first_breach=None, clears_after=timedelta(days=9), utilisation=0.5),
        ServiceImpact(first_breach=None, clears_after=HOUR, utilisation=0.5, does_not_stand=12 * HOUR),
    ],
)
def test_what_a_simulation_shows_is_found(impact: ServiceImpact) -> None:
    assert list(RULES["R26"].check(replace(SOUND, impact={"stroke": impact})))


def test_a_service_that_declares_more_than_it_stands_is_told_with_both() -> None:
    impact = ServiceImpact(first_breach=None, clears_after=HOUR, utilisation=0.5, does_not_stand=24 * HOUR)
    (hit,) = RULES["R26"].check(replace(SOUND, impact={"stroke": impact}))
    assert hit.what == "Stroke, ransomware: MTD 4 d declared; by simulation it does not stand 1 d."
    assert hit.services == ("stroke",)


def test_a_simulation_in_which_all_goes_well_is_silent() -> None:
    longest = max(one["rto"] for service in SOUND.clinical for one in service.things("tolerances"))
    for breach in (None, longest):
        well = ServiceImpact(breach, clears_after=HOUR, utilisation=0.5, does_not_stand=timedelta(days=5))
        assert list(RULES["R26"].check(replace(SOUND, impact={one.id: well for one in SOUND.clinical}))) == []


@pytest.mark.parametrize(
    ("surge", "subject"),
    [
        (None, "surge"),
        (Surge(trouble="no such class"), "surge"),
        (Surge(overloaded={"CT": 1.1}), "surge:CT"),
        (Surge({"stroke": SurgeImpact(late=6, exams=100)}), "services/stroke"),
    ],
)
def test_what_a_neighbours_outage_brings_is_found(surge: Surge | None, subject: str) -> None:
    assert [hit.subject for hit in RULES["R47"].check(replace(SOUND, surge=surge))] == [subject]


def test_a_rule_that_fails_is_told_and_the_others_are_asked() -> None:
    def broken(facts: Facts) -> Any:
        return facts.header["no such field"]

    bad: Rule = replace(RULES["R01"], id="X1", check=broken)
    told = assess(changed(setting("systems", "pacs", in_it_plan=False)), [bad, RULES["R01"]])
    assert [name for name, _ in told.broken] == ["X1"]
    assert [one.rule.id for one in told.findings] == ["R01"]


def test_an_accepted_finding_is_open_again_when_its_time_is_over() -> None:
    def accepted(until: date) -> Facts:
        treatment = {
            "id": "t",
            "rule": "R01",
            "subject": "systems/pacs",
            "state": "accepted",
            "owner": "ines",
            "expires_on": until,
            "why": "until the new plan",
        }
        facts = changed(setting("systems", "pacs", in_it_plan=False))
        return replace(facts, sections={**facts.sections, "treatments": (treatment,)})

    assert assess(accepted(TODAY), [RULES["R01"]]).findings[0].state == State.ACCEPTED
    assert assess(accepted(TODAY - timedelta(days=1)), [RULES["R01"]]).findings[0].state == State.OPEN


def test_the_first_thing_in_the_way_of_a_service_is_its_gravest() -> None:
    told = assess(changed(tolerance("stroke", rto=HOUR, mtd=HOUR)), built_in())
    stroke = next(one for one in told.services if one.service == "stroke")
    assert stroke.first is not None
    assert (stroke.first.rule.id, stroke.first.rule.severity) == ("R03", Severity.CRITICAL)


SITE_RULE = """
[S01]
title = "Every modality has two owners"
kind = "gap"
severity = "low"
sources = ["our own"]
section = "systems"
where = {kind = "modality"}
must = {radiology_owner = {there = true}, local_storage = {hours_max = 50}}
says = "{id} is not as we want it"
"""


def test_a_site_adds_rules_of_its_own() -> None:
    (rule,) = site_rules({"ours.toml": SITE_RULE.encode()}).usable
    assert [hit.subject for hit in rule.check(SOUND)] == ["systems/mg-1"]


@pytest.mark.parametrize(
    ("text", "rule", "line", "trouble"),
    [
        ("[S01", "ours.toml", 1, "cannot be read as TOML"),
        ("a = 1\n[S01", "ours.toml", 2, "cannot be read as TOML"),
        ("\xff", "ours.toml", 1, "cannot be read as TOML"),
        ("a = " + "[" * 5000, "ours.toml", 1, "cannot be read as TOML"),
        ("[S01]\ntitle = 1", "S01", 1, "`section` is missing"),
        ("x = 1", "x", 1, "TypeError"),
        (SITE_RULE.replace("hours_max", "sounds_nice"), "S01", 2, "no condition sounds_nice"),
        (SITE_RULE.replace("low", "dire"), "S01", 2, "dire"),
        (SITE_RULE.replace("S01", "R01"), "R01", 2, "has the name of a rule that comes with Safelight"),
    ],
)
def test_a_site_rule_that_cannot_be_used_is_told_with_its_line_and_keeps_none_from_being_asked(
    text: str, rule: str, line: int, trouble: str
) -> None:
    good = SITE_RULE.replace("S01", "S09")
    told = site_rules({"ours.toml": text.encode("latin-1"), "theirs.toml": good.encode()})
    (unusable,) = told.unusable
    assert (unusable.rule, unusable.file, unusable.line) == (rule, "ours.toml", line)
    assert trouble in unusable.trouble
    assert [one.id for one in told.usable] == ["S09"]
    assert told.places == {"S09": ("theirs.toml", 2)}
    assessed = assess(SOUND, (*built_in(), *told.usable), told.unusable)
    assert [name for name, _ in assessed.broken] == [rule]
    assert [one.rule.id for one in assessed.findings] == ["S09"]


def test_of_two_site_rules_of_one_name_the_first_is_asked_and_of_one_file_each_stands_alone() -> None:
    twice = site_rules({"a.toml": SITE_RULE.encode(), "b.toml": SITE_RULE.encode()})
    assert [(one.file, one.trouble) for one in twice.unusable] == [
        ("b.toml", "has the name of another rule of the site")
    ]
    assert [one.id for one in twice.usable] == ["S01"]
    mixed = site_rules({"a.toml": (SITE_RULE + SITE_RULE.replace("S01", "S02").replace("low", "dire")).encode()})
    assert [one.id for one in mixed.usable] == ["S01"]
    assert [(one.rule, one.line) for one in mixed.unusable] == [("S02", 12)]
