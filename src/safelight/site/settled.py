"""Read after write: what a running `serve` has acknowledged is recorded before anybody looks."""

from contextlib import suppress
from typing import Final

from safelight.gateway.control import NotServing, Relayed, command
from safelight.site.home import Home

SETTLE: Final = "catalog.settle"
SILENCE_SECONDS_MAX: Final = 3.0


def settled(home: Home) -> None:
    """Have a running `serve` record what it has acknowledged so far.

    A `serve` that does not answer does not keep anybody from looking.
    """
    with suppress(NotServing, Relayed, TimeoutError):
        command(home.control_socket, SETTLE, {}, lambda _: None, silence_seconds_max=SILENCE_SECONDS_MAX)
