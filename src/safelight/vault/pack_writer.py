"""Writing packs: one pass, bounded memory, and nothing sealed that was not decoded and compared.

The order of what must hold: every piece is decoded from what was written and compared; the digest of
each instance is computed over the decoded bytes; the draft is durable before it gets its name, the
name before the pack is read back, and only a pack that was read back is reported as sealed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import zstandard
from blake3 import blake3

from safelight.core.disk import Disk
from safelight.core.instance import ByteSource, PixelLayout
from safelight.vault import pack_format
from safelight.vault.age import Recipient
from safelight.vault.anatomy import Anatomy, CutLimits, take_apart
from safelight.vault.codec import Coded, Coder
from safelight.vault.coding import Coding, Picture, Profile
from safelight.vault.pack_draft import PackDraft
from safelight.vault.pack_format import (
    DigestMismatch,
    Packed,
    PackEntry,
    PackIndex,
    PackItem,
    Part,
    PixelReference,
    SealedPack,
    Span,
)

_READ_BYTES: Final = 1 << 20
_HEADERS_LEVEL: Final = 9
_KEY_FRAME_EVERY: Final = 16
"""A cine's frame is at most so many decodings away."""
_DELTA_MUST_GAIN: Final = 0.9


class PackWriter:
    """One pack being written. Used by one thread; `seal` or `abandon` ends it.

    ``directory`` is the packs directory; drafts lie in it under a name of their own.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        recipients: Sequence[Recipient],
        profile: Profile = Profile.DEFAULT,
        limits: CutLimits | None = None,
    ) -> None:
        self._limits = limits or CutLimits()
        self._draft = PackDraft(directory, disk, recipients)
        self._coder = Coder(profile)
        self._entries: list[PackEntry] = []
        self._raw_bytes = 0
        self._refers_to: set[str] = set()
        self._headers = bytearray()
        self._headers_coder = zstandard.ZstdCompressor(level=_HEADERS_LEVEL).compressobj()
        self._headers_length = 0

    @property
    def raw_bytes(self) -> int:
        """Stored bytes of the instances added so far."""
        return self._raw_bytes

    @property
    def stored_bytes(self) -> int:
        """Bytes of ciphertext written so far."""
        return self._draft.size_bytes

    def add(
        self,
        item: PackItem,
        source: ByteSource,
        layout: PixelLayout,
        same_pixels: PixelReference | None = None,
        pixels: bytes | None = None,
    ) -> Packed:
        """Put one instance into the pack, streaming from ``source``.

        ``same_pixels`` names an entry that is known to hold the same pixel bytes (by `pixel_digest`);
        then only the header bytes are stored. ``pixels`` is the `pixel_digest` of these bytes, where it is known and
        they cannot have changed since: it is not taken again. After an error the pack can still be used; the bytes
        already written for the failed instance are waste.

        Raises:
            DigestMismatch: the source does not hash to the item's digest.
        """
        anatomy = take_apart(layout, source.size, self._limits)
        if not anatomy.has_pixels:
            same_pixels = None
        hashes = _InstanceHashes(item.wrapper.prefix_size, pixels)
        header_offset = self._headers_length
        parts: list[Part] = []
        for number, (start, end) in enumerate(anatomy.ranges):
            if number % 2 == 0:
                self._add_header(source, start, end, hashes)
            elif same_pixels is not None:
                for piece in _read_through(source, start, end):
                    hashes.take_pixels(piece)
            else:
                self._add_pixels(source, anatomy, (start, end), hashes, parts)
        digest, prefix_digest = hashes.digests()
        if item.digest is not None and digest != item.digest:
            raise DigestMismatch(expected=item.digest.hex(), found=digest.hex(), where="source")
        entry = PackEntry(
            digest=digest,
            size=source.size,
            prefix_size=item.wrapper.prefix_size,
            prefix_digest=prefix_digest,
            opaque=item.wrapper.opaque,
            transfer_syntax=item.head.transfer_syntax,
            sop_class=item.head.sop_class,
            sop_instance=item.head.sop_instance,
            study=item.head.study,
            series=item.head.series,
            modality=item.head.modality,
            receipt=item.receipt,
            header_offset=header_offset,
            runs=anatomy.runs,
            parts=tuple(parts),
            picture=anatomy.picture if same_pixels is None else None,
            pixel_digest=hashes.pixel_digest() if anatomy.has_pixels else None,
            same_pixels_as=same_pixels,
        )
        if same_pixels is not None and same_pixels.pack:
            self._refers_to.add(same_pixels.pack)
        self._entries.append(entry)
        self._raw_bytes += entry.size
        return Packed(len(self._entries) - 1, entry)

    def seal(self) -> SealedPack:
        """Make the pack durable under its name and read it back.

        Raises:
            PackDamaged: what was read back is not what was written.
            DiskFull, DiskFailed: nothing has a name; the draft may be swept.
        """
        headers = bytes(self._headers) + self._headers_coder.flush()
        offset = self._draft.zip.add(pack_format.HEADERS_MEMBER, headers)
        index = PackIndex(
            kind=pack_format.IMAGES,
            name="",
            refers_to=tuple(sorted(self._refers_to)),
            headers=Span(offset, len(headers), self._headers_length),
            entries=tuple(self._entries),
        )
        return self._draft.seal(index, self._raw_bytes)

    def abandon(self) -> None:
        """Drop the draft; after `seal` it does nothing."""
        self._draft.abandon()

    def _add_header(self, source: ByteSource, start: int, end: int, hashes: "_InstanceHashes") -> None:
        for piece in _read_through(source, start, end):
            self._headers += self._headers_coder.compress(piece)
            self._headers_length += len(piece)
            hashes.take(piece)

    def _add_pixels(
        self,
        source: ByteSource,
        anatomy: Anatomy,
        pixel_range: tuple[int, int],
        hashes: "_InstanceHashes",
        parts: list[Part],
    ) -> None:
        start, end = pixel_range
        cine = _Cine(self._coder, anatomy.picture) if anatomy.picture is not None else None
        for begin, until in anatomy.pieces(start, end, self._limits):
            piece = _read(source, begin, until)
            coded = self._coder.code_bytes(piece) if cine is None else cine.code(piece)
            name = f"f/{self._draft.take_number():06d}.{coded.coding.extension}"
            offset = self._draft.zip.add(name, coded.stored)
            hashes.take_pixels(coded.decoded)
            alone = anatomy.has_pixels and len(anatomy.ranges) == 3 and (begin, until) == pixel_range
            # The digest of a single frame is the pixel digest; hashing it twice would be waste.
            digest = hashes.pixel_digest() if alone else blake3(coded.decoded).digest()
            parts.append(Part(coded.coding, offset, len(coded.stored), len(coded.decoded), digest))


def _read(source: ByteSource, start: int, end: int) -> bytes | memoryview:
    piece = source.read(start, end - start)
    if len(piece) != end - start:
        raise DigestMismatch(where="source", short_at=start + len(piece))
    return piece


def _read_through(source: ByteSource, start: int, end: int) -> Iterator[bytes | memoryview]:
    for begin in range(start, end, _READ_BYTES):
        yield _read(source, begin, min(begin + _READ_BYTES, end))


class _Cine:
    """Codes the frames of one instance: by themselves, or as differences where a pair test gains."""

    def __init__(self, coder: Coder, picture: Picture) -> None:
        self._coder = coder
        self._picture = picture
        self._before: memoryview | None = None
        self._since_key = 0
        self._by_difference = False
        self._key_stored = 0

    def code(self, frame: bytes | memoryview) -> Coded:
        coded = self._chosen(frame)
        if self._picture.sample_bytes == 1:
            # What the source gave may be overwritten by its next read; what a decoder made is ours.
            self._before = memoryview(bytes(coded.decoded)) if coded.coding is Coding.RAW else coded.decoded
        return coded

    def _chosen(self, frame: bytes | memoryview) -> Coded:
        self._since_key += 1
        if self._before is None or self._since_key >= _KEY_FRAME_EVERY:
            return self._key(frame)
        if self._by_difference:
            delta = self._coder.code_delta(frame, self._before)
            # A scene that changes makes a difference larger than a picture.
            return delta if delta is not None and len(delta.stored) <= self._key_stored else self._key(frame)
        coded = self._coder.code_frame(frame, self._picture)
        if self._since_key > 1:
            return coded
        delta = self._coder.code_delta(frame, self._before)
        if delta is not None and len(delta.stored) < _DELTA_MUST_GAIN * len(coded.stored):
            self._by_difference = True
            return delta
        return coded

    def _key(self, frame: bytes | memoryview) -> Coded:
        coded = self._coder.code_frame(frame, self._picture)
        self._key_stored = len(coded.stored)
        self._since_key = 0
        return coded


class _InstanceHashes:
    """The digests of one instance, over the bytes as they will come back."""

    def __init__(self, prefix_size: int, pixels: bytes | None) -> None:
        self._prefix_left = prefix_size
        self._known_pixels = pixels
        self._prefix = hashlib.sha256()
        self._data_set = hashlib.sha256()
        self._pixels = blake3()

    def take(self, piece: bytes | memoryview) -> None:
        if self._prefix_left:
            cut = min(self._prefix_left, len(piece))
            self._prefix.update(piece[:cut])
            self._prefix_left -= cut
            piece = piece[cut:]
        self._data_set.update(piece)

    def take_pixels(self, piece: bytes | memoryview) -> None:
        self.take(piece)
        if self._known_pixels is None:
            self._pixels.update(piece)

    def digests(self) -> tuple[bytes, bytes]:
        return self._data_set.digest(), self._prefix.digest()

    def pixel_digest(self) -> bytes:
        return self._known_pixels or self._pixels.digest()
