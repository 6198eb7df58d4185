"""Between the event loop of the web server and the plain code behind it: one thread a request.

What reads the vault belongs to one thread and runs to its end, so an answer is made by a thread of its own, which
waits whenever the peer does not take what it was given.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from safelight.core.errors import PeerError, SafelightError, foreseen

GATHERED_BYTES: Final = 256 * 1024
THREADS_MAX: Final = 32
STALL_SECONDS_MAX: Final = 60.0

Message = MutableMapping[str, Any]


class PeerGone(PeerError):
    """The peer left, or took nothing and sent nothing for too long, before its request was done."""

    code: ClassVar[str] = "gateway.web-peer-gone"
    hint: ClassVar[str] = "Nothing is lost here: have the peer ask, or send, again."


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What goes back: a status, headers, and the body in pieces."""

    status: int
    media_type: str
    body: Iterator[bytes | memoryview] | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Conversation:
    """One request and its answer, seen from its thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[], Any], send: Callable[[Message], Any]):
        self._loop = loop
        self._receive = receive
        self._send = send
        self.is_gone = threading.Event()
        self.is_answered = False
        self._is_read = False
        self._under_way: Future[Any] | None = None
        """The piece that the peer is taking: the next is made meanwhile."""

    def body(self) -> Iterator[bytes]:
        """Give the body of the request as it comes.

        Raises:
            PeerGone: the peer left before its end.
        """
        while not self._is_read:
            message = self._wait(self._receive())
            if message["type"] == "http.disconnect":
                self.is_gone.set()
                raise PeerGone(where="request")
            self._is_read = not message.get("more_body", False)
            if data := message.get("body", b""):
                yield data

    def answer(self, answer: WebAnswer) -> None:
        """Send the answer, as fast as the peer takes it.

        Raises:
            PeerGone: the peer left.
            SafelightError: the body failed before its first piece; nothing was sent yet.
        """
        if isinstance(answer.body, bytes):
            headers = [(b"content-length", str(len(answer.body)).encode())]
            self._start(answer, headers)
            self._give(answer.body, more=False)
            return
        pieces = gathered(answer.body)
        first = next(pieces, b"")
        self._start(answer, [])
        watch = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        try:
            self._give(first, more=True)
            for piece in pieces:
                self._give(piece, more=True)
            self._give(b"", more=False)
        finally:
            watch.cancel()
            if not self.is_gone.is_set():
                # What failed here is told, and not that the peer, who waited for it, left meanwhile.
                with suppress(PeerGone):
                    self._settle()

    async def _watch(self) -> None:
        """Notice that the peer left: what is sent to nobody is taken without a word."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_gone.set()

    def _start(self, answer: WebAnswer, more: list[tuple[bytes, bytes]]) -> None:
        self.is_answered = True
        told = {"content-type": answer.media_type, **answer.headers}
        headers = [(name.lower().encode("latin-1"), _line(value)) for name, value in told.items() if value]
        self._wait(self._send({"type": "http.response.start", "status": answer.status, "headers": headers + more}))

    def _give(self, piece: bytes, *, more: bool) -> None:
        if self.is_gone.is_set():
            raise PeerGone(where="answer")
        self._settle()
        self._under_way = self._begun(self._send({"type": "http.response.body", "body": piece, "more_body": more}))
        if not more:
            self._settle()

    def _settle(self) -> None:
        """Wait until the peer has taken what was given last."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            self._result(under_way)

    def _wait(self, awaitable: Any) -> Any:
        return self._result(self._begun(awaitable))

    def _begun(self, awaitable: Any) -> "Future[Any]":
        async def done() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(done(), self._loop)

    def _result(self, future: "Future[Any]") -> Any:
        try:
            return future.result(STALL_SECONDS_MAX)
        except (FutureTimeoutError, CancelledError, OSError, RuntimeError) as error:
            future.cancel()
            self.is_gone.set()
            raise PeerGone(where="connection", error=type(error).__name__) from error


def _line(value: str) -> bytes:
    return "".join(filter(str.isprintable, value)).encode("latin-1", errors="replace")


def gathered(pieces: Iterator[bytes | memoryview]) -> Iterator[bytes]:
    """Join small pieces, so that a header of forty bytes is no message of its own."""
    some: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        some.append(piece)
        size += len(piece)
        if size >= GATHERED_BYTES:
            yield b"".join(some)
            some, size = [], 0
    if some:
        yield b"".join(some)


Handler = Callable[[Conversation], WebAnswer]
Refused = Callable[[SafelightError], WebAnswer]


class Threads:
    """The threads that answer; when all are busy, further requests wait."""

    def __init__(self, refused: Refused, failed: Callable[[BaseException], None]) -> None:
        self._pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="dicomweb")
        self._refused = refused
        self._failed = failed

    async def run(self, handler: Handler, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
        """Have a request answered in a thread; return when the answer is out."""
        loop = asyncio.get_running_loop()
        conversation = Conversation(loop, receive, send)
        try:
            await loop.run_in_executor(self._pool, self._work, conversation, handler)
        except asyncio.CancelledError:
            conversation.is_gone.set()
            raise

    def stop(self) -> None:
        """Let nobody wait for a thread any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, conversation: Conversation, handler: Handler) -> None:
        try:
            conversation.answer(handler(conversation))
        except PeerGone as error:
            self._failed(error)
            raise
        except Exception as error:  # the door's one place: whatever fails is told, and the next request is answered
            self._failed(error)
            if conversation.is_answered:
                # Half an answer must not look like a whole one: the connection ends in the middle of it.
                raise
            conversation.answer(self._refused(foreseen(error)))
