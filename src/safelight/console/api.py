"""What is answered under ``/api/``."""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from safelight import VERSION
from safelight.console.api_table import DEEDS, DOCUMENTS, SHEETS, Deed, Document
from safelight.console.events import Events, stream
from safelight.console.faults import (
    BadRequest,
    BodyTooLong,
    BodyTooSlow,
    LoginNeeded,
    NoSuchAddress,
    NoSuchMethod,
    NotJson,
    NotYourRole,
    TooBusy,
    told,
)
from safelight.console.fields import Field, Kind, read_body, read_query
from safelight.console.guard import AUTOMATIC, COOKIE, Guard, Visitor, judge_origin
from safelight.console.password import judge_password
from safelight.console.ports import House
from safelight.console.repeats import KEY_CHARACTERS_MAX, Repeats
from safelight.console.role import Right
from safelight.core.clock import Clock, to_text

BODY_BYTES_MAX: Final = 256 * 1024
THREADS: Final = 8
WAITING_MAX: Final = 1000
"""When something changes, every screen asks for several documents at once; most of them are made already."""
LOGINS_WAITING_MAX: Final = 64
LOGIN_THREADS: Final = 2
"""Each takes 64 MiB while it compares a password, and as much of a core as it gets."""
BODY_SECONDS_MAX: Final = 30
ANY_METHOD: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
LOGIN_FIELDS: Final = (
    Field("account", needed=True),
    Field("password", needed=True),
    Field("board", Kind.FLAG, otherwise=False),
)
PASSWORD_FIELDS: Final = (Field("old", needed=True), Field("new", needed=True))

Answer = Callable[[Request], Response]


class Desk:
    """A few threads that answer, and no endless queue before them."""

    def __init__(self, name: str, threads: int, waiting_max: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting_max = waiting_max
        self._waiting = 0

    async def do(self, work: Callable[[], Any]) -> Any:
        """Have something done in a thread.

        Raises:
            TooBusy: too much waits already.
        """
        if self._waiting >= self._waiting_max:
            raise TooBusy(waiting=self._waiting)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Take nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Api:
    """Answers documents and acts to whoever may ask."""

    def __init__(self, house: House, guard: Guard, events: Events, clock: Clock, *, has_viewer: bool) -> None:
        self._house = house
        self._guard = guard
        self._events = events
        self._clock = clock
        self._has_viewer = has_viewer
        self._repeats = Repeats(clock)
        self._desk = Desk("console", THREADS, WAITING_MAX)
        self.login_desk = Desk("console-login", LOGIN_THREADS, LOGINS_WAITING_MAX)

    def stop(self) -> None:
        """Answer nothing more."""
        self._events.stop()
        self._desk.stop()
        self.login_desk.stop()

    def routes(self) -> APIRouter:
        """Return the addresses."""
        router = APIRouter()

        def add(path: str, method: str, answer: Callable[[Request], Any]) -> None:
            router.add_api_route(path, self._told_apart(answer), methods=[method, *(["HEAD"] * (method == "GET"))])

        add("/site", "GET", self._site)
        add("/me", "GET", self._me)
        add("/login", "POST", self._login)
        add("/logout", "POST", self._logout)
        add("/password", "POST", self._password)
        add("/events", "GET", self._stream)
        for sheet in SHEETS:
            add(f"/{sheet.name}", "GET", self._printed(sheet))
        for document in DOCUMENTS:
            add(f"/{document.name}", "GET", self._documented(document))
        for deed in DEEDS:
            add(f"/{deed.name}", "POST", self._done(deed))
        known = {getattr(route, "path", "") for route in router.routes}

        async def nothing(request: Request) -> Response:
            raise NoSuchMethod if f"/{request.path_params['path']}" in known else NoSuchAddress

        router.add_api_route("/{path:path}", self._told_apart(nothing), methods=list(ANY_METHOD))
        return router

    def _told_apart(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def answered(request: Request) -> Response:
            try:
                response: Response = await answer(request)
            except Exception as error:  # noqa: BLE001 - the door's one place: every failure becomes an answer
                return self.refusal(error)
            return response

        return answered

    def refusal(self, error: Exception) -> Response:
        """Return the answer to a request that failed; what is our own fault is written down."""
        status, document, headers = told(error)
        if status >= 500:
            self._house.failed(error)
        return JSONResponse(document, status, headers)

    def visitor(self, request: Request) -> Visitor:
        """Return who asks.

        Raises:
            LoginNeeded: nobody whom we know.
        """
        return self._guard.visitor(request.cookies.get(COOKIE, ""), is_use=AUTOMATIC not in request.headers)

    def _documented(self, document: Document) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            self.visitor(request).demand(document.right)
            asked = read_query(request.query_params.multi_items(), document.fields)
            # Written out in the thread as well: a long list takes the event loop too long.
            made: Response = await self._desk.do(lambda: JSONResponse(dict(self._house.document(document.name, asked))))
            return made

        return answer

    def _done(self, deed: Deed) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            judge_origin(request.headers)
            visitor = self.visitor(request)
            # Before the body is looked at: whoever may do none of it learns nothing of it.
            visitor.demand(deed.right)
            told = {**read_body(await _object(request), deed.fields), **deed.fixed}
            if deed.special is not None:
                right, told = deed.special(told)
                visitor.demand(right)
            told["by"] = visitor.signs(told["by"])
            key = request.headers.get("idempotency-key", "")
            if len(key) > KEY_CHARACTERS_MAX:
                raise BadRequest(wrong="Idempotency-Key")

            def work() -> dict[str, Any]:
                return dict(self._house.act(deed.act, told))

            if key:
                who = visitor.account.account if visitor.account else ""
                what = json.dumps([deed.name, told], sort_keys=True)
                return JSONResponse(await self._desk.do(lambda: self._repeats.once(who, key, what, work)))
            return JSONResponse(await self._desk.do(work))

        return answer

    def _printed(self, sheet: Document) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            self.visitor(request).demand(sheet.right)
            asked = read_query(request.query_params.multi_items(), sheet.fields)
            pdf = await self._desk.do(lambda: self._house.sheet(sheet.name, asked))
            headers = {"Content-Disposition": 'inline; filename="labels.pdf"'}
            return Response(pdf, media_type="application/pdf", headers=headers)

        return answer

    async def _site(self, request: Request) -> Response:
        read_query(request.query_params.multi_items(), ())
        return JSONResponse(
            {
                "site": self._house.site,
                "version": VERSION,
                "login": "none" if self._guard.is_open else "account",
                "has_accounts": bool(self._house.accounts()),
                "viewer": self._has_viewer,
            }
        )

    async def _me(self, request: Request) -> Response:
        return JSONResponse(self._told_of(self.visitor(request)))

    async def _login(self, request: Request) -> Response:
        judge_origin(request.headers)
        given = read_body(await _object(request), LOGIN_FIELDS)
        if self._guard.is_open:
            return JSONResponse(self._told_of(self.visitor(request)))
        name, address, board = given["account"], address_of(request), given["board"]
        try:
            token, visitor = await self.login_desk.do(
                lambda: self._guard.login(name, given["password"], address, board=board)
            )
        except Exception as error:
            # Not the name: people type their password there by mistake.
            self._house.note("console.login-refused", address=address, error=getattr(error, "code", "core.defect"))
            raise
        self._guard.sessions.end(request.cookies.get(COOKIE, ""))
        self._house.note("console.logged-in", account=name, address=address, board=board)
        response = JSONResponse(self._told_of(visitor))
        # A browser that is closed forgets who was logged in; a wall's screen starts by itself after a power cut.
        seconds = int(self._guard.sessions.limits.board.total_seconds()) if board else None
        response.set_cookie(COOKIE, token, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict")
        return response

    async def _logout(self, request: Request) -> Response:
        judge_origin(request.headers)
        read_body(await _object(request), ())
        if token := request.cookies.get(COOKIE, ""):
            self._guard.sessions.end(token)
        response = JSONResponse({})
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

    async def _password(self, request: Request) -> Response:
        judge_origin(request.headers)
        account = self.visitor(request).account
        given = read_body(await _object(request), PASSWORD_FIELDS)
        if account is None:
            raise LoginNeeded
        if account.shared:
            # One of those who share it would lock out the others.
            raise NotYourRole(account=account.account)
        address = address_of(request)

        def work() -> tuple[str, Visitor]:
            self._guard.prove(account.account, given["old"], address)
            judge_password(given["new"], account.account, account.name)
            self._house.set_password(account.account, given["new"])
            return self._guard.login(account.account, given["new"], address)

        token, visitor = await self.login_desk.do(work)
        response = JSONResponse(self._told_of(visitor))
        response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="strict")
        return response

    async def _stream(self, request: Request) -> Response:
        token = request.cookies.get(COOKIE, "")
        visitor = self._guard.visitor(token, is_use=False)
        visitor.demand(Right.LOOK)
        known = request.headers.get("last-event-id") or request.query_params.get("last_event_id") or ""
        account = visitor.account.account if visitor.account else ""
        listener = self._events.listen(account)

        def welcome() -> bool:
            try:
                self._guard.visitor(token, is_use=False)
            except LoginNeeded:
                return False
            return True

        async def told() -> Any:
            try:
                # We listen already: what changes from here on is told, if twice.
                mark = await self._desk.do(self._house.mark)
                missed = list(await self._desk.do(lambda: self._house.changed_since(known))) if known else None
                async for piece in stream(listener, (mark, missed), welcome):
                    yield piece
            finally:
                self._events.forget(listener)

        return StreamingResponse(told(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def _told_of(self, visitor: Visitor) -> dict[str, Any]:
        account, session = visitor.account, visitor.session
        rights = sorted(right.value for right in visitor.rights)
        if account is None or session is None:
            everything: Mapping[str, Any] = {"account": None, "name": None, "role": None, "shared": False}
            return {
                "login": "none",
                **everything,
                "rights": rights,
                "board": False,
                "ends_at": None,
                "idle_seconds": None,
            }
        sessions = self._guard.sessions
        return {
            "login": "account",
            **account.told(),
            "rights": rights,
            "board": session.board,
            "ends_at": to_text(self._clock.now() + sessions.remaining(session)),
            "idle_seconds": None if session.board else int(sessions.limits.idle.total_seconds()),
        }


def address_of(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else ""


async def _object(request: Request) -> Mapping[str, Any]:
    """Read the body of an act.

    Raises:
        NotJson, BodyTooLong, BodyTooSlow: it is none that we wait for.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise NotJson
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for piece in request.stream():
                body += piece
                if len(body) > BODY_BYTES_MAX:
                    raise BodyTooLong(bytes_max=BODY_BYTES_MAX)
    except TimeoutError as error:
        raise BodyTooSlow from error
    try:
        found = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise BadRequest(wrong="body") from error
    if not isinstance(found, dict):
        raise BadRequest(wrong="body")
    return found
