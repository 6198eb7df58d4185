"""Failed logins: each makes the next one wait longer, for the address and for the account."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Final

from safelight.core.clock import Clock

REMEMBERED_MAX: Final = 10_000
FORGOTTEN_AFTER: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures cost nothing, and how long a wait grows."""

    free: int
    wait_max: timedelta

    def wait(self, failures: int) -> timedelta:
        """Return how long to wait after so many failures: a second, and twice as long after each further one."""
        if failures < self.free:
            return timedelta()
        return min(timedelta(seconds=2 ** min(failures - self.free, 20)), self.wait_max)


OF_ADDRESS: Final = Patience(10, timedelta(minutes=15))
OF_ACCOUNT: Final = Patience(5, timedelta(minutes=1))
"""Short, since whoever knows an account's name can make its owner wait."""

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: timedelta


class Attempts:
    """Counts failures in memory. Used by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._failures: OrderedDict[Key, _Failures] = OrderedDict()
        self._trusted: OrderedDict[Key, None] = OrderedDict()

    def seconds_to_wait(self, account: str, address: str) -> int:
        """Return for how many seconds no login of this account from this address is tried."""
        now = self._clock.elapsed()
        with self._lock:
            waits = [
                known.last + patience.wait(known.count) - now
                for key, patience in self._keys(account, address)
                if (known := self._known(key, now)) is not None
            ]
        longest = max(waits, default=timedelta())
        return -(-longest // timedelta(seconds=1)) if longest > timedelta() else 0

    def failed(self, account: str, address: str) -> None:
        """Take note of a failure."""
        now = self._clock.elapsed()
        with self._lock:
            for key, _ in self._keys(account, address):
                known = self._known(key, now)
                self._failures[key] = _Failures(known.count + 1 if known else 1, now)
                self._failures.move_to_end(key)
            while len(self._failures) > REMEMBERED_MAX:
                self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the account's failures; from this address its owner is not kept out by strangers any more."""
        with self._lock:
            self._failures.pop((account,), None)
            self._failures.pop((account, _network(address)), None)
            self._trusted[account, _network(address)] = None
            if len(self._trusted) > REMEMBERED_MAX:
                self._trusted.popitem(last=False)

    def _keys(self, account: str, address: str) -> list[tuple[Key, Patience]]:
        network = _network(address)
        pair = (account, network)
        return [(("", network), OF_ADDRESS), (pair if pair in self._trusted else (account,), OF_ACCOUNT)]

    def _known(self, key: Key, now: timedelta) -> _Failures | None:
        known = self._failures.get(key)
        return known if known is not None and now - known.last < FORGOTTEN_AFTER else None


def _network(address: str) -> str:
    """Return what one machine cannot change at will: an IPv4 address, or the network of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
