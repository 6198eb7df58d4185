"""The interview makes a plan that can be estimated, and the frame of the 100-bed example."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from safelight.plan.interview import QUESTIONS, SKIPPED, Question, is_asked, left_out, plan_texts
from safelight.plan.model import Plan
from safelight.plan.reading import read_plan
from safelight.site.plan_assessment import objectives_document
from safelight.site.plan_folder import example_plan

GUIDE: Final = Path(__file__).parents[2] / "docs/plan.md"
HUNDRED_BEDS: Final = {
    "hospital": "Hillside Community (invented)",
    "it_name": "Carl Brandt",
    "pacs_name": "Dana Kowalski",
    "horizon": "3 d",
    "criterion": "PACS is away",
    "detect": "60 min",
    "declare": "60 min",
    "room": "radiology",
    "pacs_tier": "4",
    "pacs_rto": "72 h",
    "pacs_rpo": "7 d",
    "every": "7 d",
    "size": "2700",
    "rate": "100",
    "consistency": "2 h",
    "directory_rto": "24 h",
    "directory_rebuild": "12 h",
    "engine_rto": "12 h",
    "stroke_rto": SKIPPED,
    "trauma_rto": SKIPPED,
    "emergency_rto": "4 h",
    "emergency_mtd": "24 h",
    "intensive-care_rto": SKIPPED,
    "theatre_rto": SKIPPED,
    "inpatients_rto": SKIPPED,
    "outpatients_rto": "48 h",
    "work_recovery": "24 h",
}
"""What was answered for the example; the other answers are the usual ones."""


def answered(**told: str) -> dict[str, str]:
    """Return what somebody answers who takes the usual answer for everything else."""
    answers: dict[str, str] = {}
    for one in QUESTIONS:
        if is_asked(one, answers):
            answers[one.key] = one.read(told.get(one.key, one.usual))
    return answers


def made(**told: str) -> Plan:
    return read_plan(plan_texts(answered(**told))).plan


def test_usual_answers_make_a_plan_with_all_that_an_estimate_needs() -> None:
    plan = made()
    rows = objectives_document(plan)
    assert {one["service"] for one in rows} == {one.id for one in plan.services}
    for one in rows:
        said = ("mtd", "tolerance", "rpo_tolerance", "capability", "rpo_capability", "estimate", "caught_up")
        assert [name for name in said if one[name] is None] == []
        assert one["unknown"] == []


def test_everything_may_be_skipped_that_nobody_knows_and_then_it_is_unknown() -> None:
    skipped = {one.key: SKIPPED for one in QUESTIONS if one.skip}
    assert {one.key for one in left_out(answered(**skipped))} <= set(skipped)
    assert objectives_document(made(**skipped)) == []
    kept = {"emergency_rto": "2 h", "payroll_rto": "7 d"}
    pacs, finance = objectives_document(made(**{**skipped, **kept}))
    assert (pacs["estimate"], finance["estimate"]) == (None, None)
    assert "pacs: no `recovery` for hardware" in pacs["unknown"]
    assert "finance: no `recovery` for hardware" in finance["unknown"]


@pytest.mark.parametrize("key", [one.key for one in QUESTIONS])
def test_what_is_no_answer_is_known_at_the_question(key: str) -> None:
    (one,) = (one for one in QUESTIONS if one.key == key)
    wrong = [
        "",
        " ",
        *([] if one.skip else [SKIPPED]),
        *(["soon", "-1"] if one.choices or one.reads is not str else []),
    ]
    assert all(not _is_read(one, told) for told in wrong)
    assert one.read(f" {one.usual} ") == one.usual


def test_the_100_bed_example_is_what_the_interview_makes_and_what_the_guide_says_was_added_by_hand() -> None:
    assert set(HUNDRED_BEDS) <= {one.key for one in QUESTIONS}
    interviewed, example = asdict(made(**HUNDRED_BEDS)), asdict(example_plan("100-bed", date(2026, 11, 24)))
    assert lacking(interviewed, example, "") == []
    guide = GUIDE.read_text("utf-8")
    for section, held in example.items():
        before = {one["id"] for one in interviewed[section]} if _has_ids(held) else set()
        added = [one["id"] for one in held if one["id"] not in before] if _has_ids(held) else []
        if added:
            assert f"| `{section}` | {', '.join(added)} |" in guide


def _is_read(question: Question, told: str) -> bool:
    try:
        question.read(told)
    except ValueError:
        return False
    return True


def lacking(here: Any, there: Any, where: str) -> list[str]:
    """Return the values that are said here and are not there, or are otherwise."""
    if isinstance(here, dict):
        return [fault for name, one in here.items() for fault in lacking(one, there[name], f"{where}/{name}")]
    if isinstance(here, tuple) and here and isinstance(here[0], dict):
        key = "id" if "id" in here[0] else "disruption"
        known = {one[key]: one for one in there}
        return [
            fault
            for one in here
            for fault in (
                lacking(one, known[one[key]], f"{where}/{one[key]}") if one[key] in known else [f"{where}/{one[key]}"]
            )
        ]
    if isinstance(here, tuple):
        return [f"{where}: {one}" for one in here if one not in there]
    return [] if not here or here == there else [f"{where}: {here}, and there {there}"]


def _has_ids(held: Any) -> bool:
    return isinstance(held, tuple) and bool(held) and isinstance(held[0], dict) and "id" in held[0]
