"""The door keeper: who asks, and may they."""

import base64
import binascii
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

from safelight.console.account import NAME, Account, Accounts
from safelight.console.attempts import Attempts
from safelight.console.faults import (
    BadRequest,
    ForeignOrigin,
    LoginNeeded,
    LoginRefused,
    NameIsYours,
    NotYourRole,
    TooManyAttempts,
)
from safelight.console.password import fits, hashed
from safelight.console.role import BOARD_RIGHTS, RIGHTS, Right
from safelight.console.session import Session, Sessions
from safelight.core.clock import Clock

COOKIE: Final = "__Host-safelight"
AUTOMATIC: Final = "safelight-automatic"
SIGNED_CHARACTERS_MAX: Final = 64
BASIC_REMEMBERED: Final = timedelta(minutes=5)
BASIC_REMEMBERED_MAX: Final = 1000
STRANGER: Final = "?"
OWN_SITES: Final = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. On an open home that is nobody in particular, who may do everything."""

    rights: frozenset[Right]
    account: Account | None = None
    session: Session | None = None

    def demand(self, right: Right) -> None:
        """Go on only with this right.

        Raises:
            NotYourRole: the visitor has not.
        """
        if right not in self.rights:
            raise NotYourRole(needs=right.value, account=self.account.account if self.account else "")

    def signs(self, given: str) -> str:
        """Return the name under which an act is recorded; ``given`` is what the visitor says of themselves.

        Raises:
            NameIsYours: a personal account speaks for somebody else.
            BadRequest: it is no name.
        """
        plain = given.strip()
        if not plain.isprintable() or len(plain) > SIGNED_CHARACTERS_MAX:
            raise BadRequest(wrong="by")
        if self.account is None:
            return plain
        if not plain:
            return self.account.name
        if not self.account.shared:
            raise NameIsYours(account=self.account.account)
        return f"{plain} ({self.account.name})"


EVERYBODY: Final = Visitor(frozenset(Right))


class Guard:
    """Knows accounts, sessions and failed logins. Used by many threads."""

    def __init__(self, accounts: Callable[[], Accounts], sessions: Sessions, clock: Clock, *, is_open: bool) -> None:
        self._accounts = accounts
        self.sessions = sessions
        self._clock = clock
        self._attempts = Attempts(clock)
        self.is_open = is_open
        self._secret = os.urandom(32)
        self._basic: OrderedDict[bytes, tuple[str, str, timedelta]] = OrderedDict()
        self._basic_lock = Lock()

    def visitor(self, token: str, *, is_use: bool = True) -> Visitor:
        """Return who holds this token.

        Raises:
            LoginNeeded: nobody does.
        """
        if self.is_open:
            return EVERYBODY
        session = self.sessions.look(token, is_use=is_use)
        account = self._accounts().get(session.account) if session else None
        if session is None or account is None or account.stamp != session.stamp:
            raise LoginNeeded
        return _visitor(account, session)

    def login(self, name: str, password: str, address: str, *, board: bool = False) -> tuple[str, Visitor]:
        """Log somebody in; return the token for their cookie. Slow on purpose.

        Raises:
            LoginRefused: name or password is wrong.
            TooManyAttempts: that was so too often.
        """
        return self.begin(self.prove(name, password, address), board=board)

    def begin(self, account: Account, *, board: bool = False) -> tuple[str, Visitor]:
        """Begin a session of somebody who was proven; return the token for their cookie."""
        token, session = self.sessions.begin(account, board=board)
        return token, _visitor(account, session)

    def prove(self, name: str, password: str, address: str) -> Account:
        """Return the account whose name and password these are. Slow on purpose.

        Raises:
            LoginRefused: there is none.
            TooManyAttempts: that was so too often.
        """
        plain = name.strip().lower()
        # What cannot be an account is one stranger: nobody fills our memory with names.
        counted = plain if NAME.match(plain) else STRANGER
        if seconds := self._attempts.seconds_to_wait(counted, address):
            raise TooManyAttempts(seconds)
        account = self._accounts().get(plain)
        # An account that is not there takes as long as one that is.
        is_right = fits(password, account.password if account else _nobodys_password())
        if account is None or not is_right:
            self._attempts.failed(counted, address)
            raise LoginRefused
        self._attempts.succeeded(counted, address)
        return account

    def remembered(self, header: str) -> Visitor | None:
        """Return who proved this HTTP Basic header a few minutes ago; to prove it each time would take too long."""
        known = self._basic.get(self._key(header))
        if known is None or known[2] <= self._clock.elapsed():
            return None
        account = self._accounts().get(known[0])
        return Visitor(RIGHTS[account.role], account) if account and account.stamp == known[1] else None

    def by_basic(self, header: str, address: str) -> Visitor:
        """Return who sends this HTTP Basic header. Slow on purpose. Source: RFC 7617.

        Raises:
            LoginNeeded: it is no such header.
            LoginRefused, TooManyAttempts: nobody does.
        """
        try:
            scheme, _, coded = header.partition(" ")
            name, colon, password = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError) as error:
            raise LoginNeeded from error
        if scheme.lower() != "basic" or not colon:
            raise LoginNeeded
        account = self.prove(name, password, address)
        with self._basic_lock:
            until = self._clock.elapsed() + BASIC_REMEMBERED
            self._basic[self._key(header)] = (account.account, account.stamp, until)
            if len(self._basic) > BASIC_REMEMBERED_MAX:
                self._basic.popitem(last=False)
        return Visitor(RIGHTS[account.role], account)

    def _key(self, header: str) -> bytes:
        return hashlib.blake2b(header.encode(), key=self._secret).digest()


def _visitor(account: Account, session: Session) -> Visitor:
    return Visitor(BOARD_RIGHTS if session.board else RIGHTS[account.role], account, session)


def judge_origin(headers: Mapping[str, str]) -> None:
    """Say whether a request that has an effect may come from where it comes from.

    Browsers tell the origin with every POST; a program that is no browser has none to tell.

    Raises:
        ForeignOrigin: a page from elsewhere sends it.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in OWN_SITES:
        raise ForeignOrigin(site=site[:32])
    if origin is not None and _host_of(origin) != headers.get("host", "").lower():
        raise ForeignOrigin(origin=origin[:200])


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


@cache
def _nobodys_password() -> str:
    return hashed(os.urandom(16).hex())
