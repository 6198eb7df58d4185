"""The steady work of a served home: pack what is due, copy, seal the journal, look at copies again, free landing."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from safelight.catalog.message_facts import MESSAGE_KINDS
from safelight.core.errors import SafelightError
from safelight.site.caller_book import CallerBook
from safelight.site.opened import Site
from safelight.site.packer import PackingStopped
from safelight.site.readings import READING_KINDS
from safelight.site.scrubbing import scrub
from safelight.site.sealing import seal_journal

TURN_SECONDS: Final = 0.5
PACK_TURN_SECONDS: Final = 0.1
"""Shorter: packing a series begins as soon as its sender went on."""
SEAL_AFTER: Final = timedelta(minutes=5)
SCRUB_EVERY: Final = timedelta(hours=1)
SEAL_QUIET: Final = timedelta(seconds=5)
RELEASE_EVERY: Final = timedelta(seconds=3)


class Upkeep:
    """Three threads: one decides on packs, one makes and checks copies, one overwrites freed segments."""

    def __init__(self, site: Site, book: CallerBook) -> None:
        self._site = site
        self._book = book
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(turn, seconds), name=f"upkeep-{turn.__name__}", daemon=True)
            for turn, seconds in (
                (self._pack, PACK_TURN_SECONDS),
                (self._copy, TURN_SECONDS),
                (self._zero, TURN_SECONDS),
            )
        ]
        self._scrubbed_at: timedelta | None = None
        self._released_at: timedelta | None = None
        self._sealed_at = self._looked_at = site.clock.elapsed()

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the turn under way and end; make the copies that are due and seal the journal if that is quick."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._book.settle()

    def _repeat(self, turn: Callable[[], None], seconds: float) -> None:
        while not self._stopping.wait(seconds):
            try:
                turn()
            except PackingStopped:
                # Somebody told us to stop, and will tell this thread in a moment.
                continue
            except SafelightError as error:
                self._site.log.failure(error)
            except Exception as error:  # noqa: BLE001 - a worker's one place: it goes on with its next turn
                self._site.log.failure(error)

    def _pack(self) -> None:
        site, now = self._site, self._site.clock.elapsed()
        site.desk.turn()
        if self._released_at is None or now - self._released_at >= RELEASE_EVERY:
            site.desk.release_settled()
            self._book.flush()
            self._released_at = now

    def _copy(self) -> None:
        site = self._site
        site.copies.complete()
        site.copies.prove()
        now = site.clock.elapsed()
        quiet = not site.sealed.is_set() and site.packing.under_way == 0
        if site.sealed.is_set():
            site.sealed.clear()
            self._sealed_at = min(self._sealed_at, now)
        worth_it = False
        if quiet and now - max(self._sealed_at, self._looked_at) >= SEAL_QUIET:
            self._looked_at = now
            # Feeds of messages and readers never pause; they alone are not worth a pack every few seconds.
            worth_it = site.records.journal.unsealed((*MESSAGE_KINDS, *READING_KINDS))[0] > 0
        if worth_it or now - self._sealed_at >= SEAL_AFTER:
            seal_journal(site)
            self._sealed_at = now
        if self._scrubbed_at is None or now - self._scrubbed_at >= SCRUB_EVERY:
            scrub(site, since_last=SCRUB_EVERY)
            self._scrubbed_at = now

    def _zero(self) -> None:
        while not self._stopping.is_set() and self._site.landing.zero_one_freed():
            pass
