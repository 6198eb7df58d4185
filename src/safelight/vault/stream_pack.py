"""Packs that hold one stream: a journal segment, a database dump, any attachment."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import zstandard

from safelight.core.disk import Disk
from safelight.vault import pack_format
from safelight.vault.age import Recipient
from safelight.vault.pack_draft import PackDraft
from safelight.vault.pack_format import PackIndex, SealedPack, Span

_LEVEL: Final = 3


def write_stream_pack(
    directory: Path, disk: Disk, recipients: Sequence[Recipient], *, kind: str, name: str, chunks: Iterable[bytes]
) -> SealedPack:
    """Keep a stream as a pack of its own and read it back; memory does not grow with its length.

    ``kind`` says what it is (``journal``, ``attachment``), ``name`` which one.

    Raises:
        PackDamaged: what was read back is not what was written.
        DiskFull, DiskFailed: nothing has a name; the draft is removed.
    """
    draft = PackDraft(directory, disk, recipients)
    try:
        hasher = hashlib.sha256()
        coder = _Compressing(hasher)
        offset, stored = draft.zip.add_stream(pack_format.CONTENT_MEMBER, coder.pieces(chunks))
        index = PackIndex(
            kind=kind,
            name=name,
            refers_to=(),
            headers=None,
            entries=(),
            content=Span(offset, stored, coder.length),
            content_digest=hasher.digest(),
        )
        return draft.seal(index, coder.length)
    finally:
        draft.abandon()


class _Compressing:
    def __init__(self, hasher: "hashlib._Hash") -> None:
        self._hasher = hasher
        self.length = 0

    def pieces(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        coder = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        for chunk in chunks:
            self._hasher.update(chunk)
            self.length += len(chunk)
            if piece := coder.compress(chunk):
                yield piece
        yield coder.flush()
