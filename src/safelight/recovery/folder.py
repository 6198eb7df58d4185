"""A folder of Part 10 files as the target of a recovery: for a vendor's import tool, or an isolated workstation."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from safelight.core.instance import ByteSource
from safelight.recovery.pace import Lane
from safelight.recovery.ports import Answer, HeldInstance, TargetTraits, Version
from safelight.wire.dicom.part10 import NotDicom, read_prefix, write_prefix

PIECE_BYTES_MAX: Final = 1 << 20


class Folder(Protocol):
    """Where files are put. Names are made of digests and constants and have slashes between their parts."""

    def put(self, name: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Write a file whole and durably, in place of one of this name; raises a ResourceError."""

    def get(self, name: str) -> ByteSource | None:
        """Return the file's bytes as they lie on the disk now, or nothing."""


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """Writes every instance as a Part 10 file, and proves by reading it back."""

    folder: Folder

    def traits(self) -> TargetTraits:
        """A folder has no implementation and is read."""
        return TargetTraits("", "", ("read",))

    def send(self, study: str, instances: Sequence[HeldInstance], lane: Lane) -> Iterator[Answer]:
        """Write the files."""
        for instance in instances:
            lane.begin(instance.size_bytes)
            self.folder.put(_name(study, instance), _part10(instance))
            yield Answer(instance.sop_instance, 0)

    def fetch_back(
        self,
        study: str,
        instances: Sequence[HeldInstance],
        way: str,  # noqa: ARG002
        receive: Callable[[Version], None],
    ) -> None:
        """Read the files."""
        for instance in instances:
            file = self.folder.get(_name(study, instance))
            if file is None:
                continue
            try:
                prefix = read_prefix(file)
            except NotDicom:
                # A file whose opening is destroyed did not come back.
                continue
            data_set = _Rest(file, prefix.prefix_size)
            receive(Version(prefix.sop_class, prefix.sop_instance, prefix.transfer_syntax, data_set))

    def claims(self, study: str, instances: Sequence[HeldInstance]) -> frozenset[str]:
        """Return the instances that have a file."""
        return frozenset(one.sop_instance for one in instances if self.folder.get(_name(study, one)) is not None)


@dataclass(frozen=True, slots=True)
class _Rest:
    """What follows the file meta."""

    source: ByteSource
    offset: int

    @property
    def size(self) -> int:
        return self.source.size - self.offset

    def read(self, offset: int, length: int) -> bytes | memoryview:
        return self.source.read(self.offset + offset, length)


def _name(study: str, instance: HeldInstance) -> str:
    folders = (hashlib.sha256(uid.encode()).hexdigest()[:16] for uid in (study, instance.series))
    return "/".join((*folders, instance.digest.hex() + ".dcm"))


def _part10(instance: HeldInstance) -> Iterator[bytes | memoryview]:
    yield write_prefix(instance.sop_class, instance.sop_instance, instance.transfer_syntax)
    source = instance.open()
    for offset in range(0, source.size, PIECE_BYTES_MAX):
        yield source.read(offset, min(PIECE_BYTES_MAX, source.size - offset))
