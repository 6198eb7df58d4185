"""Who retrieved which study by C-MOVE or C-GET, as facts of the journal: one for a study and a request."""

import threading
from collections.abc import Iterable
from typing import Any, Final

from safelight.core.clock import to_text
from safelight.core.errors import SafelightError
from safelight.core.names import AETitle
from safelight.core.notebook import UNWRITTEN_MAX, Notebook
from safelight.gateway.dicom.ports import AssociationFacts
from safelight.journal.kinds import FactKind
from safelight.site.opened import Site
from safelight.site.readings import missed_fact

TURN_SECONDS: Final = 0.5


class RetrievalBook:
    """Notes what goes out, and writes it down a moment later: no retrieve waits for it. Used by many threads."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._book = Notebook[dict[str, Any]](UNWRITTEN_MAX)
        self._writing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="retrievals", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was noted, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._turn()

    def going_out(self, caller: AssociationFacts, studies: Iterable[str], destination: AETitle) -> None:
        """Note that studies, or some of each, are about to go to a destination because a caller asked for them."""
        who = {"calling": caller.calling.text, "address": caller.host, "destination": destination.text}
        at = self._site.clock.now()
        for study in studies:
            self._book.note({**who, "study": study, "at": to_text(at)}, at)

    def write(self) -> None:
        """Record in one step what was noted since the last time; what cannot be recorded is tried again."""
        with self._writing:
            noted = self._book.unwritten()
            facts = [(FactKind.STUDY_RETRIEVED.value, one) for one in noted.notes]
            if noted.gap is not None:
                facts.append(missed_fact(noted.gap))
            if facts:
                self._site.records.record_all(facts)
                self._book.written(noted)

    def _repeat(self) -> None:
        while not self._stopping.wait(TURN_SECONDS):
            self._turn()

    def _turn(self) -> None:
        try:
            self.write()
        except SafelightError as error:
            self._site.log.failure(error)
        except Exception as error:  # noqa: BLE001 - a worker's one place: it goes on with its next turn
            self._site.log.failure(error)
