"""Worker processes: where pixels are coded and decoded, apart from the process that holds the databases.

A worker loads its codecs before it is told what to do, so one that is started ahead is ready when the home is open.
A codec that crashes on hostile pixels takes its worker down and nothing else.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Self

BEHIND_RECEIVING: Final = 15
"""How nice workers are beside a door that receives; alone on a home they are not."""
_END_SECONDS_MAX: Final = 5
_PROGRAM: Final = "from safelight.site.worker import main; main()"
_FRAMES_FROM_HEAP: Final = str(16 * 2**20)
_HEAP_KEPT: Final = str(32 * 2**20)


class Worker:
    """One process and the pipe to it; what it sends and takes is said by `safelight.site.worker`."""

    def __init__(self, connection: Connection, launcher: "subprocess.Popen[bytes] | None") -> None:
        self._launcher = launcher
        self.connection = connection
        self._process: int | None = None

    def send(self, message: object) -> None:
        """Say something; a worker that died raises an OSError."""
        self.connection.send(message)

    def recv(self) -> Any:
        """Return what the worker says next; one that died raises EOFError or an OSError."""
        if self._process is None:
            self._know()
        return self.connection.recv()

    def kill(self) -> None:
        """End it at once; whoever waits for it sees it die."""
        if self._launcher is not None:
            self._launcher.kill()
        elif self._process is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def stop(self) -> None:
        """Let it end; one that hangs is killed."""
        self.connection.close()
        if self._launcher is not None:
            _end(self._launcher, [])

    def _know(self) -> None:
        """Take the first thing that a worker says: which process it is."""
        self._process = os.pidfd_open(self.connection.recv())

    def __del__(self) -> None:
        if self._process is not None:
            os.close(self._process)


class Workers:
    """Starts workers; those that were started ahead are given out first. Used by many threads."""

    def __init__(self, niceness: int = BEHIND_RECEIVING, *, ahead: int = 0) -> None:
        self._niceness = niceness
        self._lock = threading.Lock()
        self._launcher: subprocess.Popen[bytes] | None = None
        self._together: list[Worker] = []
        if ahead:
            self._launcher, connections = _launch(ahead, niceness)
            self._together = [Worker(connection, None) for connection in connections]
        self._ahead = list(self._together)

    def take(self) -> Worker:
        """Return a worker that belongs to the caller, who stops it."""
        with self._lock:
            if self._ahead:
                return self._ahead.pop()
        launcher, connections = _launch(1, self._niceness)
        return Worker(connections[0], launcher)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End those that were started ahead; whoever took one has stopped it by now."""
        while self._ahead:
            self._ahead.pop().stop()
        if self._launcher is not None:
            _end(self._launcher, self._together)


def _launch(count: int, niceness: int) -> "tuple[subprocess.Popen[bytes], list[Connection]]":
    """Start one process that loads the codecs and then becomes ``count`` workers."""
    pairs = [socket.socketpair() for _ in range(count)]
    numbers = [theirs.fileno() for _, theirs in pairs]
    launcher = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(niceness), *map(str, numbers)],
        pass_fds=numbers,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=dict(
            os.environ,
            MALLOC_ARENA_MAX="1",
            # Frame after frame of one size: memory that goes back to the system between them costs a tenth.
            MALLOC_MMAP_THRESHOLD_=_FRAMES_FROM_HEAP,
            MALLOC_TRIM_THRESHOLD_=_HEAP_KEPT,
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
        ),
    )
    for _, theirs in pairs:
        theirs.close()
    return launcher, [Connection(ours.detach()) for ours, _ in pairs]


def _end(launcher: "subprocess.Popen[bytes]", together: Sequence[Worker]) -> None:
    """Wait for a launcher, whose pipes were closed, and for the workers it became; kill what hangs."""
    try:
        launcher.wait(timeout=_END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        for worker in together:
            worker.kill()
        launcher.kill()
        launcher.wait()
