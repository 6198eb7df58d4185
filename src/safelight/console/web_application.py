"""The one web application: pages, API and viewer, and DICOMweb beside them; its doors and its headers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safelight.console.api import Api
from safelight.console.faults import NoSuchAddress, NoSuchMethod, NotOurName
from safelight.console.guard import AUTOMATIC, COOKIE, Guard, Visitor, judge_origin
from safelight.console.pages import Folders, page_routes
from safelight.console.readings import Readings
from safelight.console.request import address_of
from safelight.console.role import Right

LOCAL_NAMES: Final = frozenset(("localhost", "127.0.0.1", "[::1]"))
API: Final = "/api"
VIEWER: Final = "/viewer/"
READING: Final = ("GET", "HEAD", "OPTIONS")

PAGES_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
VIEWER_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


@dataclass(frozen=True, slots=True)
class Guarded:
    """Routes that programs use as well: whoever reads needs one right, whoever sends another."""

    prefix: str
    routes: APIRouter
    reading: Right
    writing: Right


def web_application(api: Api, guard: Guard, others: Sequence[Guarded], folders: Folders, readings: Readings) -> ASGIApp:
    """Put together what is answered."""
    # Neither a description of the interface nor its pages, which would load programs from elsewhere.
    application = FastAPI(title="Safelight", openapi_url=None, docs_url=None, redoc_url=None)
    application.include_router(api.routes(), prefix=API)
    for other in others:
        application.include_router(other.routes, prefix=other.prefix)
        # Else the pages would answer, which take every address that is left.
        application.add_api_route(f"{other.prefix}/{{path:path}}", _nothing, methods=["GET", "HEAD"])
    application.include_router(page_routes(folders))

    async def refused(request: Request, error: Exception) -> Response:
        del request
        assert isinstance(error, HTTPException)
        return api.refusal(NoSuchMethod() if error.status_code == 405 else NoSuchAddress())

    application.add_exception_handler(HTTPException, refused)
    outer: ASGIApp = DoorKeeper(application, api, guard, others, readings)
    if guard.is_open:
        outer = LocalNamesOnly(outer, api)
    return SafeHeaders(outer)


async def _nothing() -> Response:
    raise HTTPException(404)


class DoorKeeper:
    """Lets those through to DICOMweb who may: by the cookie of a session, or by HTTP Basic."""

    def __init__(
        self, application: ASGIApp, api: Api, guard: Guard, guarded: Sequence[Guarded], readings: Readings
    ) -> None:
        self._application = application
        self._api = api
        self._guard = guard
        self._guarded = guarded
        self._readings = readings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        found = self._found(scope)
        if found is None:
            await self._application(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        is_reading = scope["method"] in READING
        try:
            visitor = await self._visitor(connection, is_reading=is_reading)
            visitor.demand(found.reading if is_reading else found.writing)
        except Exception as error:  # noqa: BLE001 - the door's one place: every failure becomes an answer
            refusal = self._api.refusal(error)
            if refusal.status_code == 401 and "sec-fetch-mode" not in connection.headers:
                # Never to a page, whose browser would ask for a password in a window of its own.
                refusal.headers["WWW-Authenticate"] = 'Basic realm="Safelight", charset="UTF-8"'
            await refusal(scope, receive, send)
            return
        study = _study_of(scope["path"].removeprefix(found.prefix)) if is_reading else ""
        if study and visitor.account is not None:
            send = self._noting(send, visitor.account.account, study)
        await self._application(scope, receive, send)

    def _noting(self, send: Send, account: str, study: str) -> Send:
        """Have it noted that somebody opens a study before they are given anything of it.

        Where nothing is given nothing was opened: names that no study has fill no journal.
        """

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                self._readings.opened(account, study)
            await send(message)

        return noted

    def _found(self, scope: Scope) -> Guarded | None:
        if scope["type"] != "http" or self._guard.is_open:
            return None
        path = scope["path"]
        return next((one for one in self._guarded if path == one.prefix or path.startswith(one.prefix + "/")), None)

    async def _visitor(self, connection: HTTPConnection, *, is_reading: bool) -> Visitor:
        if not is_reading:
            judge_origin(connection.headers)
        header = connection.headers.get("authorization", "")
        if not header:
            token = connection.cookies.get(COOKIE, "")
            return self._guard.visitor(token, is_use=AUTOMATIC not in connection.headers)
        return await self._api.login.by_basic(header, address_of(connection))


def _study_of(path: str) -> str:
    """Return which study an address asks for; a search over all studies asks for none. Source: PS3.18 section 10.4."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "studies" else ""


class SafeHeaders:
    """Gives every answer the headers that keep browsers from doing more than was meant."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the answer gets its headers on the way out."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        policy = VIEWER_POLICY if scope["path"].startswith(VIEWER) else PAGES_POLICY

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._application(scope, receive, dressed)


class LocalNamesOnly:
    """Refuses requests that call this machine by another name than its own.

    Without it a page from elsewhere could have its name point here and read what it likes (DNS rebinding). Where
    people log in there is no need: such a page has no cookie of ours.
    """

    def __init__(self, application: ASGIApp, api: Api) -> None:
        self._application = application
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and _called_name(scope) not in LOCAL_NAMES:
            await self._api.refusal(NotOurName())(scope, receive, send)
            return
        await self._application(scope, receive, send)


def _called_name(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            host = str(value, "latin-1").lower()
            return host if host.endswith("]") else host.rpartition(":")[0] or host
    return ""
