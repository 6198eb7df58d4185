"""Sessions: who is logged in, for how long yet."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from typing import Any, Final

from safelight.console.account import Account
from safelight.core.clock import Clock

TOKEN_BYTES: Final = 32
SESSIONS_MAX: Final = 5000
OF_ACCOUNT_MAX: Final = 50
TOKEN_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long sessions last."""

    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)
    board: timedelta = timedelta(hours=168)
    """That of a screen on the wall, which nobody touches."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login. Its moments are on the clock that never jumps."""

    account: str
    stamp: str
    board: bool
    ends: timedelta
    idle_ends: timedelta


class Sessions:
    """The sessions of this `serve`, by the hash of their token. Used by many threads."""

    def __init__(self, clock: Clock, limits: SessionLimits) -> None:
        self._clock = clock
        self.limits = limits
        self._lock = Lock()
        self._sessions: dict[str, Session] = {}
        self.logins = 0
        """Grows with every session that began or ended."""
        self.uses = 0
        """Grows with every use that puts an end off."""

    def begin(self, account: Account, *, board: bool = False) -> tuple[str, Session]:
        """Log somebody in; return the token, which is kept nowhere here, and the session."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self._clock.elapsed()
        ends = now + (self.limits.board if board else self.limits.longest)
        session = Session(account.account, account.stamp, board, ends, self._idle_ends(board, ends, now))
        with self._lock:
            self._sessions = {key: one for key, one in self._sessions.items() if now < min(one.ends, one.idle_ends)}
            # Whoever logs in again and again ends their own oldest sessions, nobody else's.
            own = [key for key, one in self._sessions.items() if one.account == account.account]
            crowded = own[: max(len(own) - OF_ACCOUNT_MAX + 1, 0)]
            crowded = crowded or list(self._sessions)[: max(len(self._sessions) - SESSIONS_MAX + 1, 0)]
            for key in crowded:
                del self._sessions[key]
            self._sessions[_key(token)] = session
            self.logins += 1
        return token, session

    def look(self, token: str, *, is_use: bool) -> Session | None:
        """Return the session of a token that has not ended; ``is_use`` puts the end by idleness off."""
        if not token or len(token) > TOKEN_CHARACTERS_MAX:
            return None
        key, now = _key(token), self._clock.elapsed()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                return None
            if session.ends <= now or session.idle_ends <= now:
                del self._sessions[key]
                self.logins += 1
                return None
            if is_use:
                session = replace(session, idle_ends=self._idle_ends(session.board, session.ends, now))
                self._sessions[key] = session
                self.uses += 1
            return session

    def end(self, token: str) -> None:
        """Log out."""
        with self._lock:
            if self._sessions.pop(_key(token), None) is not None:
                self.logins += 1

    def remaining(self, session: Session) -> timedelta:
        """Return how long a session lasts at most."""
        return session.ends - self._clock.elapsed()

    def to_rows(self) -> list[dict[str, Any]]:
        """Return what has to be kept over a restart: no tokens, only their hashes."""
        now = self._clock.elapsed()
        with self._lock:
            return [
                {
                    "token": key,
                    "account": one.account,
                    "stamp": one.stamp,
                    "board": one.board,
                    "seconds": (one.ends - now).total_seconds(),
                    "idle_seconds": (one.idle_ends - now).total_seconds(),
                }
                for key, one in self._sessions.items()
            ]

    def take_back(self, rows: Iterable[Mapping[str, Any]], away: timedelta) -> None:
        """Go on with sessions that `to_rows` gave before a restart, which took so long.

        Raises:
            KeyError, TypeError, ValueError: they are not such.
        """
        began = self._clock.elapsed() - away
        found = {}
        for row in rows:
            board, longest = bool(row["board"]), timedelta(seconds=row["seconds"])
            ends = began + min(longest, self.limits.board if board else self.limits.longest)
            idle_ends = min(began + timedelta(seconds=row["idle_seconds"]), self._idle_ends(board, ends, began))
            found[str(row["token"])] = Session(str(row["account"]), str(row["stamp"]), board, ends, idle_ends)
        with self._lock:
            self._sessions.update(found)

    def _idle_ends(self, board: bool, ends: timedelta, now: timedelta) -> timedelta:
        return ends if board else min(ends, now + self.limits.idle)


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
