"""WADO-RS: instances, metadata, frames and bulk data, in the form that a peer can take.

Source: PS3.18 sections 8.7.3 and 10.4.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final
from uuid import uuid4

from safelight.catalog.rows import VersionRow
from safelight.core.errors import SafelightError
from safelight.gateway.ahead import AHEAD_BYTES_MAX, Ahead
from safelight.gateway.dicomweb.addresses import Addresses
from safelight.gateway.dicomweb.faults import NothingThere
from safelight.gateway.dicomweb.ports import Archive, OpenInstance
from safelight.gateway.dicomweb.streaming import WebAnswer
from safelight.wire.dicom.attributes import DecodedSet, little_endian, read_set
from safelight.wire.dicom.element_table import DEFLATED, GE_PRIVATE_SWAPPED, PIXEL_DATA
from safelight.wire.dicom.elements import BadDataSet
from safelight.wire.dicom.frames import (
    Pixels,
    Undecodable,
    decoded_frame,
    encoded_frame,
    find_pixels,
    frame_fragments,
    is_decodable,
    plain_bytes,
)
from safelight.wire.dicom.part10 import write_prefix
from safelight.wire.dicom.transcoding import NATIVE, transcoded
from safelight.wire.dicom.uids import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS,
    IMPLICIT_LITTLE_ENDIAN,
)
from safelight.wire.dicomweb.faults import NotAcceptable
from safelight.wire.dicomweb.json_model import data_set_json, find_value
from safelight.wire.dicomweb.media import ANY, MULTIPART, MediaRange
from safelight.wire.dicomweb.multipart import closing, part_head

DICOM: Final = "application/dicom"
DICOM_JSON: Final = "application/dicom+json"
OCTETS: Final = "application/octet-stream"
CONTENT_TYPE: Final = "Content-Type"
STORED: Final = "*"
_NATIVE: Final = frozenset(
    {IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, GE_PRIVATE_SWAPPED, *DEFLATED}
)
MEDIA_OF_SYNTAX: Final = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.100": "video/mpeg2",
    "1.2.840.10008.1.2.4.101": "video/mpeg2",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
}
"""Source: PS3.18 Table 8.7.3-5 and 8.7.3-6."""
_CHUNK: Final = 2**20

Part = tuple[Mapping[str, str], Iterator[bytes | memoryview]]
"""Headers and bytes of one part of an answer."""


def retrieve_instances(
    archive: Archive, versions: Sequence[VersionRow], accept: Sequence[MediaRange], ahead: Ahead
) -> WebAnswer:
    """Return instances as Part 10 files: as they are stored, in Explicit VR Little Endian, or in HTJ2K from a pack.

    Without a transfer syntax the standard means Explicit VR Little Endian; what cannot be decoded then goes as it is
    stored rather than not at all. ``*`` means as stored.

    Raises:
        NotAcceptable: the peer takes none of the forms that there are.
    """
    ranges = [one for one in accept if one.takes(DICOM)]
    if not ranges:
        raise NotAcceptable(media=DICOM)
    wanted = [one.transfer_syntax for one in ranges]
    for version in versions:
        if not _forms_of(version, wanted):
            raise NotAcceptable(instance=version.sop_instance, transfer_syntax=version.transfer_syntax)
    if len(versions) == 1 and not ranges[0].is_multipart and ranges[0].name != ANY:
        (opened,) = archive.opened(versions)
        syntax, pieces = _file(opened, wanted)
        return WebAnswer(200, f"{DICOM}; transfer-syntax={syntax}", pieces)
    parts = ahead.each(
        archive.opened(versions), lambda one: _work_bytes(one, wanted), lambda one: _part_of(one, wanted)
    )
    return multipart(DICOM, parts)


def retrieve_metadata(
    archive: Archive, versions: Sequence[VersionRow], accept: Sequence[MediaRange], addresses: Addresses
) -> WebAnswer:
    """Return the attributes of instances in the DICOM JSON model.

    Raises:
        NotAcceptable: the peer does not take JSON.
    """
    media = json_media(accept)
    documents = (metadata(opened, addresses) for opened in archive.opened(versions))
    return WebAnswer(200, media, json_list(documents))


def read_side(opened: OpenInstance, *, pixels: bool = True) -> DecodedSet:
    """Take the data set of an instance apart.

    Raises:
        BadDataSet: it cannot be followed to its end.
    """
    return read_set(opened.ranged(pixels=pixels), opened.version.transfer_syntax, opened.prefix_size)


def json_media(accept: Sequence[MediaRange]) -> str:
    """Return the media type of an answer in the DICOM JSON model.

    Raises:
        NotAcceptable: the peer does not take JSON.
    """
    for one in accept:
        for media in (DICOM_JSON, "application/json"):
            if one.takes(media) and not one.is_multipart:
                return media
    raise NotAcceptable(media=DICOM_JSON)


def json_list(documents: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """Write a list of documents, one in memory at a time."""
    before = b"["
    for document in documents:
        yield before + json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        before = b","
    yield b"]" if before == b"," else b"[]"


def metadata(opened: OpenInstance, addresses: Addresses) -> dict[str, Any]:
    """Return the attributes of one instance; of one that cannot be followed to its end, what names it."""
    version = opened.version
    address = addresses.instance(version.study, version.series, version.sop_instance)
    try:
        side = read_side(opened, pixels=False)
        document = data_set_json(side, lambda path: f"{address}/bulkdata/{path}")
    except BadDataSet:
        named = {"00080016": version.sop_class, "00080018": version.sop_instance}
        lineage = {"0020000D": version.study, "0020000E": version.series}
        document = {tag: {"vr": "UI", "Value": [uid]} for tag, uid in (named | lineage).items()}
    document["00081190"] = {"vr": "UR", "Value": [address]}
    document["00083002"] = {"vr": "UI", "Value": [version.transfer_syntax]}
    return dict(sorted(document.items()))


def retrieve_frames(opened: OpenInstance, numbers: Sequence[int], accept: Sequence[MediaRange]) -> WebAnswer:
    """Return frames of an instance, as they are coded or decoded; numbers begin at 1, none means all.

    Raises:
        NothingThere: the instance has no such frame.
        NotAcceptable: the peer takes none of the forms that there are.
    """
    version = opened.version
    side = read_side(opened)
    pixels = find_pixels(side, version.transfer_syntax)
    if pixels is None:
        raise NothingThere(instance=version.sop_instance, what="pixel data")
    numbers = numbers or range(1, pixels.frames + 1)
    for number in numbers:
        if not 1 <= number <= pixels.frames:
            raise NothingThere(instance=version.sop_instance, frame=number)
    chosen, media, is_coded = _frame_form(pixels, accept)
    syntax = version.transfer_syntax if is_coded else EXPLICIT_LITTLE_ENDIAN
    content = media if media == OCTETS and not is_coded else f"{media}; transfer-syntax={syntax}"
    frames = _coded_frames(pixels, numbers) if is_coded else (_plain_frame(pixels, number) for number in numbers)
    if len(numbers) == 1 and not chosen.is_multipart and chosen.name != ANY:
        return WebAnswer(200, content, frames)
    return multipart(media, (({CONTENT_TYPE: content}, iter((frame,))) for frame in frames))


def retrieve_bulk(opened: OpenInstance, path: str, accept: Sequence[MediaRange]) -> WebAnswer:
    """Return one value of an instance, of any length.

    Raises:
        NothingThere: there is none.
        NotAcceptable: the peer does not take plain bytes.
    """
    version = opened.version
    if path == f"{PIXEL_DATA:08X}" and version.transfer_syntax not in _NATIVE:
        return retrieve_frames(opened, (), accept)
    side = read_side(opened)
    attribute = find_value(side, path)
    if attribute is None or attribute.items is not None:
        raise NothingThere(instance=version.sop_instance, value=path[:100])
    for one in accept:
        if one.takes(OCTETS):
            break
    else:
        raise NotAcceptable(media=OCTETS)
    if side.encoding.big_endian:
        pieces = iter((little_endian(side, attribute, attribute.vr),))
    else:
        pieces = (
            bytes(side.source.read(offset, min(_CHUNK, attribute.end - offset)))
            for offset in range(attribute.start, attribute.end, _CHUNK)
        )
    if one.is_multipart or one.name == ANY:
        return multipart(OCTETS, iter((({CONTENT_TYPE: OCTETS}, pieces),)))
    return WebAnswer(200, OCTETS, pieces)


def _forms_of(version: VersionRow, wanted: Sequence[str]) -> list[str]:
    """Return the transfer syntaxes to give it in, the one wanted first; ``*`` stands for the stored form."""
    stored = version.transfer_syntax
    forms: list[str] = []
    for syntax in wanted:
        if syntax in (STORED, stored):
            forms.append(STORED)
        elif syntax in ("", EXPLICIT_LITTLE_ENDIAN):
            if stored in _NATIVE or is_decodable(stored):
                forms.append(EXPLICIT_LITTLE_ENDIAN if stored != EXPLICIT_LITTLE_ENDIAN else STORED)
            if not syntax:
                forms.append(STORED)
        elif syntax == HTJ2K_LOSSLESS and stored in NATIVE:
            forms.append(HTJ2K_LOSSLESS)
    return forms


def _work_bytes(opened: OpenInstance, wanted: Sequence[str]) -> int:
    """Return how many bytes a codec works on before it can be given; of frames as they are kept, none."""
    form = next(iter(_forms_of(opened.version, wanted)), STORED)
    return 0 if form == HTJ2K_LOSSLESS else opened.work_bytes


def _part_of(opened: OpenInstance, wanted: Sequence[str]) -> Part:
    syntax, pieces = _file(opened, wanted)
    if 0 < _work_bytes(opened, wanted) <= AHEAD_BYTES_MAX:
        # In one of the threads that open ahead: the work is to be done there.
        pieces = iter(list(pieces))
    return {CONTENT_TYPE: f"{DICOM}; transfer-syntax={syntax}"}, pieces


def _file(opened: OpenInstance, wanted: Sequence[str]) -> tuple[str, Iterator[bytes | memoryview]]:
    """Give the file in the first form that it can be written in."""
    version = opened.version
    failure: SafelightError = NotAcceptable(instance=version.sop_instance, transfer_syntax=version.transfer_syntax)
    for form in _forms_of(version, wanted):
        try:
            if form == HTJ2K_LOSSLESS:
                return form, chain([_prefix(version, form)], opened.coded())
            if form == EXPLICIT_LITTLE_ENDIAN:
                return form, _explicit_file(opened)
        except (Undecodable, BadDataSet) as error:
            failure = error
            continue
        prefix = [] if opened.prefix_size else [_prefix(version, version.transfer_syntax)]
        return version.transfer_syntax, chain(prefix, opened.stored())
    raise failure


def _explicit_file(opened: OpenInstance) -> Iterator[bytes | memoryview]:
    version = opened.version
    stored, start = version.transfer_syntax, opened.prefix_size
    pieces = transcoded(opened.ranged(), stored, EXPLICIT_LITTLE_ENDIAN, start)
    return chain([_prefix(version, EXPLICIT_LITTLE_ENDIAN)], pieces)


def _prefix(version: VersionRow, syntax: str) -> bytes:
    return write_prefix(version.sop_class, version.sop_instance, syntax)


def _frame_form(pixels: Pixels, accept: Sequence[MediaRange]) -> tuple[MediaRange, str, bool]:
    """Choose a form: the range that it serves, its media type, and whether frames go as they are coded."""
    stored = pixels.transfer_syntax
    coded = MEDIA_OF_SYNTAX.get(stored, OCTETS) if pixels.encapsulated else ""
    for one in accept:
        if coded:
            named = one.transfer_syntax in (STORED, stored)
            if named and one.takes(OCTETS) and one.name != ANY:
                return one, OCTETS, True
            if one.takes(coded) and (named or (not one.transfer_syntax and one.name != ANY and coded != OCTETS)):
                return one, coded, True
        plain = one.transfer_syntax in ("", STORED, EXPLICIT_LITTLE_ENDIAN, "" if coded else stored)
        if plain and one.takes(OCTETS) and (not coded or is_decodable(stored)):
            return one, OCTETS, False
    for one in accept:
        # Whoever takes anything gets it as it is coded, where we cannot decode it.
        if coded and one.name == ANY and not one.transfer_syntax:
            return one, coded, True
    raise NotAcceptable(transfer_syntax=stored, media=coded or OCTETS)


def _coded_frames(pixels: Pixels, numbers: Sequence[int]) -> Iterator[bytes]:
    groups = frame_fragments(pixels)
    return (encoded_frame(pixels, groups[number - 1]) for number in numbers)


def _plain_frame(pixels: Pixels, number: int) -> bytes:
    """Return one frame without any coding, colours laid as Planar Configuration says."""
    bits = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated
    is_swapped = pixels.side.encoding.big_endian or pixels.transfer_syntax == GE_PRIVATE_SWAPPED
    if not pixels.encapsulated and not is_swapped and bits % 8 == 0:
        size = bits // 8
        start = pixels.start + (number - 1) * size
        if start + size > pixels.end:
            raise NothingThere(frame=number)
        return bytes(pixels.side.source.read(start, size))
    return plain_bytes(decoded_frame(pixels, number - 1), planar=pixels.planar)


def multipart(media: str, parts: Iterator[Part]) -> WebAnswer:
    """Return an answer of several parts, one in memory at a time."""
    boundary = uuid4().hex
    return WebAnswer(200, f'{MULTIPART}; type="{media}"; boundary={boundary}', _woven(boundary, parts))


def _woven(boundary: str, parts: Iterator[Part]) -> Iterator[bytes | memoryview]:
    is_first = True
    for headers, pieces in parts:
        yield part_head(boundary, headers, is_first=is_first)
        yield from pieces
        is_first = False
    yield closing(boundary)
