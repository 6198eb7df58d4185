"""The services of the standby archive at the DICOM door: what is offered to whom."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from safelight.gateway.ahead import Ahead
from safelight.gateway.dicom.commitment_service import CommitmentService
from safelight.gateway.dicom.conversation import Service
from safelight.gateway.dicom.ports import Admission, AssociationFacts
from safelight.gateway.dicom.procedure_step_service import ProcedureStepService
from safelight.gateway.dicom.query_service import QueryService
from safelight.gateway.dicom.retrieve_service import RetrieveService
from safelight.site import dicom_queries, dicom_retrievals
from safelight.site.cutover import title_for
from safelight.site.dicom_commitments import CommitmentDesk
from safelight.site.dicom_procedure_steps import StepLedger
from safelight.site.dicom_queries import ArchiveQueries
from safelight.site.dicom_readings import RetrievalBook
from safelight.site.dicom_retrievals import ArchiveRetrievals
from safelight.site.dicom_worklist import WorklistQueries
from safelight.site.opened import Site
from safelight.wire.dicom.uids import COMMITMENT_PUSH, PROCEDURE_STEP, WORKLIST_FIND

SOP_CLASSES: Final = (
    *dicom_queries.LEVELS_OF_MODEL,
    *dicom_retrievals.LEVELS_OF_MODEL,
    WORKLIST_FIND,
    PROCEDURE_STEP,
    COMMITMENT_PUSH,
)
"""What is served beside storage and verification."""
NOTHING: Final[Mapping[str, Service]] = {}


class ArchiveServices:
    """Offers every service to whoever may call here by name."""

    def __init__(self, site: Site, admission: Admission, identifier_bytes_max: int) -> None:
        self._admission = admission
        speaks_as = partial(title_for, site.settings)
        self._commitments = CommitmentDesk(site)
        self._ahead = Ahead()
        queries = QueryService(ArchiveQueries(site), identifier_bytes_max)
        self._retrieved = RetrievalBook(site)
        site.kept_in_memory.append(self._retrieved.write)
        archive = ArchiveRetrievals(site, self._retrieved)
        retrievals = RetrieveService(archive, self._ahead, speaks_as, identifier_bytes_max)
        self._services: dict[str, Service] = {
            **dict.fromkeys(dicom_queries.LEVELS_OF_MODEL, queries),
            **dict.fromkeys(dicom_retrievals.LEVELS_OF_MODEL, retrievals),
            WORKLIST_FIND: QueryService(WorklistQueries(site), identifier_bytes_max),
            PROCEDURE_STEP: ProcedureStepService(StepLedger(site), identifier_bytes_max),
            COMMITMENT_PUSH: CommitmentService(self._commitments, speaks_as, identifier_bytes_max),
        }

    def start(self) -> None:
        """Begin what goes on beside the associations."""
        self._commitments.start()
        self._retrieved.start()

    def stop(self) -> None:
        """End it; no association stands any more."""
        self._commitments.stop()
        self._ahead.stop()
        self._retrieved.stop()

    def offered(self, caller: AssociationFacts) -> Mapping[str, Service]:
        """Return the services for a caller; none for a target that was let in for a comparison only."""
        refusal = self._admission.accept(caller.calling, caller.called, caller.host)
        return self._services if refusal is None else NOTHING
