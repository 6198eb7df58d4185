"""Storage commitment: what is asked to be kept, and what is answered.

Source: PS3.4 Annex J.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from pydicom.dataset import Dataset

from safelight.core.errors import PeerError

REFERENCES_MAX: Final = 20_000
_UID_MAX: Final = 64


class CommitmentFailure(IntEnum):
    """Why an instance is not committed to. Source: PS3.3 section C.14.1.1."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119


class CommitmentRefused(PeerError):
    """A request for commitment does not name a transaction and instances."""

    code: ClassVar[str] = "wire.commitment-refused"
    hint: ClassVar[str] = "The peer's request for storage commitment is incomplete; look at its log."
    status: ClassVar[int] = 0x0115


class CommitmentTooLong(PeerError):
    """A request for commitment names more instances than we take at once."""

    code: ClassVar[str] = "wire.commitment-too-long"
    hint: ClassVar[str] = "Have the peer ask by series."
    status: ClassVar[int] = 0x0213


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance as a request names it."""

    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What a peer wants us to keep."""

    transaction: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What we commit to, and what not."""

    transaction: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, CommitmentFailure], ...]

    @property
    def event_type(self) -> int:
        """Whether everything is committed to (1) or failures exist (2). Source: PS3.4 Table J.3-2."""
        return 2 if self.failed else 1


def read_request(told: Dataset) -> CommitmentRequest:
    """Read the action information of a request.

    Raises:
        CommitmentRefused: no transaction, no instances, or one without its UIDs.
        CommitmentTooLong: too many instances.
    """
    transaction = str(told.get("TransactionUID") or "")
    items = told.get("ReferencedSOPSequence") or []
    if len(items) > REFERENCES_MAX:
        raise CommitmentTooLong(references=len(items))
    references = tuple(
        Reference(str(item.get("ReferencedSOPClassUID") or ""), str(item.get("ReferencedSOPInstanceUID") or ""))
        for item in items
    )
    uids = [transaction, *(uid for one in references for uid in (one.sop_class, one.sop_instance))]
    if not references or not all(0 < len(uid) <= _UID_MAX for uid in uids):
        raise CommitmentRefused(references=len(references))
    return CommitmentRequest(transaction, tuple(dict.fromkeys(references)))


@dataclass(frozen=True, slots=True)
class Reported:
    """What another archive answers to a request of ours."""

    transaction: str
    committed: tuple[str, ...]
    """SOP Instance UIDs that it takes responsibility for."""
    failed: Mapping[str, int]
    """Those that it does not, and why, in its own number."""


def write_request(request: CommitmentRequest) -> Dataset:
    """Write the action information of a request."""
    told = Dataset()
    told.TransactionUID = request.transaction
    told.ReferencedSOPSequence = [_item(one) for one in request.references]
    return told


def read_report(told: Dataset) -> Reported:
    """Read the event information of an answer; what is odd in it commits to nothing.

    Raises:
        CommitmentRefused: it names no transaction.
    """
    transaction = str(told.get("TransactionUID") or "")
    if not 0 < len(transaction) <= _UID_MAX:
        raise CommitmentRefused(references=0)
    failed = {}
    for item in told.get("FailedSOPSequence") or []:
        reason = item.get("FailureReason")
        failed[str(item.get("ReferencedSOPInstanceUID") or "")] = reason if isinstance(reason, int) else 0
    listed = [str(item.get("ReferencedSOPInstanceUID") or "") for item in told.get("ReferencedSOPSequence") or []]
    return Reported(transaction, tuple(uid for uid in listed if uid not in failed), failed)


def write_report(report: CommitmentReport, title: str) -> Dataset:
    """Write the event information of an answer; ``title`` is where to retrieve from."""
    told = Dataset()
    told.TransactionUID = report.transaction
    if report.committed:
        told.RetrieveAETitle = title
        told.ReferencedSOPSequence = [_item(one) for one in report.committed]
    if report.failed:
        told.FailedSOPSequence = [_item(one, reason) for one, reason in report.failed]
    return told


def _item(reference: Reference, reason: CommitmentFailure | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class
    item.ReferencedSOPInstanceUID = reference.sop_instance
    if reason is not None:
        item.FailureReason = int(reason)
    return item
