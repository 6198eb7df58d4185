"""Downtime exams and reserved numbers, read back from the journal."""

from typing import Any

from safelight.core.clock import to_text
from safelight.downtime.exam import EXAM_KINDS, Exam, Happened, Registered, happen
from safelight.downtime.number import NUMBER_KINDS, NumberFact, Numbers, fold_numbers
from safelight.journal.entry import Entry
from safelight.journal.journal import Journal


def numbers_of(journal: Journal) -> Numbers:
    """Return the ranges and blocks as the journal tells it.

    Raises:
        NumbersOverlap: it says that a number was allotted twice.
    """
    numbers = Numbers()
    for entry in journal.entries(kinds=NUMBER_KINDS):
        numbers = fold_numbers(numbers, NumberFact.from_entry(entry.kind, entry.facts))
    return numbers


def exams_of(journal: Journal) -> dict[str, Exam]:
    """Return the downtime exams by accession number, in the order in which they were registered."""
    exams: dict[str, Exam] = {}
    for entry in journal.entries(kinds=EXAM_KINDS):
        fold_exam(exams, entry)
    return exams


def fold_exam(exams: dict[str, Exam], entry: Entry) -> str:
    """Take one fact of an exam in, and return its accession number."""
    if entry.kind == Registered.kind:
        registered = Registered.from_body(entry.facts)
        exams[registered.accession] = Exam(registered)
        return registered.accession
    happened = Happened.from_entry(entry.kind, entry.facts)
    exams[happened.accession] = happen(exams, happened)
    return happened.accession


def exam_document(exam: Exam) -> dict[str, Any]:
    """Return an exam as JSON; it names the patient, since people look for them by it."""
    registered = exam.registered
    return {
        **registered.to_body(),
        "stage": exam.stage.value,
        "waits_for": exam.waits_for(),
        "identified_as": exam.identified_as,
        "steps": [
            {
                "step": one.step.value,
                "at": to_text(one.at),
                "said_at": to_text(one.said_at),
                "by": one.by,
                **one.told,
            }
            for one in exam.steps
        ],
    }
