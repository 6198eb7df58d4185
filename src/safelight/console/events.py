"""The stream of events: which documents changed, told to every screen that listens.

Source: WHATWG HTML, server-sent events.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Any, Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from safelight.console.faults import TooBusy

STREAMS_MAX: Final = 200
OF_ACCOUNT_MAX: Final = 20
HEARTBEAT_SECONDS: Final = 15.0
RETRY_MILLISECONDS: Final = 2000


class Listener:
    """One screen. Lives in the event loop of the web server."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._woken = asyncio.Event()
        self._documents: set[str] = set()
        self._mark = ""
        self.is_stopping = False

    def told(self, mark: str, documents: Iterable[str]) -> None:
        """Take note of a change; a screen that is slow gets several at once."""
        self._documents.update(documents)
        self._mark = mark
        self._woken.set()

    def stop(self) -> None:
        """Let the stream end."""
        self.is_stopping = True
        self._woken.set()

    async def change(self, seconds_max: float) -> tuple[str, list[str]] | None:
        """Wait for the next change; None when none came in time."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds_max)
        except TimeoutError:
            return None
        self._woken.clear()
        documents, self._documents = sorted(self._documents), set()
        return self._mark, documents


class Events:
    """All screens that listen. `tell` and `stop` may be called from any thread."""

    def __init__(self) -> None:
        self._listeners: dict[Listener, str] = {}

    def tell(self, mark: str, documents: Iterable[str]) -> None:
        """Say that documents changed."""
        documents = tuple(documents)
        for listener in tuple(self._listeners):
            _call(listener, partial(listener.told, mark, documents))

    def stop(self) -> None:
        """End every stream."""
        for listener in tuple(self._listeners):
            _call(listener, listener.stop)

    def listen(self, account: str) -> Listener:
        """Begin to listen, in the event loop; the place is taken from here on, and is given back by `leave`.

        To count, and to take the place later, would let a hundred screens in that come back in the same moment.

        Raises:
            TooBusy: too many listen.
        """
        if len(self._listeners) >= STREAMS_MAX or Counter(self._listeners.values())[account] >= OF_ACCOUNT_MAX:
            raise TooBusy(streams=len(self._listeners))
        listener = Listener(asyncio.get_running_loop())
        self._listeners[listener] = account
        return listener

    def leave(self, listener: Listener) -> None:
        """Listen no more; to leave twice is harmless."""
        self._listeners.pop(listener, None)


class EventStream(StreamingResponse):
    """The answer to a screen that listens. However it ends, and if it never begins to be sent, its place is free."""

    def __init__(self, pieces: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        super().__init__(pieces, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it until the screen goes, or is told to."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


async def stream(
    listener: Listener, mark: str, missed: list[str] | None, is_welcome: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Give the stream for one screen: how far we are and what it missed, each change, and a sign of life in silence."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    yield event("hello", {}, mark) if missed is None else event("changed", {"documents": missed}, mark)
    while True:
        change = await listener.change(HEARTBEAT_SECONDS)
        if listener.is_stopping:
            yield event("bye", {"because": "stopping"})
            return
        if not is_welcome():
            yield event("bye", {"because": "session-ended"})
            return
        yield b": still here\n\n" if change is None else event("changed", {"documents": change[1]}, change[0])


def event(name: str, told: dict[str, Any], mark: str = "") -> bytes:
    """Write one event."""
    identity = f"id: {mark}\n" if mark else ""
    return f"{identity}event: {name}\ndata: {json.dumps(told)}\n\n".encode()


def _call(listener: Listener, what: Callable[[], None]) -> None:
    try:
        listener.loop.call_soon_threadsafe(what)
    except RuntimeError:
        # Its loop has ended meanwhile, and the stream with it.
        return
