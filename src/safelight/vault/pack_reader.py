"""Reading packs: one instance in a few ranged reads, or all of them at the codecs' speed."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import zstandard
from blake3 import blake3

from safelight.core.errors import IntegrityError, SafelightError
from safelight.core.instance import ByteSource
from safelight.vault import pack_format
from safelight.vault.age import AgeReader, Identity
from safelight.vault.coding import Coding, FrameDamaged, Picture
from safelight.vault.pack_format import DigestMismatch, PackDamaged, PackEntry, PackIndex, Part, Span
from safelight.vault.pack_source import PackSource

if TYPE_CHECKING:
    from safelight.vault.codec import Decoder

_TAIL_BYTES: Final = 192 * 1024
_INDEX_BYTES_MAX: Final = 1 << 30
_STREAM_READ_BYTES: Final = 1 << 20
_REFERENCES_MAX: Final = 8


class ReferenceMissing(IntegrityError):
    """A pack keeps its pixels in another pack, and that one cannot be had."""

    code: ClassVar[str] = "vault.reference-missing"
    hint: ClassVar[str] = "Delete nothing. Bring back the pack that is named, from any placement; then read again."


class ReferenceDamaged(IntegrityError):
    """A pack keeps its pixels in another pack, and that one is damaged."""

    code: ClassVar[str] = "vault.reference-damaged"
    hint: ClassVar[str] = (
        "Delete nothing. Run: safelight vault verify; it heals the pack that is named from another copy."
    )


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """A frame as it is stored, for a file written without running a codec."""

    coding: Coding
    stored: bytes | memoryview
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a deep verification found of one instance; ``damage`` is None when every byte came back."""

    position: int
    digest: bytes
    damage: SafelightError | None


class PackReader:
    """One pack, opened with a key. For one thread.

    ``open_pack`` gives the ciphertext of another pack by its name, for instances whose pixels lie there. A pack
    that was opened so is ``referred_as`` its name, and whatever is wrong with it is told of it.
    """

    def __init__(
        self,
        source: ByteSource,
        identities: Sequence[Identity],
        open_pack: Callable[[str], ByteSource] | None = None,
        referred_as: str | None = None,
    ) -> None:
        self._identities = identities
        self._open_pack = open_pack
        self._referred_as = referred_as
        self._plain = AgeReader(source, identities)
        tail_size = min(_TAIL_BYTES, self._plain.size)
        self._tail_offset = self._plain.size - tail_size
        self._tail = memoryview(self._plain.read(self._tail_offset, tail_size))
        offset, stored = pack_format.index_place(self._tail)
        packed_index = self._read_plain(offset, stored)
        self.index: PackIndex = pack_format.index_from_json(_inflated(packed_index, None))
        self._headers: bytes | None = None
        self._decoder: Decoder | None = None
        self._referred: dict[str, PackReader] = {}

    def entries(self) -> tuple[PackEntry, ...]:
        """Return the instances by position."""
        return self.index.entries

    def header(self, position: int) -> bytes:
        """Return the stored bytes before the pixel data: enough to scan the identifying attributes."""
        entry = self._entry(position)
        return self.header_bytes(entry.header_offset, entry.runs[0])

    def read(self, position: int) -> Iterator[bytes | memoryview]:
        """Give the stored bytes of an instance, in order.

        The last piece is held back until everything hashes to what was received, so a reader that
        finishes has the instance, and one that was raised at has not.

        Raises:
            DigestMismatch: the bytes are not those that were received.
            PackDamaged, AgeDamaged, FrameDamaged, ReferenceMissing, ReferenceDamaged: they cannot be had at all.
        """
        entry = self._entry(position)
        prefix, data_set = hashlib.sha256(), hashlib.sha256()
        prefix_left = entry.prefix_size
        held: bytes | memoryview = b""
        for piece in self._pieces(position):
            if prefix_left:
                cut = min(prefix_left, len(piece))
                prefix.update(piece[:cut])
                data_set.update(piece[cut:])
                prefix_left -= cut
            else:
                data_set.update(piece)
            if held:
                yield held
            held = piece
        if data_set.digest() != entry.digest or prefix.digest() != entry.prefix_digest:
            raise DigestMismatch(expected=entry.digest.hex(), found=data_set.digest().hex(), position=position)
        yield held

    def frame(self, position: int, number: int) -> memoryview:
        """Return one decoded frame (or fragment) of an instance, checked; numbers begin at 0.

        Raises:
            FrameDamaged: it does not decode to its digest.
        """
        owner, entry = self._owner(position)
        if not 0 <= number < len(entry.parts):
            raise PackDamaged(where="frame", position=position, frame=number)
        key = number
        while entry.parts[key].coding is Coding.ZSTD_DELTA and key > 0:
            key -= 1
        before: memoryview | None = None
        for part in entry.parts[key : number + 1]:
            before = owner.decoded(part, entry.picture, before)
        assert before is not None, "the range above holds at least the frame asked for"
        if blake3(before).digest() != entry.parts[number].digest:
            raise FrameDamaged(coding=entry.parts[number].coding.value, position=position, frame=number)
        return before

    def coded_entry(self, position: int) -> PackEntry | None:
        """Return where the frames of an image lie if each of them is stored as HTJ2K, else None."""
        _, entry = self._owner(position)
        picture = entry.picture
        is_whole = picture is not None and all(part.length == picture.size for part in entry.parts)
        return entry if is_whole and {part.coding for part in entry.parts} == {Coding.HTJ2K} else None

    def coded_frame(self, position: int, number: int) -> CodedFrame:
        """Return one frame (or fragment) as it is stored."""
        owner, entry = self._owner(position)
        if not 0 <= number < len(entry.parts):
            raise PackDamaged(where="frame", position=position, frame=number)
        part = entry.parts[number]
        return CodedFrame(part.coding, owner.stored(part), entry.picture)

    def content(self) -> Iterator[bytes]:
        """Give the stream that the pack holds; the last piece only after its digest was checked.

        Raises:
            PackDamaged: the pack holds no stream, or it does not decompress.
            DigestMismatch: it is not what was written.
        """
        span, digest = self.index.content, self.index.content_digest
        if span is None or digest is None:
            raise PackDamaged(where="content", kind=self.index.kind)
        hasher = hashlib.sha256()
        held = b""
        for piece in self._inflated_stream(span):
            hasher.update(piece)
            if held:
                yield held
            held = piece
        if hasher.digest() != digest:
            raise DigestMismatch(expected=digest.hex(), found=hasher.hexdigest(), where="content")
        yield held

    def stored(self, part: Part) -> bytes | memoryview:
        """Return a member of pixel bytes as it is stored."""
        try:
            return self._read_plain(part.offset, part.stored)
        except IntegrityError as error:
            raise self._blamed(error) from error

    def decoded(self, part: Part, picture: Picture | None, before: memoryview | None) -> memoryview:
        """Return the pixel bytes of a part; ``before`` are those of the part before it."""
        if self._decoder is None:
            # Imported here: a reader of indexes and headers needs no codec, and loading them takes a fifth of a second.
            from safelight.vault.codec import Decoder

            self._decoder = Decoder()
        stored = self.stored(part)
        try:
            return self._decoder.decode(part.coding, stored, part.length, picture, before)
        except IntegrityError as error:
            raise self._blamed(error) from error

    def _blamed(self, error: IntegrityError) -> IntegrityError:
        """Return the error that names this pack, where another one refers to it."""
        return error if self._referred_as is None else ReferenceDamaged(pack=self._referred_as, error=error.code)

    def _entry(self, position: int) -> PackEntry:
        if not 0 <= position < len(self.index.entries):
            raise PackDamaged(where="position", position=position)
        return self.index.entries[position]

    def _pieces(self, position: int) -> Iterator[bytes | memoryview]:
        """Weave header runs and pixel runs together again."""
        entry = self._entry(position)
        pixels = _Cutter(self._pixels(position))
        offset = entry.header_offset
        for number, length in enumerate(entry.runs):
            if number % 2:
                yield from pixels.take(length)
            elif length:
                yield self.header_bytes(offset, length)
                offset += length

    def _pixels(self, position: int) -> Iterator[memoryview]:
        owner, entry = self._owner(position)
        before: memoryview | None = None
        for part in entry.parts:
            before = owner.decoded(part, entry.picture, before)
            yield before

    def _owner(self, position: int) -> "tuple[PackReader, PackEntry]":
        """Follow references to the reader and entry that hold the pixel bytes."""
        reader, entry = self, self._entry(position)
        for _ in range(_REFERENCES_MAX):
            reference = entry.same_pixels_as
            if reference is None:
                return reader, entry
            reader = reader.referred(reference.pack) if reference.pack else reader
            entry = reader._entry(reference.position)
        raise PackDamaged(where="references", position=position)

    def referred(self, name: str) -> "PackReader":
        """Open a pack that this one refers to.

        Raises:
            ReferenceMissing: it cannot be had.
            ReferenceDamaged: it is not what was written.
        """
        if name not in self._referred:
            if self._open_pack is None:
                raise ReferenceMissing(pack=name)
            source = self._open_pack(name)
            try:
                self._referred[name] = PackReader(source, self._identities, self._open_pack, referred_as=name)
            except IntegrityError as error:
                raise ReferenceDamaged(pack=name, error=error.code) from error
        return self._referred[name]

    def source(self, position: int, *, pixels: bool = True) -> PackSource:
        """Return the stored bytes of an instance for reading in ranges; without ``pixels``, zeros in their place."""
        self._entry(position)
        return PackSource(self, position, pixels=pixels)

    def parts(self, position: int) -> tuple[Part, ...]:
        """Return the pieces of the pixel bytes of an instance, wherever they lie."""
        return self._owner(position)[1].parts

    def header_bytes(self, offset: int, length: int) -> bytes:
        """Return bytes of the headers of all instances.

        Raises:
            PackDamaged: they end before that.
        """
        if self._headers is None:
            span = self.index.headers
            if span is None or span.length > _INDEX_BYTES_MAX:
                raise PackDamaged(where="headers")
            self._headers = _inflated(self._read_plain(span.offset, span.stored), span.length)
        piece = self._headers[offset : offset + length]
        if len(piece) != length:
            raise PackDamaged(where="headers", offset=offset)
        return piece

    def _inflated_stream(self, span: Span) -> Iterator[bytes]:
        decoder = zstandard.ZstdDecompressor().decompressobj()
        try:
            for offset in range(0, span.stored, _STREAM_READ_BYTES):
                stored = self._read_plain(span.offset + offset, min(_STREAM_READ_BYTES, span.stored - offset))
                if piece := decoder.decompress(stored):
                    yield piece
        except zstandard.ZstdError as error:
            raise PackDamaged(where="content") from error

    def _read_plain(self, offset: int, length: int) -> bytes | memoryview:
        if offset + length > self._plain.size:
            raise PackDamaged(where="range", offset=offset, length=length)
        if offset >= self._tail_offset:
            return self._tail[offset - self._tail_offset :][:length]
        return self._plain.read(offset, length)


class _Cutter:
    """Cuts a stream of pieces into runs of given lengths, without copying."""

    def __init__(self, pieces: Iterator[memoryview]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def take(self, length: int) -> Iterator[memoryview]:
        while length:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    raise PackDamaged(where="pixels")
                self._rest = piece
            cut = self._rest[:length]
            self._rest = self._rest[len(cut) :]
            length -= len(cut)
            yield cut


def _inflated(packed: bytes | memoryview, length: int | None) -> bytes:
    try:
        declared = zstandard.frame_content_size(packed)
        if length is None and not 0 <= declared <= _INDEX_BYTES_MAX:
            raise PackDamaged(where="zstd", length=declared)
        plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=0 if length is None else length)
    except zstandard.ZstdError as error:
        raise PackDamaged(where="zstd") from error
    if length is not None and len(plain) != length:
        raise PackDamaged(where="zstd", length=len(plain))
    return plain


def verify_deep(reader: PackReader) -> Iterator[Checked]:
    """Decode every instance of a pack, or its stream, and compare digests; needs a key."""
    if reader.index.content is not None:
        yield Checked(0, reader.index.content_digest or b"", _damage_in(reader.content()))
    for position, entry in enumerate(reader.entries()):
        yield Checked(position, entry.digest, _damage_in(reader.read(position)))


def _damage_in(pieces: Iterator[bytes | memoryview] | Iterator[bytes]) -> SafelightError | None:
    try:
        for _ in pieces:
            pass
    except SafelightError as error:
        return error
    return None
