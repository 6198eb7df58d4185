"""Who asks, over HTTP: logging in and out, one's own password."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from fastapi import Request
from starlette.responses import JSONResponse, Response

from safelight import VERSION
from safelight.console.account import the_account
from safelight.console.desk import Desk
from safelight.console.faults import LoginNeeded, NotYourRole
from safelight.console.fields import Field, Kind, read_body, read_query
from safelight.console.guard import AUTOMATIC, COOKIE, Guard, Visitor, judge_origin
from safelight.console.ports import House
from safelight.console.request import address_of, json_object
from safelight.core.clock import Clock, to_text
from safelight.core.errors import SafelightError

Proven = TypeVar("Proven")
THREADS: Final = 2
"""Each takes 64 MiB while it compares a password, and as much of a core as it gets."""
WAITING_MAX: Final = 64
LOGIN_FIELDS: Final = (
    Field("account", needed=True),
    Field("password", needed=True),
    Field("board", Kind.FLAG, otherwise=False),
)
PROVEN_AT: Final = "proven_at"
PASSWORD_FIELDS: Final = (Field("old", needed=True), Field("new", needed=True))


class Login:
    """Answers whoever wants to be known here."""

    def __init__(self, house: House, guard: Guard, clock: Clock, *, has_viewer: bool) -> None:
        self._house = house
        self._guard = guard
        self._clock = clock
        self._has_viewer = has_viewer
        self.desk = Desk("console-login", THREADS, WAITING_MAX)

    def visitor(self, request: Request) -> Visitor:
        """Return who asks.

        Raises:
            LoginNeeded: nobody whom we know.
        """
        return self._guard.visitor(request.cookies.get(COOKIE, ""), is_use=AUTOMATIC not in request.headers)

    async def site(self, request: Request) -> Response:
        """Tell what the page of the login has to know."""
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

    async def me(self, request: Request) -> Response:
        """Tell who is logged in, and what they may do."""
        return JSONResponse(self._told_of(self.visitor(request)))

    async def login(self, request: Request) -> Response:
        """Log somebody in; a session that the browser had before ends."""
        judge_origin(request.headers)
        given = read_body(await json_object(request), LOGIN_FIELDS)
        if self._guard.is_open:
            return JSONResponse(self._told_of(self.visitor(request)))
        address, board = address_of(request), given["board"]
        token, visitor = await self._noted(
            address, lambda: self._guard.login(given["account"], given["password"], address, board=board)
        )
        self._guard.sessions.end(request.cookies.get(COOKIE, ""))
        account = visitor.account.account if visitor.account else ""
        self._house.note("console.logged-in", account=account, address=address, board=board)
        return self._welcomed(token, visitor, board=board)

    async def logout(self, request: Request) -> Response:
        """Log out whoever is logged in."""
        judge_origin(request.headers)
        read_body(await json_object(request), ())
        self._guard.sessions.end(request.cookies.get(COOKIE, ""))
        response = JSONResponse({})
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

    async def password(self, request: Request) -> Response:
        """Give an account another password, as its owner wishes."""
        judge_origin(request.headers)
        account = self.visitor(request).account
        given = read_body(await json_object(request), PASSWORD_FIELDS)
        if account is None:
            raise LoginNeeded
        if account.shared:
            # One of those who share it would lock out the others.
            raise NotYourRole(account=account.account)
        address = address_of(request)

        def change() -> tuple[str, Visitor]:
            self._house.set_password(account.account, given["new"])
            return self._guard.begin(the_account(self._house.accounts(), account.account))

        await self._noted(address, lambda: self._guard.prove(account.account, given["old"], address))
        return self._welcomed(*await self.desk.do(change), board=False)

    async def proven(self, visitor: Visitor, password: str, address: str) -> dict[str, str]:
        """Return whose account it is and that its password was typed just now: for what is signed in one's own name.

        Raises:
            NotYourRole: nobody in particular asks, or one of several who share an account.
            LoginRefused, TooManyAttempts: it is not the password.
        """
        account = visitor.account
        if account is None or account.shared:
            raise NotYourRole(needs="a personal account", account=account.account if account else "")
        await self._noted(address, lambda: self._guard.prove(account.account, password, address))
        return {"account": account.account, PROVEN_AT: to_text(self._clock.now())}

    async def by_basic(self, header: str, address: str) -> Visitor:
        """Return who sends this HTTP Basic header.

        Raises:
            LoginNeeded, LoginRefused, TooManyAttempts: nobody whom we know.
        """
        known = self._guard.remembered(header)
        return known if known else await self._noted(address, lambda: self._guard.by_basic(header, address))

    async def _noted(self, address: str, proven: Callable[[], Proven]) -> Proven:
        """Have somebody proven, and write down where it failed."""
        try:
            return await self.desk.do(proven)
        except SafelightError as error:
            # Not the name: people type their password there by mistake.
            self._house.note("console.login-refused", address=address, error=error.code)
            raise

    def _welcomed(self, token: str, visitor: Visitor, *, board: bool) -> Response:
        response = JSONResponse(self._told_of(visitor))
        # A browser that is closed forgets who was logged in; a wall's screen starts by itself after a power cut.
        seconds = int(self._guard.sessions.limits.board.total_seconds()) if board else None
        response.set_cookie(COOKIE, token, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict")
        return response

    def _told_of(self, visitor: Visitor) -> dict[str, Any]:
        account, session, sessions = visitor.account, visitor.session, self._guard.sessions
        rights = sorted(right.value for right in visitor.rights)
        if account is None or session is None:
            nobody = dict.fromkeys(("account", "name", "role", "ends_at", "idle_seconds"))
            return {"login": "none", **nobody, "rights": rights, "shared": False, "board": False}
        return {
            "login": "account",
            **account.told(),
            "rights": rights,
            "board": session.board,
            "ends_at": to_text(self._clock.now() + sessions.remaining(session)),
            "idle_seconds": None if session.board else int(sessions.limits.idle.total_seconds()),
        }
