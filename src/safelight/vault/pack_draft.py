"""The way of any pack from its first byte to its name: draft, durable, named, read back."""

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

import zstandard

from safelight.core.disk import Disk, make_directory
from safelight.core.errors import ResourceError, SafelightError
from safelight.vault import pack_format
from safelight.vault.age import AgeWriter, Recipient
from safelight.vault.pack_format import PackDamaged, PackIndex, SealedPack
from safelight.vault.zip_stream import ZipStream

DRAFT_SUFFIX: Final = ".draft"
_INDEX_LEVEL: Final = 9
_READ_BYTES: Final = 1 << 20


class PackUnreadable(ResourceError):
    """The file of a pack cannot be read from this disk."""

    code: ClassVar[str] = "vault.pack-unreadable"
    hint: ClassVar[str] = "Look whether the disk or mount is there and readable, then run: safelight vault verify."


class PackDraft:
    """A pack's file while it has no name yet."""

    def __init__(self, directory: Path, disk: Disk, recipients: Sequence[Recipient]) -> None:
        self._directory = directory
        self._disk = disk
        make_directory(disk, directory)
        self._path = directory / (secrets.token_hex(16) + DRAFT_SUFFIX)
        self._descriptor: int | None = disk.create(self._path)
        self._named = False
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        try:
            self._age = AgeWriter(self._write, recipients)
        except SafelightError:
            self.abandon()
            raise
        self.zip = ZipStream(self._age.write)
        self._members = 0

    def take_number(self) -> int:
        """Return the number for the next member of pixel bytes."""
        self._members += 1
        return self._members - 1

    def seal(self, index: PackIndex, raw_bytes: int) -> SealedPack:
        """Write the index and the end, and give the pack its name.

        Raises:
            PackDamaged: the disk gave back other bytes than it was given; the file keeps its name for the
                verification to find, and is not reported as sealed.
        """
        packed_index = zstandard.ZstdCompressor(level=_INDEX_LEVEL).compress(pack_format.index_to_json(index))
        offset = self.zip.add(pack_format.INDEX_MEMBER, packed_index)
        self.zip.close(pack_format.comment_for(offset, len(packed_index)))
        self._age.close()
        name = self._hash.hexdigest()
        place = self._directory / pack_format.place_of(name)
        make_directory(self._disk, place.parent)
        self._make_durable()
        # The bytes are durable before the name exists: a reader may trust any name it can see.
        self._disk.rename(self._path, place)
        self._named = True
        self._disk.sync_directory(place.parent)
        self._disk.sync_directory(self._directory)
        verify_shallow(place, name)
        return SealedPack(name, self.size_bytes, raw_bytes, index.kind, index.entries, index.refers_to)

    def abandon(self) -> None:
        """Remove the draft; harmless when there is none any more."""
        if self._descriptor is not None:
            self._disk.close(self._descriptor)
            self._descriptor = None
        if not self._named:
            self._disk.remove(self._path)

    def _make_durable(self) -> None:
        assert self._descriptor is not None, "a draft is sealed once"
        self._disk.sync(self._descriptor)
        self._disk.close(self._descriptor)
        self._descriptor = None

    def _write(self, ciphertext: bytes) -> None:
        assert self._descriptor is not None, "nothing is added to a sealed pack"
        self._disk.write(self._descriptor, ciphertext, self.size_bytes)
        self._hash.update(ciphertext)
        self.size_bytes += len(ciphertext)


def verify_shallow(path: Path, name: str) -> int:
    """Read a pack from the disk, not from memory, and compare it with its name; return its size. Needs no key.

    Raises:
        PackDamaged: it hashes to something else.
        PackUnreadable: the file cannot be opened or read.
    """
    hasher = hashlib.sha256()
    size = 0
    for piece in _uncached(path, name):
        hasher.update(piece)
        size += len(piece)
    if hasher.hexdigest() != name:
        raise PackDamaged(pack=name, found=hasher.hexdigest(), size_bytes=size)
    return size


def sweep_drafts(directory: Path, disk: Disk) -> int:
    """Remove what writers left behind that died; call it only while no writer runs. Return how many."""
    drafts = sorted(directory.glob("*" + DRAFT_SUFFIX))
    for draft in drafts:
        disk.remove(draft)
    return len(drafts)


def _uncached(path: Path, name: str) -> Iterator[memoryview]:
    buffer = bytearray(_READ_BYTES)
    view = memoryview(buffer)
    try:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while count := file.readinto(buffer):
                yield view[:count]
    except OSError as error:
        raise PackUnreadable(pack=name, error=error.strerror or "unknown") from error
