"""An archive in memory for the tests of recovery: an index, files, and the ways real archives disappoint."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from safelight.core.clock import SystemClock
from safelight.core.errors import PeerError
from safelight.core.instance import ByteSource, MemorySource
from safelight.recovery.facts import Level
from safelight.recovery.pace import Lane, Pace
from safelight.recovery.ports import Answer, HeldInstance, TargetTraits, TargetUnreachable, Version, WayShut

EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
KOS = "1.2.840.10008.5.1.4.1.1.88.59"


def at_once() -> Lane:
    return Pace(None, SystemClock(), lambda _: None).lane()


class AssociationBroken(PeerError):
    """The peer hung up."""

    code = "test.association-broken"
    hint = "None: this is a test."


def held(uid: str, content: bytes | None = None, **more: object) -> HeldInstance:
    data = uid.encode() * 5 if content is None else content
    values: dict[str, object] = {
        "sop_class": CT,
        "sop_instance": uid,
        "series": "1.2.9",
        "transfer_syntax": EXPLICIT,
        "digest": hashlib.sha256(data).digest(),
        "size_bytes": len(data),
        "open": lambda: MemorySource(data),
    }
    return HeldInstance(**(values | more))  # type: ignore[arg-type]


@dataclass
class MemoryHoldings:
    studies: dict[str, list[HeldInstance]] = field(default_factory=dict)
    asked: list[datetime | None] = field(default_factory=list)

    def instances(self, study: str, as_of: datetime | None) -> Sequence[HeldInstance]:
        self.asked.append(as_of)
        return self.studies.get(study, [])


@dataclass
class MemoryArchive:
    """Implements Target and Keeper.

    ``index`` outlives ``files`` when somebody deletes files under it; a resend of what is in the index is answered with
    success and ignored unless ``overwrite`` is set; a retrieve of a study fails as a whole when one file is gone.
    """

    ways: tuple[str, ...] = ("get", "find")
    overwrite: bool = False
    index: dict[str, str] = field(default_factory=dict)
    """Study by SOP Instance UID."""
    files: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    statuses: dict[str, list[int | None]] = field(default_factory=dict)
    """By SOP Instance UID, what to answer at the next offers; such an instance is not stored unless B0xx."""
    unreachable: int = 0
    """How many of the next associations are refused."""
    broken_sends: dict[str, int] = field(default_factory=dict)
    """By SOP Instance UID, how often the association breaks when it arrives."""
    broken_fetches: int = 0
    shut_ways: set[str] = field(default_factory=set)
    lost_is_silent: bool = False
    """A retrieve passes over what has no file, instead of failing as a whole."""
    fetches: int = 0
    early_success: bool = False
    """A retrieve of several instances gives only the first one and calls it done."""
    sent: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def _open(self) -> None:
        if self.unreachable:
            self.unreachable -= 1
            raise TargetUnreachable(target="memory")

    def traits(self) -> TargetTraits:
        self._open()
        return TargetTraits("1.2.3.4", "MEMORY_1", self.ways)

    def send(self, study: str, instances: Sequence[HeldInstance], lane: Lane) -> Iterator[Answer]:
        self._open()
        for instance in instances:
            lane.begin(instance.size_bytes)
            uid = instance.sop_instance
            self.sent.append(uid)
            if self.broken_sends.get(uid):
                self.broken_sends[uid] -= 1
                raise AssociationBroken(instance=uid)
            status = self.statuses[uid].pop(0) if self.statuses.get(uid) else 0
            if status is not None and (status == 0 or status >> 12 == 0xB):
                self._store(study, instance)
            yield Answer(uid, status)

    def _store(self, study: str, instance: HeldInstance) -> None:
        if instance.sop_instance in self.index and not self.overwrite:
            return
        source = instance.open()
        self.index[instance.sop_instance] = study
        data = bytes(source.read(0, source.size))
        self.files[instance.sop_instance] = (instance.sop_class, instance.transfer_syntax, data)

    def fetch_back(
        self, study: str, instances: Sequence[HeldInstance], way: str, receive: Callable[[Version], None]
    ) -> None:
        self._open()
        self.fetches += 1
        if way in self.shut_ways:
            raise WayShut(way=way)
        if self.broken_fetches:
            self.broken_fetches -= 1
            raise AssociationBroken(study=study)
        wanted = [one.sop_instance for one in instances if self.index.get(one.sop_instance) == study]
        if self.lost_is_silent:
            wanted = [uid for uid in wanted if uid in self.files]
        if any(uid not in self.files for uid in wanted):
            raise AssociationBroken(study=study)
        for uid in wanted[:1] if self.early_success else wanted:
            sop_class, transfer_syntax, data = self.files[uid]
            receive(Version(sop_class, uid, transfer_syntax, MemorySource(data)))

    def claims(self, study: str, instances: Sequence[HeldInstance]) -> frozenset[str]:
        self._open()
        return frozenset(one.sop_instance for one in instances if self.index.get(one.sop_instance) == study)

    def overwrites(self) -> bool | None:
        return self.overwrite

    def remove_unreadable(self, instances: Sequence[str]) -> Sequence[str]:
        gone = [uid for uid in instances if uid in self.index and uid not in self.files]
        for uid in gone:
            del self.index[uid]
        self.removed += gone
        return gone


@dataclass(frozen=True)
class Verdict:
    level: int
    differing: tuple[str, ...] = ()
    coerced: tuple[str, ...] = ()
    undecodable: bool = False


def _bytes(source: ByteSource) -> bytes:
    return bytes(source.read(0, source.size))


def compare(ours: Version, theirs: Version) -> Verdict:
    """A ladder for contents that are not DICOM: ``p:`` marks same pixels, ``a:`` same attributes too."""
    mine, other = _bytes(ours.data_set), _bytes(theirs.data_set)
    if mine == other:
        return Verdict(Level.BYTES)
    if other.startswith(b"a:"):
        return Verdict(Level.ATTRIBUTES, coerced=("(0008,0005)",))
    if other.startswith(b"p:"):
        return Verdict(Level.PIXELS, ("(0010,0020)",))
    return Verdict(Level.UIDS, ("(7fe0,0010)",))
