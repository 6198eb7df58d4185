"""What is answered under ``/api/``: documents, acts, events."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from safelight.console.api_table import DEEDS, DOCUMENTS, SHEETS, Deed, Document
from safelight.console.desk import Desk
from safelight.console.events import Events, EventStream, stream
from safelight.console.faults import BadRequest, LoginNeeded, NoSuchAddress, NoSuchMethod, told
from safelight.console.fields import read_body, read_query
from safelight.console.guard import COOKIE, Guard, judge_origin
from safelight.console.login import PROVEN_AT, Login
from safelight.console.ports import House
from safelight.console.repeats import KEY_CHARACTERS_MAX, Repeats
from safelight.console.request import address_of, json_object
from safelight.console.role import Right
from safelight.core.clock import Clock

THREADS: Final = 8
WAITING_MAX: Final = 1000
"""When something changes, every screen asks for several documents at once; most of them are made already."""
SLOW_THREADS: Final = 2
SLOW_WAITING_MAX: Final = 16
READ: Final = ("GET", "HEAD")
ANY_METHOD: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

Answer = Callable[[Request], Awaitable[Response]]


class Api:
    """Answers documents and acts to whoever may ask."""

    def __init__(self, house: House, guard: Guard, events: Events, clock: Clock, *, has_viewer: bool) -> None:
        self._house = house
        self._guard = guard
        self._events = events
        self._repeats = Repeats(clock)
        self._desk = Desk("console", THREADS, WAITING_MAX)
        self._slow_desk = Desk("console-slow", SLOW_THREADS, SLOW_WAITING_MAX)
        self.login = Login(house, guard, clock, has_viewer=has_viewer)

    def stop(self) -> None:
        """Answer nothing more."""
        for desk in (self._desk, self._slow_desk, self.login.desk):
            desk.stop()

    def routes(self) -> APIRouter:
        """Return the addresses."""
        answers: dict[str, tuple[Answer, tuple[str, ...]]] = {
            "site": (self.login.site, READ),
            "me": (self.login.me, READ),
            "login": (self.login.login, ("POST",)),
            "logout": (self.login.logout, ("POST",)),
            "password": (self.login.password, ("POST",)),
            "events": (self._stream, ("GET",)),
            **{document.name: (self._documented(document), READ) for document in DOCUMENTS},
            **{sheet.name: (self._printed(sheet), READ) for sheet in SHEETS},
            **{deed.name: (self._done(deed), ("POST",)) for deed in DEEDS},
        }

        async def nothing(request: Request) -> Response:
            raise NoSuchMethod if request.path_params["path"] in answers else NoSuchAddress

        router = APIRouter()
        for name, (answer, methods) in answers.items():
            router.add_api_route(f"/{name}", self._told_apart(answer), methods=list(methods))
        router.add_api_route("/{path:path}", self._told_apart(nothing), methods=list(ANY_METHOD))
        return router

    def _told_apart(self, answer: Answer) -> Answer:
        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except Exception as error:  # noqa: BLE001 - the door's one place: every failure becomes an answer
                return self.refusal(error)

        return answered

    def refusal(self, error: Exception) -> Response:
        """Return the answer to a request that failed; what is our own fault is written down."""
        status, document, headers = told(error)
        if status >= 500:
            self._house.failed(error)
        return JSONResponse(document, status, headers)

    def _documented(self, document: Document) -> Answer:
        desk = self._slow_desk if document.is_slow else self._desk

        async def answer(request: Request) -> Response:
            self.login.visitor(request).demand(document.right)
            asked = read_query(request.query_params.multi_items(), document.fields)
            # Written out in the thread as well: a long list takes the event loop too long.
            return await desk.do(lambda: JSONResponse(dict(self._house.document(document.name, asked))))

        return answer

    def _printed(self, sheet: Document) -> Answer:
        async def answer(request: Request) -> Response:
            self.login.visitor(request).demand(sheet.right)
            asked = read_query(request.query_params.multi_items(), sheet.fields)
            pdf = await self._slow_desk.do(lambda: self._house.sheet(sheet.name, asked))
            headers = {"Content-Disposition": 'inline; filename="labels.pdf"'}
            return Response(pdf, media_type="application/pdf", headers=headers)

        return answer

    def _done(self, deed: Deed) -> Answer:
        desk = self._slow_desk if deed.is_slow else self._desk

        async def answer(request: Request) -> Response:
            judge_origin(request.headers)
            visitor = self.login.visitor(request)
            # Before the body is looked at: whoever may do none of it learns nothing of it.
            visitor.demand(deed.right)
            told = {**read_body(await json_object(request), deed.fields), **deed.fixed}
            if deed.special is not None:
                right, told = deed.special(told)
                visitor.demand(right)
            told["by"] = visitor.signs(told["by"])
            if deed.is_proven:
                told |= await self.login.proven(visitor, told.pop("password"), address_of(request))
            key = request.headers.get("idempotency-key", "")
            if len(key) > KEY_CHARACTERS_MAX:
                raise BadRequest(wrong="Idempotency-Key")

            def work() -> dict[str, Any]:
                return dict(self._house.act(deed.act, told))

            if not key:
                return JSONResponse(await desk.do(work))
            who = visitor.account.account if visitor.account else ""
            what = hashlib.sha256(json.dumps([deed.name, _asked(told)], sort_keys=True).encode()).hexdigest()
            return JSONResponse(await desk.do(lambda: self._repeats.once(who, key, what, work)))

        return answer

    async def _stream(self, request: Request) -> Response:
        token = request.cookies.get(COOKIE, "")
        visitor = self._guard.visitor(token, is_use=False)
        visitor.demand(Right.LOOK)
        account = visitor.account.account if visitor.account else ""
        listener = self._events.listen(account)
        leave = partial(self._events.leave, listener)
        known = request.headers.get("last-event-id") or request.query_params.get("last_event_id") or ""
        try:
            # We listen already: what changes from here on is told, if twice.
            mark = await self._desk.do(self._house.mark)
            missed = list(await self._desk.do(lambda: self._house.changed_since(known))) if known else None
        except BaseException:
            leave()
            raise

        def is_welcome() -> bool:
            try:
                self._guard.visitor(token, is_use=False)
            except LoginNeeded:
                return False
            return True

        return EventStream(stream(listener, mark, missed, is_welcome), leave)


def _asked(told: dict[str, Any]) -> dict[str, Any]:
    """Return what was asked for, without the moment at which a password was typed: a repetition types it again."""
    return {name: value for name, value in told.items() if name != PROVEN_AT}
