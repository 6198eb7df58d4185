"""Deciding on commitment: every case is a row, and no yes without the copies (I3)."""

from datetime import UTC, datetime
from itertools import product

import pytest

from safelight.catalog.custody import Custody
from safelight.journal.entry import Entry
from safelight.journal.kinds import FactKind
from safelight.site.dicom_commitments import Commitment, decide, fold
from safelight.wire.dicom.commitment import CommitmentFailure, CommitmentRequest, Reference

AT = datetime(2026, 1, 5, 6, tzinfo=UTC)
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
KEPT = [None, *(Custody(frozenset((sop_class,)), copies) for sop_class in (CT, MR) for copies in (0, 1, 2, 3))]


@pytest.mark.parametrize(("first", "second", "copies_min", "is_late"), list(product(KEPT, KEPT, (1, 2), (False, True))))
def test_no_yes_without_the_copies(
    first: Custody | None, second: Custody | None, copies_min: int, is_late: bool
) -> None:
    request = CommitmentRequest("1.2", (Reference(CT, "1"), Reference(CT, "2")))
    kept = {uid: custody for uid, custody in (("1", first), ("2", second)) if custody is not None}
    failed = decide(Commitment("A", "B", "h", request, AT), kept, copies_min, is_late=is_late)
    if failed is None:
        assert not is_late
        assert any(CT in one.sop_classes and one.copies_whole < copies_min for one in kept.values())
        return
    for uid in ("1", "2"):
        is_safe = uid in kept and CT in kept[uid].sop_classes and kept[uid].copies_whole >= copies_min
        assert (uid not in failed) == is_safe


def entry(position: int, kind: FactKind, **facts: object) -> Entry:
    told = {"calling": "A", "transaction": "1.2", **facts}
    return Entry(position, AT, kind, told, b"")  # type: ignore[arg-type]


ASKED = entry(1, FactKind.COMMITMENT_ASKED, called="B", host="h", instances={CT: ["1", "2"]})
DECIDED = entry(2, FactKind.COMMITMENT_DECIDED, copies_min=2, failed={"2": 0x0112})
DELIVERED = entry(3, FactKind.COMMITMENT_DELIVERED, status=0)


def test_the_facts_say_what_is_open_after_every_one_of_them() -> None:
    (undecided,) = fold([ASKED]).values()
    assert undecided.failed is None
    (decided,) = fold([ASKED, DECIDED]).values()
    report = decided.report()
    assert report.committed == (Reference(CT, "1"),)
    assert report.failed == ((Reference(CT, "2"), CommitmentFailure.NO_SUCH_INSTANCE),)
    assert not fold([ASKED, DECIDED, DELIVERED])
    (again,) = fold([ASKED, DECIDED, DELIVERED, ASKED]).values()
    assert again.failed is None
