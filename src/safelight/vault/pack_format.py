"""What stands in a pack: its index as typed values, and as the JSON that lies in the pack.

A pack is a ZIP of stored members inside an age file. Members, in this order::

    f/000000.j2c ...   coded pixel bytes: one frame, fragment or piece each (extension by coding)
    headers.zst        every byte of every instance that is not pixel bytes, one zstd frame
    index.json.zst     the index below, one zstd frame

The ZIP's comment says where the index lies, so that a reader begins with one read at the end.
README.txt beside the packs tells the same to whoever has lost Safelight.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from safelight.core import clock
from safelight.core.errors import IntegrityError
from safelight.core.instance import Head, Holding, Receipt, Way, Wrapper
from safelight.vault.coding import Coding, Picture

FORMAT: Final = "safelight-pack"
VERSION: Final = 1
IMAGES: Final = "images"
HEADERS_MEMBER: Final = "headers.zst"
INDEX_MEMBER: Final = "index.json.zst"
CONTENT_MEMBER: Final = "content.zst"
PACK_SUFFIX: Final = ".zip.age"
_COMMENT: Final = re.compile(rb"safelight-pack/1 index at ([0-9]{20}) of ([0-9]{20}) bytes\Z")
COMMENT_BYTES: Final = len(b"safelight-pack/1 index at  of  bytes") + 2 * 20


class PackDamaged(IntegrityError):
    """A pack does not hash to its name, or its inside does not hang together."""

    code: ClassVar[str] = "vault.pack-damaged"
    hint: ClassVar[str] = "Delete nothing. Run: safelight vault verify; then heal this pack from another placement."


class DigestMismatch(IntegrityError):
    """An instance does not hash to the digest it was received under."""

    code: ClassVar[str] = "vault.digest-mismatch"
    hint: ClassVar[str] = "Delete nothing. Run: safelight vault verify; then take the instance from another placement."


@dataclass(frozen=True, slots=True)
class PixelReference:
    """Where the same pixel bytes lie already: an entry of another pack, or of this one when ``pack`` is empty."""

    pack: str
    position: int


@dataclass(frozen=True, slots=True)
class Part:
    """One member of coded pixel bytes."""

    coding: Coding
    offset: int
    """Of the member's first byte in the ZIP."""
    stored: int
    length: int
    """Of the pixel bytes it decodes to."""
    digest: bytes
    """BLAKE3 of those pixel bytes."""


@dataclass(frozen=True, slots=True)
class PackItem:
    """What the caller knows of an instance before it is packed."""

    digest: bytes | None
    """SHA-256 of the data set as received; of the whole file when opaque. None when only the pack will tell."""
    wrapper: Wrapper
    head: Head
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class PackEntry:
    """One instance in a pack's index.

    The stored bytes are header and pixel bytes in turn, beginning with header: ``runs`` holds the
    lengths. Header bytes lie in the headers member from ``header_offset``; pixel bytes are the parts
    one after the other, or those of the entry that ``same_pixels_as`` names.
    """

    digest: bytes
    size: int
    prefix_size: int
    prefix_digest: bytes
    opaque: bool
    transfer_syntax: str
    sop_class: str
    sop_instance: str
    study: str
    series: str
    modality: str
    receipt: Receipt
    header_offset: int
    runs: tuple[int, ...]
    parts: tuple[Part, ...]
    picture: Picture | None
    pixel_digest: bytes | None
    same_pixels_as: PixelReference | None

    @property
    def header_size(self) -> int:
        """How many header bytes the instance has."""
        return sum(self.runs[::2])

    @property
    def pixel_size(self) -> int:
        """How many pixel bytes the instance has."""
        return sum(self.runs[1::2])

    @property
    def head(self) -> Head:
        """What the index says of the instance; the caller may scan `PackReader.header` for more."""
        return Head(self.transfer_syntax, self.sop_class, self.sop_instance, self.study, self.series, self.modality)

    def holding(self, pack: str, position: int, head: Head | None = None) -> Holding:
        """Say where the instance lies, for the catalog."""
        reference = self.same_pixels_as
        return Holding(
            digest=self.digest,
            wrapper=Wrapper(self.prefix_size, self.opaque),
            size=self.size,
            prefix_digest=self.prefix_digest,
            head=self.head if head is None else head,
            receipt=self.receipt,
            pack=pack,
            position=position,
            pixel_digest=self.pixel_digest,
            refers_to=reference.pack or None if reference else None,
        )


@dataclass(frozen=True, slots=True)
class Span:
    """A zstd member: where its bytes begin, how many there are, how many they decompress to."""

    offset: int
    stored: int
    length: int


@dataclass(frozen=True, slots=True)
class PackIndex:
    """Everything a pack says of itself."""

    kind: str
    """``images``, or what the stream in it is: ``journal``, ``attachment``..."""
    name: str
    """Of the stream, as its owner calls it; empty for images."""
    refers_to: tuple[str, ...]
    headers: Span | None
    entries: tuple[PackEntry, ...]
    content: Span | None = None
    content_digest: bytes | None = None
    """SHA-256 of the stream."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One instance that was added to a pack which is not yet sealed."""

    position: int
    entry: PackEntry


@dataclass(frozen=True, slots=True)
class SealedPack:
    """A pack that is durable under its name and was read back."""

    name: str
    """SHA-256 of the ciphertext in hexadecimal."""
    size_bytes: int
    raw_bytes: int
    kind: str
    entries: tuple[PackEntry, ...]
    refers_to: tuple[str, ...]


def place_of(name: str) -> str:
    """Return the path of a pack below the packs directory: ``ab/abcd....zip.age``."""
    return f"{name[:2]}/{name}{PACK_SUFFIX}"


def comment_for(offset: int, stored: int) -> bytes:
    """Write the ZIP comment that leads to the index."""
    return b"safelight-pack/1 index at %020d of %020d bytes" % (offset, stored)


def index_place(tail: bytes | memoryview) -> tuple[int, int]:
    """Read the ZIP comment at the end of ``tail``: where the index begins and how many bytes it has.

    Raises:
        PackDamaged: this is not the end of a pack.
    """
    found = _COMMENT.search(bytes(tail[-COMMENT_BYTES:]))
    if found is None:
        raise PackDamaged(where="zip comment")
    return int(found[1]), int(found[2])


def index_to_json(index: PackIndex) -> bytes:
    """Write the index as README.txt describes it."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "kind": index.kind,
        "name": index.name,
        "refers_to": list(index.refers_to),
    }
    if index.headers is not None:
        document["headers"] = _span_to_json(index.headers)
    if index.content is not None and index.content_digest is not None:
        document["content"] = _span_to_json(index.content) | {"sha256": index.content_digest.hex()}
    document["instances"] = [_entry_to_json(entry) for entry in index.entries]
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def index_from_json(text: bytes) -> PackIndex:
    """Read what `index_to_json` wrote.

    Raises:
        PackDamaged: it is not an index of this format and version, or contradicts itself.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise PackDamaged(where="index", version=str(document["version"])[:20])
        content = document.get("content")
        return PackIndex(
            kind=str(document["kind"]),
            name=str(document["name"]),
            refers_to=tuple(_pack_name(name) for name in document["refers_to"]),
            headers=_span_from_json(document["headers"]) if "headers" in document else None,
            entries=tuple(_entry_from_json(entry) for entry in document["instances"]),
            content=_span_from_json(content) if content else None,
            content_digest=_digest(content["sha256"]) if content else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise PackDamaged(where="index") from error


def _span_to_json(span: Span) -> dict[str, Any]:
    return {"offset": span.offset, "stored": span.stored, "length": span.length}


def _span_from_json(values: Mapping[str, Any]) -> Span:
    return Span(_count(values["offset"]), _count(values["stored"]), _count(values["length"]))


def _entry_to_json(entry: PackEntry) -> dict[str, Any]:
    values: dict[str, Any] = {
        "sha256": entry.digest.hex(),
        "size": entry.size,
        "sop_instance": entry.sop_instance,
        "sop_class": entry.sop_class,
        "study": entry.study,
        "series": entry.series,
        "modality": entry.modality,
        "transfer_syntax": entry.transfer_syntax,
        "received": [
            clock.to_text(entry.receipt.received_at),
            entry.receipt.way.value,
            entry.receipt.calling,
            entry.receipt.called,
            entry.receipt.sender,
        ],
        "header_offset": entry.header_offset,
        "runs": list(entry.runs),
    }
    if entry.prefix_size:
        values |= {"prefix_size": entry.prefix_size, "prefix_sha256": entry.prefix_digest.hex()}
    if entry.opaque:
        values["opaque"] = True
    if entry.pixel_digest is not None:
        values["pixel_blake3"] = entry.pixel_digest.hex()
    if entry.same_pixels_as is not None:
        values["same_pixels_as"] = [entry.same_pixels_as.pack, entry.same_pixels_as.position]
    if entry.picture is not None:
        values["picture"] = _picture_to_json(entry.picture)
    if entry.parts:
        values["parts"] = [
            [part.coding.value, part.offset, part.stored, part.length, part.digest.hex()] for part in entry.parts
        ]
    return values


def _entry_from_json(values: Mapping[str, Any]) -> PackEntry:
    reference = values.get("same_pixels_as")
    prefix_size = _count(values.get("prefix_size", 0))
    entry = PackEntry(
        digest=_digest(values["sha256"]),
        size=_count(values["size"]),
        prefix_size=prefix_size,
        prefix_digest=_digest(values["prefix_sha256"]) if prefix_size else EMPTY_DIGEST,
        opaque=bool(values.get("opaque", False)),
        transfer_syntax=str(values["transfer_syntax"]),
        sop_class=str(values["sop_class"]),
        sop_instance=str(values["sop_instance"]),
        study=str(values["study"]),
        series=str(values["series"]),
        modality=str(values["modality"]),
        receipt=_receipt_from_json(values["received"]),
        header_offset=_count(values["header_offset"]),
        runs=tuple(_count(run) for run in values["runs"]),
        parts=tuple(_part_from_json(part) for part in values.get("parts", ())),
        picture=_picture_from_json(values["picture"]) if "picture" in values else None,
        pixel_digest=_digest(values["pixel_blake3"]) if "pixel_blake3" in values else None,
        same_pixels_as=_reference_from_json(reference) if reference else None,
    )
    held = sum(part.length for part in entry.parts)
    if sum(entry.runs) != entry.size or prefix_size > entry.size or len(entry.runs) % 2 == 0:
        raise ValueError("runs")
    if entry.parts if reference else held != entry.pixel_size:
        raise ValueError("parts")
    return entry


def _receipt_from_json(values: Sequence[Any]) -> Receipt:
    received_at, way, calling, called, sender = values
    return Receipt(clock.from_text(received_at), Way(way), str(calling), str(called), str(sender))


def _part_from_json(values: Sequence[Any]) -> Part:
    coding, offset, stored, length, digest = values
    return Part(Coding(coding), _count(offset), _count(stored), _count(length), _digest(digest))


def _reference_from_json(values: Sequence[Any]) -> PixelReference:
    pack, position = values
    return PixelReference(_pack_name(pack) if pack else "", _count(position))


def _picture_to_json(picture: Picture) -> dict[str, Any]:
    return {
        "rows": picture.rows,
        "columns": picture.columns,
        "samples": picture.samples,
        "sample_bytes": picture.sample_bytes,
        "signed": picture.signed,
        "planar": picture.planar,
        "colour_transform": picture.colour_transform,
    }


def _picture_from_json(values: Mapping[str, Any]) -> Picture:
    numbers = [_count(values[name]) for name in ("rows", "columns", "samples", "sample_bytes")]
    if 0 in numbers or numbers[3] not in (1, 2, 4, 8):
        raise ValueError("picture")
    rows, columns, samples, sample_bytes = numbers
    signed, planar, transform = (bool(values[name]) for name in ("signed", "planar", "colour_transform"))
    return Picture(rows, columns, samples, sample_bytes, signed, planar, transform)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("count")
    return value


def _digest(text: str) -> bytes:
    raw = bytes.fromhex(text)
    if len(raw) != 32:
        raise ValueError("digest")
    return raw


def _pack_name(text: str) -> str:
    return _digest(text).hex()


EMPTY_DIGEST: Final = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""SHA-256 of nothing: the prefix digest of an instance without a prefix."""
