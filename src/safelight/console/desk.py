"""Between the event loop and plain code: a few threads that answer, and no endless queue before them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from safelight.console.faults import Stopping, TooBusy

Made = TypeVar("Made")


class Desk:
    """Threads for one kind of work. What is slow has a desk of its own, so that nothing else waits behind it."""

    def __init__(self, name: str, threads: int, waiting_max: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting_max = waiting_max
        self._waiting = 0
        self._is_stopping = False

    async def do(self, work: Callable[[], Made]) -> Made:
        """Have something done in a thread.

        Raises:
            TooBusy: too much waits already.
            Stopping: nothing is done any more.
        """
        if self._is_stopping:
            raise Stopping
        if self._waiting >= self._waiting_max:
            raise TooBusy(waiting=self._waiting)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Take nothing more."""
        self._is_stopping = True
        self._pool.shutdown(wait=False, cancel_futures=True)
