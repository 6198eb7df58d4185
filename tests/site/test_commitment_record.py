"""What other archives answered about commitment, folded from the journal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from safelight.core.clock import SetClock
from safelight.core.signing import SigningKey
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.site.commitment_record import CommitmentAsks

STUDY = "1.2.3"


def test_a_part_that_was_asked_for_again_and_not_answered_is_as_its_last_answer_left_it(tmp_path: Path) -> None:
    clock = SetClock(datetime(2026, 3, 1, tzinfo=UTC))
    journal = Journal.create(tmp_path / "journal.db", clock, "node-a", SigningKey.generate())
    asks = CommitmentAsks(journal)

    def ask(transaction: str, instance: str) -> None:
        told = {"to": "PACS", "transaction": transaction, "study": STUDY, "instances": {"1.2": [instance]}}
        journal.append(FactKind.COMMITMENT_REQUESTED, told)

    def answer(transaction: str, failed: Mapping[str, int]) -> None:
        journal.append(FactKind.COMMITMENT_REPORTED, {"transaction": transaction, "failed": dict(failed)})

    ask("t1", "first")
    ask("t2", "second")
    answer("t2", {"second": 0x0112})
    answer("t1", {})
    assert asks.refused("PACS", STUDY) == 1
    ask("t3", "first")
    ask("t4", "second")
    answer("t3", {})
    assert asks.refused("PACS", STUDY) == 1
    answer("t4", {})
    assert asks.refused("PACS", STUDY) == 0
