"""WADO-RS rendered resources: a frame as PNG or JPEG, a document as PDF, one of each instance of a series or study.

Source: PS3.18 sections 8.3.5 and 10.4.1.1.3.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

from safelight.catalog.rows import VersionRow
from safelight.gateway.ahead import Ahead
from safelight.gateway.dicomweb.addresses import Addresses
from safelight.gateway.dicomweb.faults import NothingThere
from safelight.gateway.dicomweb.ports import Archive, OpenInstance
from safelight.gateway.dicomweb.retrieval import CONTENT_TYPE, Part, multipart, read_side
from safelight.gateway.dicomweb.streaming import WebAnswer
from safelight.wire.dicom.attributes import DecodedSet, little_endian
from safelight.wire.dicom.frames import find_pixels
from safelight.wire.dicom.rendering import JPEG, PNG, Window, encoded, rendered
from safelight.wire.dicomweb.faults import BadWebRequest, NotAcceptable
from safelight.wire.dicomweb.media import ANY, MediaRange

PDF: Final = "application/pdf"
DOCUMENT: Final = 0x00420011
SIDE_MAX: Final = 8192
_FUNCTIONS: Final = ("linear", "linear-exact", "sigmoid")


def render(
    opened: OpenInstance, number: int | None, parameters: Mapping[str, str], accept: Sequence[MediaRange]
) -> WebAnswer:
    """Return a frame as a picture, the first where none is named; an encapsulated document as it is.

    Raises:
        BadWebRequest: the window or viewport cannot be read.
        NothingThere: the instance has no such frame, and nothing else that can be shown.
        NotAcceptable: the peer takes none of the forms that there are.
    """
    version = opened.version
    side = read_side(opened)
    window, size = read_window(parameters.get("window", "")), read_viewport(parameters.get("viewport", ""))
    pixels = find_pixels(side, version.transfer_syntax)
    if pixels is None:
        return _document(side, version.sop_instance, accept)
    frame = 1 if number is None else number
    if not 1 <= frame <= pixels.frames:
        raise NothingThere(instance=version.sop_instance, frame=frame)
    # JPEG where the peer does not mind. Source: PS3.18 Table 8.7.4-1.
    media = _chosen(accept, (JPEG, PNG))
    return WebAnswer(200, media, encoded(rendered(side, pixels, frame - 1, window, size), media))


def render_each(
    archive: Archive,
    versions: Sequence[VersionRow],
    parameters: Mapping[str, str],
    accept: Sequence[MediaRange],
    addresses: Addresses,
    ahead: Ahead,
) -> WebAnswer:
    """Return the pictures and documents of instances, each with its address; what has neither is passed over.

    Raises:
        BadWebRequest: the window or viewport cannot be read.
        NothingThere, NotAcceptable: none of them can be shown so.
    """
    # Several pictures come in parts whether or not the peer says so.
    of_part = [replace(one, is_multipart=False) for one in accept]

    def shown(opened: OpenInstance) -> tuple[VersionRow, WebAnswer | NothingThere | NotAcceptable]:
        try:
            return opened.version, render(opened, None, parameters, of_part)
        except (NothingThere, NotAcceptable) as error:
            return opened.version, error

    each = ahead.each(archive.opened(versions), lambda one: one.work_bytes, shown)
    pictures = ((version, told) for version, told in each if isinstance(told, WebAnswer))
    first = next(pictures, None)
    if first is None:
        raise NothingThere(what="a picture or document that the peer takes")

    def parts() -> Iterator[Part]:
        for version, picture in chain((first,), pictures):
            address = addresses.instance(version.study, version.series, version.sop_instance)
            assert isinstance(picture.body, bytes)
            yield {"Content-Location": f"{address}/rendered", CONTENT_TYPE: picture.media_type}, iter((picture.body,))

    return multipart(first[1].media_type, parts())


def _document(side: DecodedSet, instance: str, accept: Sequence[MediaRange]) -> WebAnswer:
    attribute = side.tree.get(DOCUMENT)
    if attribute is None:
        raise NothingThere(instance=instance, what="a picture or document")
    data = little_endian(side, attribute, attribute.vr)
    if not data.startswith(b"%PDF"):
        raise NotAcceptable(media="a document that is no PDF")
    return WebAnswer(200, _chosen(accept, (PDF,)), data)


def _chosen(accept: Sequence[MediaRange], offered: Sequence[str]) -> str:
    for one in accept:
        for media in offered:
            if one.takes(media) and (not one.is_multipart or one.name == ANY):
                return media
    raise NotAcceptable(media=" ".join(offered))


def read_window(text: str) -> Window | None:
    """Read center, width and function.

    Raises:
        BadWebRequest: it is no window.
    """
    if not text:
        return None
    parts = [one.strip() for one in text.split(",")]
    function = parts[2].lower() if len(parts) == 3 else "linear"
    center, width = _numbers(parts[:2], "window")
    if len(parts) > 3 or function not in _FUNCTIONS or width <= 0 or not abs(center) < 1e12 or not width < 1e12:
        raise BadWebRequest(parameter="window", given=text[:100])
    return Window(center, width, function)


def read_viewport(text: str) -> tuple[int, int] | None:
    """Read the width and height that a picture must fit into.

    Raises:
        BadWebRequest: it is no viewport, too large a one, or shows a part of the frame.
    """
    if not text:
        return None
    width, height = _numbers([one.strip() for one in text.split(",")], "viewport")
    if not (1 <= width <= SIDE_MAX and 1 <= height <= SIDE_MAX):
        raise BadWebRequest(parameter="viewport", side_max=SIDE_MAX)
    return int(width), int(height)


def _numbers(parts: Sequence[str], name: str) -> tuple[float, float]:
    try:
        first, second = (float(one) for one in parts)
    except ValueError as error:
        raise BadWebRequest(parameter=name) from error
    return first, second
