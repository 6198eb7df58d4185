"""Screens that listen: each has its place from the moment it is let in, and gives it back however it ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from safelight.console.events import OF_ACCOUNT_MAX, STREAMS_MAX, Events, EventStream
from safelight.console.faults import TooBusy


def test_a_place_is_taken_when_it_is_given_and_not_when_something_is_sent() -> None:
    async def come_together() -> Counter[str]:
        events = Events()

        async def come(number: int) -> str:
            # Twenty accounts, so that it is the limit of all screens that is reached.
            try:
                events.listen(f"desk {number % 20}")
            except TooBusy:
                return "refused"
            await asyncio.sleep(0)
            return "listens"

        return Counter(await asyncio.gather(*(come(number) for number in range(STREAMS_MAX + 90))))

    assert asyncio.run(come_together()) == {"listens": STREAMS_MAX, "refused": 90}


def test_one_account_cannot_take_every_place() -> None:
    async def listen() -> None:
        events = Events()
        for _ in range(OF_ACCOUNT_MAX):
            events.listen("board")
        with pytest.raises(TooBusy):
            events.listen("board")
        events.listen("another")

    asyncio.run(listen())


@pytest.mark.parametrize("sent_before_it_breaks", [0, 1, 2])
def test_a_screen_that_goes_gives_its_place_back_whenever_it_goes(sent_before_it_breaks: int) -> None:
    async def listen() -> None:
        events = Events()
        listener = events.listen("board")
        for _ in range(OF_ACCOUNT_MAX - 1):
            events.listen("board")
        sent = list[object]()

        async def send(message: object) -> None:
            if len(sent) == sent_before_it_breaks:
                raise OSError
            sent.append(message)

        async def receive() -> dict[str, str]:
            await asyncio.Event().wait()
            raise AssertionError

        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b": still here\n\n"

        answer = EventStream(pieces(), lambda: events.leave(listener))
        with pytest.raises(BaseException):  # noqa: B017 - what a broken line raises is the server's concern
            await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
        events.listen("board")

    asyncio.run(listen())
