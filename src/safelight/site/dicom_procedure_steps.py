"""Performed procedure steps as facts of the journal, in the order in which modalities told them."""

import threading
from datetime import timedelta
from typing import ClassVar, Final

from safelight.core.errors import StateError
from safelight.gateway.dicom.ports import AssociationFacts
from safelight.gateway.dicom.procedure_step_asking import MAY_NO_LONGER_BE_UPDATED
from safelight.gateway.dicom.procedure_step_service import StepNotice, StepStatus
from safelight.journal.kinds import FactKind
from safelight.site.opened import Site
from safelight.site.performed_steps import KINDS, RAW_CODEC

REMEMBERED: Final = timedelta(days=30)
"""A step that was begun longer ago may be told of anew: no modality goes on with it."""
_FINAL: Final = (StepStatus.COMPLETED, StepStatus.DISCONTINUED)


class StepBegunBefore(StateError):
    """A modality begins a procedure step under a UID that one has already."""

    code: ClassVar[str] = "gateway.step-begun-before"
    hint: ClassVar[str] = "Nothing is lost: the first notice is kept. A modality that repeats itself had no answer."
    status: ClassVar[int] = 0x0111


class StepSettled(StateError):
    """A modality changes a procedure step that it has completed or discontinued."""

    code: ClassVar[str] = "gateway.step-settled"
    hint: ClassVar[str] = "The step stays as it was settled; correct it in the RIS."
    status: ClassVar[int] = 0x0110
    error_id: ClassVar[int] = MAY_NO_LONGER_BE_UPDATED


class StepLedger:
    """Keeps what modalities say of their work. Used by the threads of associations."""

    def __init__(self, site: Site) -> None:
        self._records = site.records
        self._lock = threading.Lock()
        self._statuses: dict[str, StepStatus] = {}
        journal = site.records.journal
        # A journal may have years of them.
        for entry in journal.entries(after=journal.position_before(site.clock.now() - REMEMBERED), kinds=KINDS):
            if entry.facts["status"]:
                self._statuses[str(entry.facts["instance"])] = StepStatus(str(entry.facts["status"]))

    def begin(self, caller: AssociationFacts, notice: StepNotice) -> None:
        """Keep a new step; it is durable when this returns.

        Raises:
            StepBegunBefore: there is one under this UID.
        """
        with self._lock:
            if notice.instance in self._statuses:
                raise StepBegunBefore(instance=notice.instance)
            self._record(FactKind.PROCEDURE_STEP_BEGUN, caller, notice)

    def change(self, caller: AssociationFacts, notice: StepNotice) -> None:
        """Keep what has changed of a step; it is durable when this returns.

        A step that was begun elsewhere, before the outage, is taken as well: whoever knows it will be told later.

        Raises:
            StepSettled: it was completed or discontinued.
        """
        with self._lock:
            if self._statuses.get(notice.instance) in _FINAL:
                raise StepSettled(instance=notice.instance)
            self._record(FactKind.PROCEDURE_STEP_CHANGED, caller, notice)

    def _record(self, kind: FactKind, caller: AssociationFacts, notice: StepNotice) -> None:
        told = {
            "instance": notice.instance,
            "status": str(notice.status or ""),
            "calling": caller.calling.text,
            "called": caller.called.text,
            "host": caller.host,
            "transfer_syntax": notice.transfer_syntax,
            "attributes": notice.data.decode(RAW_CODEC),
        }
        self._records.record(kind, told)
        if notice.status is not None:
            self._statuses[notice.instance] = notice.status
