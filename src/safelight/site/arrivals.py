"""Arrivals become findable: one thread takes them from the door, in batches, into the catalog."""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from safelight.catalog.rows import Standing
from safelight.core.errors import SafelightError
from safelight.core.instance import Arrival
from safelight.site.inflow import Inflow
from safelight.site.records import Records

BATCH: Final = 500
GATHER_SECONDS: Final = 0.2
"""How long the first of a batch waits for others: a commit an instance would starve the receiving threads."""
KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"


class Follow(Protocol):
    """Looks closer at an arrival that was recorded."""

    def __call__(self, arrival: Arrival, standing: Standing) -> None:
        """Note a rejection, judge a version; a failure concerns nobody else."""


class Arrivals:
    """Takes arrivals that are durable in the landing log and records them. `put` is quick and never raises."""

    def __init__(
        self, records: Records, follow: Follow, inflow: Inflow, defect: Callable[[BaseException], None]
    ) -> None:
        self._records = records
        self._inflow = inflow
        self._follow = follow
        self._defect = defect
        self._queue: queue.SimpleQueue[Arrival | None] = queue.SimpleQueue()
        self._put = self._recorded = self._settling = 0
        self._stopping = False
        self._settled = threading.Condition()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._work, name="arrivals", daemon=True)

    def start(self) -> None:
        """Begin to record."""
        self._thread.start()

    def put(self, arrival: Arrival) -> None:
        """Take an arrival that is durable. It is findable soon, and after a crash at the next start."""
        self._inflow.count(arrival.place.size)
        with self._settled:
            self._put += 1
        self._queue.put(arrival)

    def settle(self) -> None:
        """Return when everything put so far is recorded, however much comes meanwhile."""
        with self._settled:
            self._settling += 1
            self._hurry.set()
            so_far = self._put
            self._settled.wait_for(lambda: self._recorded >= so_far)
            self._settling -= 1
            # Somebody else may wait for what came later, and is in a hurry, too.
            if not self._settling and not self._stopping:
                self._hurry.clear()

    def stop(self) -> None:
        """Record what was put, then end."""
        with self._settled:
            self._stopping = True
            self._hurry.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        stopping = False
        while not stopping:
            batch: list[Arrival] = []
            taken = self._queue.get()
            if taken is not None and self._queue.qsize() < BATCH:
                self._hurry.wait(GATHER_SECONDS)
            while taken is not None:
                batch.append(taken)
                if len(batch) >= BATCH or self._queue.empty():
                    break
                taken = self._queue.get()
            stopping = taken is None
            try:
                self._record(batch)
            except Exception as error:  # noqa: BLE001 - the thread's one place: what is in the log is recorded at the next start
                self._defect(error)
            with self._settled:
                self._recorded += len(batch)
                self._settled.notify_all()

    def _record(self, batch: Sequence[Arrival]) -> None:
        standings = self._records.catalog.record_landed(batch)
        for arrival, standing in zip(batch, standings, strict=True):
            if standing is Standing.CONFLICT or arrival.head.sop_class == KEY_OBJECT_SELECTION:
                try:
                    self._follow(arrival, standing)
                except SafelightError as error:
                    self._defect(error)
