"""Sessions over a restart of `serve`: in an outage nobody is to log in again because it was upgraded."""

import json
from datetime import timedelta
from typing import Final

from safelight.console.session import Sessions
from safelight.core.clock import Clock, from_text, to_text
from safelight.core.disk import Disk, write_file
from safelight.site.home import Home

WRITE_EVERY: Final = timedelta(seconds=30)


class SessionFile:
    """Writes down who is logged in: hashes of tokens, which log nobody in. For one thread."""

    def __init__(self, home: Home, disk: Disk, clock: Clock, sessions: Sessions) -> None:
        self._path = home.sessions
        self._disk = disk
        self._clock = clock
        self._sessions = sessions
        self._written = (sessions.logins, sessions.uses)
        self._written_at = clock.elapsed()

    def take_back(self) -> None:
        """Go on with the sessions of the `serve` before this one. Where that cannot be, people log in again."""
        try:
            told = json.loads(self._path.read_bytes())
            # A wall clock that was set back must not make them longer.
            away = max(self._clock.now() - from_text(told["written_at"]), timedelta())
            self._sessions.take_back(told["sessions"], away)
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return

    def write_when_due(self) -> None:
        """Write them down when one began or ended; that they were used, now and then."""
        if self._sessions.logins != self._written[0] or self._clock.elapsed() - self._written_at >= WRITE_EVERY:
            self.write()

    def write(self) -> None:
        """Write them down now, if something changed."""
        changes = (self._sessions.logins, self._sessions.uses)
        self._written_at = self._clock.elapsed()
        if changes != self._written:
            told = {"written_at": to_text(self._clock.now()), "sessions": self._sessions.to_rows()}
            write_file(self._disk, self._path, json.dumps(told).encode())
            self._written = changes
