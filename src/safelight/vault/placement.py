"""Placements: where copies of packs lie. A port, so that object stores and tape can follow folders."""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Protocol

from safelight.core.errors import IntegrityError, ResourceError
from safelight.core.instance import ByteSource


class PlacementMissing(ResourceError):
    """The folder of a placement is not there, or is an empty mount point without our marker."""

    code: ClassVar[str] = "media.placement-missing"
    hint: ClassVar[str] = "Mount it, or correct vault.second in safelight.toml. No unmarked folder is written to."


class PlacementForeign(ResourceError):
    """The folder holds the packs of another vault."""

    code: ClassVar[str] = "media.placement-foreign"
    hint: ClassVar[str] = "Give each home a folder of its own; correct vault.second in safelight.toml."


class CopyMissing(ResourceError):
    """A placement does not have this pack."""

    code: ClassVar[str] = "vault.copy-missing"
    hint: ClassVar[str] = "Run: safelight vault verify; a missing copy is made again from a good one."


class CopyUnreadable(ResourceError):
    """The device of a placement does not give the bytes of a pack."""

    code: ClassVar[str] = "vault.copy-unreadable"
    hint: ClassVar[str] = "Look at the kernel log for this device. Run: safelight vault verify"


class CopyDamaged(IntegrityError):
    """The bytes of a copy do not hash to the pack's name."""

    code: ClassVar[str] = "vault.copy-damaged"
    hint: ClassVar[str] = "Delete nothing. Run: safelight vault verify; it replaces the copy from a good one."


class Placement(Protocol):
    """Holds copies of packs, each named by the SHA-256 of its bytes. Used by many threads.

    It can be pickled: worker processes read packs from it.
    """

    @property
    def name(self) -> str:
        """What people call it; one failure domain each."""

    def names(self, changed_since: datetime | None = None) -> Iterator[str]:
        """Give every pack that lies here, in order of its name.

        With ``changed_since``, at least those that were put here since then; the cost then grows with them.
        """

    def put(self, pack: str, source: ByteSource) -> None:
        """Write a copy, make it durable, read it back and compare (invariant I4).

        Raises:
            PlacementMissing, PlacementForeign: this is not the place it was.
            CopyDamaged: the source, or what was read back, does not hash to the name.
            DiskFull, DiskFailed: there is no copy.
        """

    def open(self, pack: str) -> ByteSource:
        """Return the bytes of a copy.

        Raises:
            CopyMissing: it is not here.
        """

    def verify(self, pack: str) -> int:
        """Read a copy from the device and compare it with its name; return its size. Needs no key.

        Raises:
            CopyMissing, CopyUnreadable, CopyDamaged: what is wrong with it.
        """

    def quarantine(self, pack: str) -> None:
        """Set a bad copy aside; it is never deleted."""

    def free_bytes(self) -> int:
        """Return the space left."""
