"""What a recovery needs from others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from safelight.core.errors import PeerError
from safelight.core.instance import ByteSource
from safelight.recovery.facts import Fact
from safelight.recovery.pace import Lane


class TargetUnreachable(PeerError):
    """No association with the target could be opened at all."""

    code: ClassVar[str] = "recovery.target-unreachable"
    hint: ClassVar[str] = "See that the archive runs and knows our AE title, then: safelight recovery resume."


class TargetSilent(PeerError):
    """The target did not answer, so nothing was begun."""

    code: ClassVar[str] = "recovery.target-silent"
    hint: ClassVar[str] = (
        "See that the archive runs and lets this calling title in: safelight gateway echo. "
        "To try again for about eight minutes, start or resume the recovery with --wait."
    )


class WayShut(PeerError):
    """The target does not give instances back this way: asking again for single ones is no use."""

    code: ClassVar[str] = "recovery.way-shut"
    hint: ClassVar[str] = "Let our AE title retrieve at the target."


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an instance, ours or the target's, with its data set."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data_set: ByteSource


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """An instance of a study that could go home: the version in force at the moment asked for."""

    sop_class: str
    sop_instance: str
    series: str
    transfer_syntax: str
    digest: bytes
    """SHA-256 of the data set."""
    size_bytes: int
    open: Callable[[], ByteSource]
    """Give the data set's bytes; called as late as possible, from the thread that runs the command."""
    versions: int = 1
    """How many versions of this UID are held."""
    rejected: str = ""
    """Code of the rejection note that names this instance, if one does. Source: IHE IOCM."""
    is_rejection_note: bool = False
    cut_short: bool = False
    """Its bytes end before its data set does: no target can take it."""


class Holdings(Protocol):
    """What the vault holds."""

    def instances(self, study: str, as_of: datetime | None) -> Sequence[HeldInstance]:
        """Return one version of each instance of the study, as of a moment (None: now)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the target answered for one instance."""

    sop_instance: str
    status: int | None
    """The C-STORE status; None when the target accepts no such instance, so that it was not offered."""


@dataclass(frozen=True, slots=True)
class TargetTraits:
    """What an association and a query tell of the target."""

    implementation_class: str
    implementation_version: str
    ways: tuple[str, ...]
    """How instances can be fetched back, the best first: ``get``, ``move``, ``read``; ``find`` only claims."""


class Target(Protocol):
    """The archive that is refilled, or a folder. Its methods may be called from several threads at once.

    Every method raises TargetUnreachable when no association could be opened, and another PeerError when one broke.
    """

    def traits(self) -> TargetTraits:
        """Open an association, echo, and say what the target is and can."""

    def send(self, study: str, instances: Sequence[HeldInstance], lane: Lane) -> Iterator[Answer]:
        """Send the instances of one study in this order, in their stored encodings; give the answers in any order.

        No byte leaves before ``lane`` lets it.
        """

    def fetch_back(
        self, study: str, instances: Sequence[HeldInstance], way: str, receive: Callable[[Version], None]
    ) -> None:
        """Fetch these instances of a study; what does not come is no error. Bytes live until ``receive`` returns."""

    def claims(self, study: str, instances: Sequence[HeldInstance]) -> frozenset[str]:
        """Return which of these instances a query finds."""


class Comparison(Protocol):
    """How far two versions are equal."""

    @property
    def level(self) -> int:
        """A value of `Level`."""

    @property
    def differing(self) -> Sequence[str]:
        """The tags that differ, as ``(gggg,eeee)``."""

    @property
    def coerced(self) -> Sequence[str]:
        """The tags that differ and that an archive may change."""

    @property
    def undecodable(self) -> bool:
        """Whether the level might be stronger if the pixels could be decoded."""


Compare = Callable[[Version, Version], Comparison]
"""Compare ours with theirs."""


class Keeper(Protocol):
    """The target's own management interface, where it has one that we may use."""

    def overwrites(self) -> bool | None:
        """Say whether a resend replaces what is held, if the interface tells."""

    def remove_unreadable(self, instances: Sequence[str]) -> Sequence[str]:
        """Delete those instances that the target lists but whose file it cannot read; return their UIDs."""


class Recorder(Protocol):
    """Where facts become durable."""

    def record(self, fact: Fact) -> None:
        """Return when the fact is durable."""

    def news(self) -> Sequence[Fact]:
        """Return the facts that others recorded of this recovery since the last call: pause, resume, release."""
