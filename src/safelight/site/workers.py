"""Worker processes: where pixels are coded and decoded, apart from the process that holds the databases.

A worker loads its codecs before it is told what to do, so one that is started ahead is ready when the home is open.
A codec that crashes on hostile pixels takes its worker down and nothing else.
"""

import os
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Self

BEHIND_RECEIVING: Final = 15
"""How nice workers are beside a door that receives; alone on a home they are not."""
_END_SECONDS_MAX: Final = 5
_FRAMES_FROM_HEAP: Final = str(16 * 2**20)
_HEAP_KEPT: Final = str(32 * 2**20)


class Worker:
    """One process and the pipe to it; what it sends and takes is said by `safelight.site.worker`."""

    def __init__(self, niceness: int) -> None:
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from safelight.site.worker import main; main()", str(number), str(niceness)],
            pass_fds=(number,),
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
        theirs.close()
        self.connection = Connection(ours.detach())

    def send(self, message: object) -> None:
        """Say something; a worker that died raises an OSError."""
        self.connection.send(message)

    def recv(self) -> Any:
        """Return what the worker says next; one that died raises EOFError or an OSError."""
        return self.connection.recv()

    def kill(self) -> None:
        """End it at once; whoever waits for it sees it die."""
        self._process.kill()

    def stop(self) -> None:
        """Let it end; one that hangs is killed."""
        self.connection.close()
        try:
            self._process.wait(timeout=_END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Workers:
    """Starts workers; those that were started ahead are given out first. Used by many threads."""

    def __init__(self, niceness: int = BEHIND_RECEIVING, *, ahead: int = 0) -> None:
        self._niceness = niceness
        self._lock = threading.Lock()
        self._ahead = [Worker(niceness) for _ in range(ahead)]

    def take(self) -> Worker:
        """Return a worker that belongs to the caller, who stops it."""
        with self._lock:
            if self._ahead:
                return self._ahead.pop()
        return Worker(self._niceness)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End those that nobody took."""
        while self._ahead:
            self._ahead.pop().stop()
