"""STOW-RS: instances that come as a multipart message, durable before the answer.

Source: PS3.18 section 10.5; PS3.4 Table GG.4-1.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from safelight.core.errors import SafelightError
from safelight.gateway.dicom.statuses import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, status_of
from safelight.gateway.dicomweb.addresses import Addresses
from safelight.gateway.dicomweb.ports import StowSession, TakenIn
from safelight.gateway.dicomweb.streaming import WebAnswer
from safelight.wire.dicomweb.faults import BadMultipart, UnsupportedMedia
from safelight.wire.dicomweb.media import MULTIPART, read_media_type
from safelight.wire.dicomweb.multipart import MultipartReader, PartBegan, PartData, PartEnded, boundary_of

DICOM: Final = "application/dicom"
PARTS_MAX: Final = 100_000
COMMIT_PARTS: Final = 200
COMMIT_BYTES: Final = 64 * 2**20
RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Failure:
    """An instance that was not taken in, and the reason that a peer is told."""

    reason: int
    sop_class: str = ""
    sop_instance: str = ""


@dataclass(slots=True)
class Outcome:
    """What became of the instances of one message."""

    stored: list[TakenIn] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many parts were answered for."""
        return len(self.stored) + len(self.failed)


def store(body: Iterator[bytes], content_type: str, session: StowSession, addresses: Addresses) -> WebAnswer:
    """Take in what a message brings and tell what became of each instance.

    Raises:
        UnsupportedMedia: the message is not made of Part 10 files.
        BadMultipart: it is malformed or cut; what was whole before is kept and not answered for.
        PeerGone: the peer left.
    """
    storing = _Storing(session)
    try:
        reader = _reader(content_type)
        for data in body:
            for event in reader.receive(data):
                storing.heed(event)
        if not reader.is_whole:
            raise BadMultipart(where="end")
        storing.commit()
    finally:
        session.close()
    if not storing.outcome.count:
        raise BadMultipart(where="no parts")
    return _answer(storing.outcome, addresses)


def _reader(content_type: str) -> MultipartReader:
    media = read_media_type(content_type or "none/none")
    if media.name != MULTIPART or media.parameters.get("type", DICOM).lower() != DICOM:
        raise UnsupportedMedia(media=media.name[:100])
    return MultipartReader(boundary_of(media))


class _Storing:
    """One message on its way in."""

    def __init__(self, session: StowSession) -> None:
        self._session = session
        self.outcome = Outcome()
        self._undurable: list[TakenIn] = []
        self._undurable_bytes = 0
        self._failure: Failure | None = None

    def heed(self, event: PartBegan | PartData | PartEnded) -> None:
        """Do what comes next in the message."""
        if isinstance(event, PartBegan):
            self._begin(event)
        elif isinstance(event, PartData):
            self._take(event.data)
        else:
            self._finish()

    def commit(self) -> None:
        """Make durable what was taken in; only now it counts as stored."""
        waiting, self._undurable, self._undurable_bytes = self._undurable, [], 0
        if not waiting:
            return
        try:
            self._session.commit()
        except SafelightError as error:
            reason = status_of(error)
            self.outcome.failed += [Failure(reason, one.sop_class, one.sop_instance) for one in waiting]
        else:
            self.outcome.stored += waiting

    def _begin(self, part: PartBegan) -> None:
        if self.outcome.count + len(self._undurable) >= PARTS_MAX:
            raise BadMultipart(where="parts", parts_max=PARTS_MAX)
        self._failure = None
        kind = read_media_type(part.headers.get("content-type", DICOM))
        if kind.name != DICOM:
            self._failure = Failure(CANNOT_UNDERSTAND)
        else:
            self._attempt(self._session.begin)

    def _take(self, data: bytes) -> None:
        self._undurable_bytes += len(data)
        if self._failure is None:
            self._attempt(lambda: self._session.take(data))

    def _finish(self) -> None:
        if self._failure is None:
            self._attempt(lambda: self._undurable.append(self._session.finish()))
        if self._failure is not None:
            self.outcome.failed.append(self._failure)
        if len(self._undurable) >= COMMIT_PARTS or self._undurable_bytes >= COMMIT_BYTES:
            self.commit()

    def _attempt(self, act: Any) -> None:
        """Do something for the part at hand; when it fails, the part fails and the message goes on."""
        try:
            act()
        except SafelightError as error:
            self._session.abandon()
            self._failure = Failure(status_of(error), *self._session.named)


def _answer(outcome: Outcome, addresses: Addresses) -> WebAnswer:
    """Return the Store Instances response. Source: PS3.18 Table 10.5.3-1 and section I.2."""
    headers: dict[str, str] = {}
    if not outcome.failed:
        status = HTTPStatus.OK
    elif outcome.stored:
        status = HTTPStatus.ACCEPTED
    elif all(one.reason == OUT_OF_RESOURCES for one in outcome.failed):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        headers = {"Retry-After": str(RETRY_SECONDS)}
    else:
        status = HTTPStatus.CONFLICT
    document: dict[str, Any] = {}
    studies = {one.study for one in outcome.stored}
    if len(studies) == 1:
        document["00081190"] = {"vr": "UR", "Value": [addresses.study(*studies)]}
    named = [one for one in outcome.failed if one.sop_instance]
    if named:
        document["00081198"] = _sequence([_failed(one) | _reference(one) for one in named])
    if outcome.stored:
        stored = [
            _reference(one)
            | {"00081190": {"vr": "UR", "Value": [addresses.instance(one.study, one.series, one.sop_instance)]}}
            for one in outcome.stored
        ]
        document["00081199"] = _sequence(stored)
    if len(named) < len(outcome.failed):
        document["0008119A"] = _sequence([_failed(one) for one in outcome.failed if not one.sop_instance])
    return WebAnswer(status, "application/dicom+json", json.dumps(document).encode(), headers)


def _sequence(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": items}


def _reference(one: TakenIn | Failure) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [one.sop_class]},
        "00081155": {"vr": "UI", "Value": [one.sop_instance]},
    }


def _failed(one: Failure) -> dict[str, Any]:
    return {"00081197": {"vr": "US", "Value": [one.reason]}}
