"""The addresses of DICOMweb and what answers each.

Source: PS3.18 chapter 10.
"""

from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from safelight.catalog.rows import VersionRow
from safelight.gateway.dicomweb.faults import NothingThere
from safelight.gateway.dicomweb.ports import Archive, OpenInstance
from safelight.gateway.dicomweb.retrieval import (
    Addresses,
    retrieve_bulk,
    retrieve_frames,
    retrieve_instances,
    retrieve_metadata,
)
from safelight.gateway.dicomweb.streaming import Conversation, Handler, Threads, WebAnswer
from safelight.wire.dicomweb.faults import BadWebRequest
from safelight.wire.dicomweb.media import MediaRange, read_accept

FRAMES_MAX = 10_000
_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"


class InThread(Response):
    """An answer that a thread makes."""

    def __init__(self, threads: Threads, handler: Handler) -> None:
        super().__init__()
        self._threads = threads
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have it made and sent."""
        del scope
        await self._threads.run(self._handler, receive, send)


class Retrieval:
    """Looks up what an address names."""

    def __init__(self, archive: Archive, request: Request) -> None:
        self.archive = archive
        self._request = request
        path = request.path_params
        self._names = (path["study"], path.get("series", ""), path.get("instance", ""))
        self.addresses = Addresses(base_of(request))

    @property
    def accept(self) -> Sequence[MediaRange]:
        """What the peer takes; a query parameter goes before the header. Source: PS3.18 section 8.3.3.1."""
        given = self._request.query_params.get("accept")
        return read_accept(given or self._request.headers.get("accept", ""))

    def versions(self) -> Sequence[VersionRow]:
        """Return the instances.

        Raises:
            NothingThere: there are none.
        """
        found = self.archive.instances(*self._names)
        if not found:
            raise NothingThere(**dict(zip(("study", "series", "instance"), self._names, strict=True)))
        return found

    def opened(self) -> OpenInstance:
        """Open the one instance."""
        return next(self.archive.opened(self.versions()[:1]))


def base_of(request: Request) -> str:
    """Return the address of DICOMweb here, as the peer wrote it."""
    return f"{str(request.base_url).rstrip('/')}{request.url.path.partition('/studies')[0]}"


def dicomweb_routes(archive: Archive, threads: Threads) -> APIRouter:
    """Return the routes of DICOMweb."""
    router = APIRouter()

    def answered(request: Request, answer: Callable[[Retrieval], WebAnswer]) -> InThread:
        def handler(conversation: Conversation) -> WebAnswer:
            del conversation
            return answer(Retrieval(archive, request))

        return InThread(threads, handler)

    async def instances(request: Request) -> Response:
        return answered(request, lambda one: retrieve_instances(archive, one.versions(), one.accept))

    async def metadata(request: Request) -> Response:
        return answered(request, lambda one: retrieve_metadata(archive, one.versions(), one.accept, one.addresses))

    async def frames(request: Request, numbers: str) -> Response:
        return answered(request, lambda one: retrieve_frames(one.opened(), read_numbers(numbers), one.accept))

    async def bulk(request: Request, value: str) -> Response:
        return answered(request, lambda one: retrieve_bulk(one.opened(), value, one.accept))

    for place in (_STUDY, _SERIES, _INSTANCE):
        router.add_api_route(place, instances, methods=["GET"])
        router.add_api_route(f"{place}/metadata", metadata, methods=["GET"])
    router.add_api_route(f"{_INSTANCE}/frames/{{numbers}}", frames, methods=["GET"])
    router.add_api_route(f"{_INSTANCE}/bulkdata/{{value}}", bulk, methods=["GET"])
    return router


def read_numbers(text: str) -> Sequence[int]:
    """Read frame numbers.

    Raises:
        BadWebRequest: something between the commas is no number, or there are too many.
    """
    parts = text.split(",")
    if len(parts) > FRAMES_MAX or not all(one.isascii() and one.isdigit() and len(one) < 10 for one in parts):
        raise BadWebRequest(where="frame numbers", given=text[:100])
    return [int(one) for one in parts]
