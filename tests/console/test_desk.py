"""Threads for one kind of work, and their end."""

import asyncio

import pytest

from safelight.console.desk import Desk
from safelight.console.faults import Stopping, told


def test_what_comes_when_it_stopped_is_told_so_and_to_ask_again() -> None:
    desk = Desk("desk", 1, 1)
    assert asyncio.run(desk.do(lambda: 7)) == 7
    desk.stop()
    with pytest.raises(Stopping) as caught:
        asyncio.run(desk.do(lambda: 7))
    status, document, headers = told(caught.value)
    assert (status, document["error"]["code"]) == (503, "console.stopping")
    assert "Retry-After" in headers
