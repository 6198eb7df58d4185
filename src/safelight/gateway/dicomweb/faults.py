"""What the DICOMweb door refuses, and how errors are told over HTTP."""

import json
from http import HTTPStatus
from typing import ClassVar, Final

from safelight.catalog.errors import BadSearch
from safelight.core.errors import PeerError, ResourceError, SafelightError
from safelight.gateway.dicomweb.streaming import WebAnswer
from safelight.wire.dicom.elements import BadDataSet
from safelight.wire.dicom.frames import Undecodable
from safelight.wire.dicom.query import QueryTooLong
from safelight.wire.dicomweb.faults import BadMultipart, BadWebRequest, NotAcceptable, UnsupportedMedia


class NothingThere(PeerError):
    """A peer asks for a study, series, instance, frame or value that is not held."""

    code: ClassVar[str] = "gateway.nothing-there"
    hint: ClassVar[str] = "Search first; what was received a moment ago is found as well."


_STATUS: Final[dict[type[SafelightError], HTTPStatus]] = {
    BadDataSet: HTTPStatus.NOT_ACCEPTABLE,
    BadMultipart: HTTPStatus.BAD_REQUEST,
    BadSearch: HTTPStatus.BAD_REQUEST,
    BadWebRequest: HTTPStatus.BAD_REQUEST,
    NothingThere: HTTPStatus.NOT_FOUND,
    QueryTooLong: HTTPStatus.BAD_REQUEST,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    Undecodable: HTTPStatus.NOT_ACCEPTABLE,
    UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}


def refused(error: SafelightError) -> WebAnswer:
    """Return the answer that tells of an error: a status report. Source: PS3.18 sections 8.5 and 8.7.2."""
    family = HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, ResourceError) else HTTPStatus.INTERNAL_SERVER_ERROR
    status = _STATUS.get(type(error), family)
    # Facts are identifiers; of a failure of ours a peer learns the code alone.
    told = dict(error.facts) if status < HTTPStatus.INTERNAL_SERVER_ERROR else {}
    report = {"code": error.code, "message": (type(error).__doc__ or "").partition("\n")[0], **told}
    return WebAnswer(
        status,
        "application/json",
        json.dumps(report, default=str).encode(),
        {"Warning": warning(error.code)},
    )


def warning(text: str) -> str:
    """Return the value of a Warning header. Source: RFC 7234 section 5.5.7; PS3.18 section 8.3.4."""
    return f'299 safelight "{text.replace(chr(34), "")}"'
