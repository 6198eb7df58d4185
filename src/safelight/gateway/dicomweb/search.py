"""QIDO-RS: searching for studies, series and instances.

Source: PS3.18 section 10.6.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydicom.datadict import dictionary_VR

from safelight.core.query import QueryLevel
from safelight.gateway.dicomweb.addresses import Addresses
from safelight.gateway.dicomweb.faults import warning
from safelight.gateway.dicomweb.ports import Archive, Found, OpenInstance
from safelight.gateway.dicomweb.retrieval import json_list, json_media
from safelight.gateway.dicomweb.streaming import WebAnswer
from safelight.wire.dicom.element_table import BITS_ALLOCATED, COLUMNS, NUMBER_OF_FRAMES, ROWS
from safelight.wire.dicom.elements import BadDataSet, encoding_of, settle_explicit, walk
from safelight.wire.dicomweb.json_model import Element, element_of_text
from safelight.wire.dicomweb.media import MediaRange
from safelight.wire.dicomweb.search import WebSearch

STUDY: Final = 0x0020000D
SERIES: Final = 0x0020000E
INSTANCE: Final = 0x00080018
AVAILABILITY: Final = "00080056"
RETRIEVE_URL: Final = "00081190"
_OF_STUDY: Final = (
    *(0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00080090, 0x00081030),
    *(0x00100010, 0x00100020, 0x00100030, 0x00100040, STUDY, 0x00200010, 0x00201206, 0x00201208),
)
_OF_SERIES: Final = (0x00080060, 0x0008103E, 0x00180015, STUDY, SERIES, 0x00200011, 0x00201209)
_OF_INSTANCE: Final = (0x00080016, INSTANCE, 0x00083002, STUDY, SERIES, 0x00200013)
_USUAL: Final[Mapping[QueryLevel, tuple[int, ...]]] = {
    QueryLevel.STUDY: _OF_STUDY,
    QueryLevel.SERIES: _OF_SERIES,
    QueryLevel.IMAGE: _OF_INSTANCE,
}
"""What is answered without being asked for. Source: PS3.18 Tables 10.6.3-3 to 10.6.3-5."""
_OF_IMAGE: Final = frozenset((NUMBER_OF_FRAMES, ROWS, COLUMNS, BITS_ALLOCATED))
READ_MAX: Final = 1000
"""Of so many instances of one answer the size of the image is read from the instance itself; the catalog lacks it."""


def search(
    archive: Archive,
    asked: WebSearch,
    path: Mapping[int, str],
    accept: Sequence[MediaRange],
    addresses: Addresses,
) -> WebAnswer:
    """Return what matches, a page of it; 204 when nothing does.

    Raises:
        NotAcceptable: the peer does not take JSON.
    """
    media = json_media(accept)
    found = archive.find(asked.selection, _tags(archive, asked, path), asked.offset, asked.limit)
    warnings = list(asked.warnings)
    if found.is_more:
        warnings.append("There are additional results that can be requested.")
    headers = {"Warning": ", ".join(warning(one) for one in warnings)}
    if not found.rows:
        return WebAnswer(204, "", b"", headers)
    documents = _documents(archive, asked.selection.level, found, addresses)
    return WebAnswer(200, media, json_list(documents), headers)


def _tags(archive: Archive, asked: WebSearch, path: Mapping[int, str]) -> tuple[int, ...]:
    level = asked.selection.level
    given = archive.given_at(level)
    wanted = set(_USUAL[level]) | asked.included | asked.selection.matches.keys()
    if level is not QueryLevel.STUDY and STUDY not in path:
        # Whoever searches across studies is told of the study too.
        wanted |= set(_OF_STUDY)
    if level is QueryLevel.IMAGE and SERIES not in path:
        wanted |= set(_OF_SERIES)
    return tuple(sorted(given if asked.includes_all else wanted & given))


def _documents(archive: Archive, level: QueryLevel, found: Found, addresses: Addresses) -> Iterator[dict[str, Any]]:
    vrs = [dictionary_VR(tag) for tag in found.tags]
    images = archive.opened(found.versions) if len(found.versions) <= READ_MAX else iter(())
    for row in found.rows:
        document = {f"{tag:08X}": element_of_text(vr, text) for tag, vr, text in zip(found.tags, vrs, row, strict=True)}
        named = dict(zip(found.tags, row, strict=True))
        document[AVAILABILITY] = {"vr": "CS", "Value": ["ONLINE"]}
        document[RETRIEVE_URL] = {"vr": "UR", "Value": [_address(level, named, addresses)]}
        if (opened := next(images, None)) is not None:
            document |= _image(opened)
        yield dict(sorted(document.items()))


def _address(level: QueryLevel, named: Mapping[int, str], addresses: Addresses) -> str:
    if level is QueryLevel.STUDY:
        return addresses.study(named[STUDY])
    if level is QueryLevel.SERIES:
        return addresses.series(named[STUDY], named[SERIES])
    return addresses.instance(named[STUDY], named[SERIES], named[INSTANCE])


def _image(opened: OpenInstance) -> dict[str, Element]:
    """Return how large an image is, read from its data set."""
    source, syntax = opened.ranged(pixels=False), opened.version.transfer_syntax
    encoding = encoding_of(syntax)
    if encoding.deflated:
        return {}
    encoding = settle_explicit(encoding, source.read(opened.prefix_size, 8))
    document: dict[str, Element] = {}
    try:
        for tag, _, _, _, value in walk(source, opened.prefix_size, encoding, _OF_IMAGE, BITS_ALLOCATED):
            if tag > BITS_ALLOCATED:
                break
            if value is None:
                continue
            if tag == NUMBER_OF_FRAMES:
                document[f"{tag:08X}"] = element_of_text("IS", value.decode("latin-1").strip("\0 "))
            elif len(value) == 2:
                number = int.from_bytes(value, "big" if encoding.big_endian else "little")
                document[f"{tag:08X}"] = {"vr": "US", "Value": [number]}
    except BadDataSet:
        # What stands before the damage is told all the same.
        return document
    return document
