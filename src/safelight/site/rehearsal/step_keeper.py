"""The side of the rehearsal's information system that is told of performed procedure steps (MPPS)."""

import threading
from datetime import timedelta
from typing import ClassVar, Final

from safelight.core.clock import Clock
from safelight.core.errors import StateError
from safelight.gateway.dicom.association import House, ServiceSettings
from safelight.gateway.dicom.ports import AssociationFacts, CallerSeen, EveryCaller, IntakeSession
from safelight.gateway.dicom.procedure_step_service import ProcedureStepService, StepNotice, StepStatus
from safelight.gateway.dicom.server import Listener, ListenerSettings
from safelight.wire.dicom.uids import PROCEDURE_STEP

ATTRIBUTES_BYTES_MAX: Final = 2**20


class StepKnown(StateError):
    """A step is begun under a UID that one has already."""

    code: ClassVar[str] = "site.rehearsal-step-known"
    hint: ClassVar[str] = "A notice was told twice."
    status: ClassVar[int] = 0x0111


class StepUnknown(StateError):
    """A step is changed that nobody began: notices came in the wrong order."""

    code: ClassVar[str] = "site.rehearsal-step-unknown"
    hint: ClassVar[str] = "A notice came before the one that it follows."
    status: ClassVar[int] = 0x0112


class StepKeeper:
    """Takes N-CREATE and N-SET, refuses what comes twice or out of order, and takes no images."""

    def __init__(self, clock: Clock) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, list[str]] = {}
        self._listener: Listener | None = None
        self._clock = clock
        self.port = 0

    def start(self) -> None:
        """Listen, at the port of before if there was one."""
        service = ProcedureStepService(self, ATTRIBUTES_BYTES_MAX)
        house = House(self, EveryCaller(), self, lambda _: {PROCEDURE_STEP: service})
        settings = ListenerSettings(self.port, "127.0.0.1", service=ServiceSettings(supports=lambda _: False))
        self._listener = Listener(settings, house, self._clock)
        self.port = self._listener.port
        self._listener.start()

    def stop(self, grace: timedelta) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.stop(grace)
            self._listener = None

    def told_of(self, instance: str) -> tuple[str, ...]:
        """Return which statuses of a step it was told, in order."""
        with self._lock:
            return tuple(self._told.get(instance, ()))

    def begin(self, caller: AssociationFacts, notice: StepNotice) -> None:
        """Keep a new step.

        Raises:
            StepKnown: there is one under this UID.
        """
        del caller
        with self._lock:
            if notice.instance in self._told:
                raise StepKnown(instance=notice.instance)
            self._told[notice.instance] = [str(notice.status or StepStatus.IN_PROGRESS)]

    def change(self, caller: AssociationFacts, notice: StepNotice) -> None:
        """Keep what has changed of a step.

        Raises:
            StepUnknown: nobody began it.
        """
        del caller
        with self._lock:
            if notice.instance not in self._told:
                raise StepUnknown(instance=notice.instance)
            self._told[notice.instance].append(str(notice.status or ""))

    def observe(self, seen: CallerSeen) -> None:
        """Who called is no matter here."""

    def open(self, association: AssociationFacts) -> IntakeSession:
        """Never asked for: no context for images is accepted."""
        raise StepUnknown(calling=association.calling.text)
