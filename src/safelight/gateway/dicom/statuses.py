"""DICOM statuses: what they mean, and which one an error of ours becomes.

Source: PS3.7 Annex C, PS3.4 Tables B.2-1, C.4-1 to C.4-3.
"""

from dataclasses import dataclass
from typing import Final

from safelight.core.disk import DiskFull
from safelight.core.errors import IntegrityError, PeerError, ResourceError, SafelightError, UsageError

SUCCESS: Final = 0x0000
CANCELLED: Final = 0xFE00
PENDING: Final = 0xFF00
PENDING_WITH_UNSUPPORTED_KEYS: Final = 0xFF01
PROCESSING_FAILURE: Final = 0x0110
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
UNRECOGNIZED_OPERATION: Final = 0x0211
OUT_OF_RESOURCES: Final = 0xA700
DATA_SET_DOES_NOT_MATCH_SOP_CLASS: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000

_WARNINGS: Final = frozenset((0x0001, 0x0107, 0x0116))


@dataclass(frozen=True, slots=True)
class Status:
    """What a peer answered. The comment is the peer's own text and may name a patient: never log it."""

    code: int
    comment: str = ""

    @property
    def is_success(self) -> bool:
        """Whether it was done as asked."""
        return self.code == SUCCESS

    @property
    def is_pending(self) -> bool:
        """Whether more answers follow."""
        return self.code in (PENDING, PENDING_WITH_UNSUPPORTED_KEYS)

    @property
    def is_warning(self) -> bool:
        """Whether it was done, though not quite as asked."""
        return self.code in _WARNINGS or self.code >> 12 == 0xB

    @property
    def is_failure(self) -> bool:
        """Whether it was not done."""
        return not (self.is_success or self.is_pending or self.is_warning or self.code == CANCELLED)

    def __str__(self) -> str:
        return f"{self.code:04X}H"


def status_of(error: SafelightError) -> int:
    """Return the status that tells a storing peer what became of its instance.

    An error that knows better carries a ``status``.
    """
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    if isinstance(error, DiskFull):
        return OUT_OF_RESOURCES
    if isinstance(error, (PeerError, UsageError, IntegrityError)):
        return CANNOT_UNDERSTAND
    assert isinstance(error, SafelightError)
    return PROCESSING_FAILURE if isinstance(error, ResourceError) else CANNOT_UNDERSTAND
