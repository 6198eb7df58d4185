from datetime import UTC, datetime

from safelight.recovery.facts import InstanceNote, StudyFailed, StudySent
from safelight.site.evidence import notes_by_code_of

AT = datetime(2026, 3, 10, tzinfo=UTC)
NOTES = tuple(InstanceNote(f"1.{number}", "coerced") for number in range(2))


def test_instances_past_the_limit_of_the_journal_are_counted_too() -> None:
    fact = StudySent(
        "R", AT, "1", 9, 9, 1.0, notes=NOTES, notes_count=500, notes_by_code={"coerced": 499, "refused": 1}
    )
    assert notes_by_code_of(fact) == {"coerced": 499, "refused": 1}


def test_of_a_fact_that_has_no_counts_the_rest_is_told_as_not_listed() -> None:
    fact = StudyFailed("R", AT, "1", "send", "refused", False, NOTES, 7)
    assert notes_by_code_of(fact) == {"coerced": 2, "not-listed": 5}
    assert notes_by_code_of(StudyFailed("R", AT, "1", "send", "refused", False)) == {}
