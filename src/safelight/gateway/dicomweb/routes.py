"""The addresses of DICOMweb and what answers each.

Source: PS3.18 chapter 10.
"""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from safelight.catalog.rows import VersionRow
from safelight.core.query import QueryLevel
from safelight.gateway.ahead import Ahead
from safelight.gateway.dicomweb.addresses import addresses_for
from safelight.gateway.dicomweb.faults import NothingThere
from safelight.gateway.dicomweb.ports import Archive, OpenInstance, StowIntake
from safelight.gateway.dicomweb.rendering import render, render_each
from safelight.gateway.dicomweb.retrieval import (
    retrieve_bulk,
    retrieve_frames,
    retrieve_instances,
    retrieve_metadata,
)
from safelight.gateway.dicomweb.search import SERIES, STUDY, search
from safelight.gateway.dicomweb.storing import store
from safelight.gateway.dicomweb.streaming import Conversation, Handler, Threads, WebAnswer
from safelight.wire.dicomweb.faults import BadWebRequest, UnsupportedMedia
from safelight.wire.dicomweb.media import MediaRange, read_accept
from safelight.wire.dicomweb.search import read_search

FRAMES_MAX = 10_000
_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_SEARCHES = {
    "/studies": QueryLevel.STUDY,
    "/series": QueryLevel.SERIES,
    "/instances": QueryLevel.IMAGE,
    f"{_STUDY}/series": QueryLevel.SERIES,
    f"{_STUDY}/instances": QueryLevel.IMAGE,
    f"{_SERIES}/instances": QueryLevel.IMAGE,
}
_NAMED = {"study": STUDY, "series": SERIES}


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
        self.addresses = addresses_for(request)

    @property
    def accept(self) -> Sequence[MediaRange]:
        """What the peer takes."""
        return accept_of(self._request)

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


def accept_of(request: Request) -> Sequence[MediaRange]:
    """Return what the peer takes; a query parameter goes before the header. Source: PS3.18 section 8.3.3.1."""
    return read_accept(request.query_params.get("accept") or request.headers.get("accept", ""))


def dicomweb_routes(archive: Archive, intake: StowIntake, threads: Threads, ahead: Ahead) -> APIRouter:
    """Return the routes of DICOMweb."""
    router = APIRouter()

    def answered(request: Request, answer: Callable[[Retrieval], WebAnswer]) -> InThread:
        def handler(conversation: Conversation) -> WebAnswer:
            del conversation
            return answer(Retrieval(archive, request))

        return InThread(threads, handler)

    async def instances(request: Request) -> Response:
        return answered(request, lambda one: retrieve_instances(archive, one.versions(), one.accept, ahead))

    async def metadata(request: Request) -> Response:
        return answered(request, lambda one: retrieve_metadata(archive, one.versions(), one.accept, one.addresses))

    async def frames(request: Request, numbers: str) -> Response:
        return answered(request, lambda one: retrieve_frames(one.opened(), read_numbers(numbers), one.accept))

    async def picture(request: Request) -> Response:
        numbers = request.path_params.get("numbers", "")

        def shown(one: Retrieval) -> WebAnswer:
            listed = read_numbers(numbers) if numbers else [None]
            if len(listed) > 1:
                raise BadWebRequest(where="frame numbers", why="one picture at a time")
            return render(one.opened(), listed[0], request.query_params, one.accept)

        return answered(request, shown)

    async def pictures(request: Request) -> Response:
        parameters = request.query_params
        return answered(
            request, lambda one: render_each(archive, one.versions(), parameters, one.accept, one.addresses, ahead)
        )

    async def bulk(request: Request, value: str) -> Response:
        return answered(request, lambda one: retrieve_bulk(one.opened(), value, one.accept))

    def searched(level: QueryLevel) -> Callable[[Request], Awaitable[Response]]:
        async def found(request: Request) -> Response:
            def handler(conversation: Conversation) -> WebAnswer:
                del conversation
                parameters = request.query_params.multi_items()
                path = {_NAMED[name]: uid for name, uid in request.path_params.items()}
                asked = read_search(parameters, level, path, archive.matched_at(level))
                return search(archive, asked, path, accept_of(request), addresses_for(request))

            return InThread(threads, handler)

        return found

    async def stored(request: Request) -> Response:
        def handler(conversation: Conversation) -> WebAnswer:
            if request.headers.get("content-encoding", "identity") != "identity":
                raise UnsupportedMedia(encoding=request.headers["content-encoding"][:100])
            host = request.client.host if request.client else ""
            session = intake.open(host, request.path_params.get("study", ""))
            content_type = request.headers.get("content-type", "")
            return store(conversation.body(), content_type, session, addresses_for(request))

        return InThread(threads, handler)

    for place in ("/studies", _STUDY):
        router.add_api_route(place, stored, methods=["POST"])
    for place, level in _SEARCHES.items():
        router.add_api_route(place, searched(level), methods=["GET"])
    for place in (_STUDY, _SERIES, _INSTANCE):
        router.add_api_route(place, instances, methods=["GET"])
        router.add_api_route(f"{place}/metadata", metadata, methods=["GET"])
    for place in (_STUDY, _SERIES):
        router.add_api_route(f"{place}/rendered", pictures, methods=["GET"])
    router.add_api_route(f"{_INSTANCE}/frames/{{numbers}}", frames, methods=["GET"])
    router.add_api_route(f"{_INSTANCE}/rendered", picture, methods=["GET"])
    router.add_api_route(f"{_INSTANCE}/frames/{{numbers}}/rendered", picture, methods=["GET"])
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
