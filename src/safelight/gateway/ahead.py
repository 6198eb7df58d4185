"""Opening the next instances while the one at hand is sent: decoding takes longer than sending.

The codecs and digests let other threads run, so that a few threads open instances as fast as the machine can, while
the thread of the association or request does nothing but send.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

THREADS: Final = min(os.cpu_count() or 1, 4)
AHEAD_MAX: Final = 16
"""Of each request: so many that no thread stands idle while a sender, or its peer, waits for its turn to run."""
AHEAD_BYTES_MAX: Final = 64 * 2**20
"""What one request may have opened ahead. Whatever is larger is opened when its turn comes."""

Item = TypeVar("Item")
Opened = TypeVar("Opened")


class Ahead:
    """Threads that open instances. Used by many threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ahead")

    def each(
        self, items: Iterable[Item], work_bytes: Callable[[Item], int], open_one: Callable[[Item], Opened]
    ) -> Iterator[Opened]:
        """Give what ``open_one`` makes of each item, in order; what it raises is raised in its turn.

        ``work_bytes`` says how much memory an opened item takes; 0 means that opening it costs nothing worth a thread.
        """
        waiting: deque[tuple[Item, int, Future[Opened] | None]] = deque()
        rest = iter(items)
        following = next(rest, None)

        def go_ahead() -> None:
            """Begin with as many as fit; what does not is taken once those before it were given."""
            nonlocal following
            while following is not None and len(waiting) < AHEAD_MAX:
                size = work_bytes(following)
                if waiting and size + sum(held for _, held, _ in waiting) > AHEAD_BYTES_MAX:
                    return
                is_ahead = 0 < size <= AHEAD_BYTES_MAX
                future = self._pool.submit(open_one, following) if is_ahead else None
                waiting.append((following, size, future))
                following = next(rest, None)

        try:
            go_ahead()
            while waiting:
                item, _, future = waiting.popleft()
                opened = open_one(item) if future is None else future.result()
                del future
                # Now, and not when the next is asked for: that one is opened while this one is sent.
                go_ahead()
                yield opened
        finally:
            for _, _, future in waiting:
                if future is not None:
                    future.cancel()

    def stop(self) -> None:
        """Open nothing any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
