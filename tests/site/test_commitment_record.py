"""What was asked and answered about commitment, by us and of us, folded from the journal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from safelight.core.clock import SetClock
from safelight.core.signing import SigningKey
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.site.commitment_record import GIVEN_UP, RECEIVED_KINDS, CommitmentAsks, CommitmentState, received

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


def test_a_request_of_us_is_waiting_decided_answered_or_given_up(tmp_path: Path) -> None:
    clock = SetClock(datetime(2026, 3, 1, tzinfo=UTC))
    journal = Journal.create(tmp_path / "journal.db", clock, "node-a", SigningKey.generate())

    def tell(kind: FactKind, calling: str, **more: object) -> None:
        journal.append(kind, {"calling": calling, "transaction": "t1", **more})

    for calling in ("CT1", "MR1", "US1", "DX1"):
        tell(FactKind.COMMITMENT_ASKED, calling, called="HERE", host="h", instances={"1.2": ["a", "b"], "1.3": ["c"]})
    for calling in ("MR1", "US1", "DX1"):
        tell(FactKind.COMMITMENT_DECIDED, calling, copies_min=2, failed={"c": 0x0110})
    tell(FactKind.COMMITMENT_DELIVERED, "US1", status=0)
    tell(FactKind.COMMITMENT_DELIVERED, "DX1", status=GIVEN_UP)
    # One transaction again: it is another request.
    tell(FactKind.COMMITMENT_ASKED, "US1", called="HERE", host="h", instances={"1.2": ["d"]})
    told = [(one.calling, one.instances, one.state) for one in received(journal.entries(kinds=RECEIVED_KINDS))]
    assert told == [
        ("CT1", 3, CommitmentState.WAITING),
        ("MR1", 3, CommitmentState.DECIDED),
        ("US1", 3, CommitmentState.ANSWERED),
        ("DX1", 3, CommitmentState.GIVEN_UP),
        ("US1", 1, CommitmentState.WAITING),
    ]
