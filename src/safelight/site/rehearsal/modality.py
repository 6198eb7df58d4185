"""A modality of the rehearsal: it queries its worklist, acquires, stores, says so, and asks for commitment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydicom.dataset import Dataset

from safelight.core.clock import SystemClock
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import Outgoing, connect
from safelight.gateway.dicom.contexts import contexts_for, service_proposal
from safelight.gateway.dicom.procedure_step_asking import STEP_PROPOSALS
from safelight.gateway.dicom.procedure_step_service import StepNotice, StepStatus
from safelight.gateway.dicom.statuses import Status
from safelight.site.rehearsal.objects import StudyFrame, invent_uid, item
from safelight.site.rehearsal.people import invent_patient
from safelight.site.rehearsal.program import DemonstrationFailed
from safelight.site.rehearsal.studies import DESCRIPTIONS, StudyPlan, encoded, study_instances
from safelight.wire.dicom.commitment import CommitmentRequest, Reference
from safelight.wire.dicom.identifier import encode_identifier
from safelight.wire.dicom.uids import (
    COMMITMENT_PUSH,
    EXPLICIT_LITTLE_ENDIAN,
    WORKLIST_FIND,
)

_IDENTITY: Final = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
)
_COMMITMENT_PATIENCE: Final = timedelta(seconds=90)
_MATRIX_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Acquired:
    """A study as a modality made it."""

    accession: str
    study: str
    instances: tuple[tuple[str, str], ...]
    """SOP class and SOP Instance UID of each."""
    performed: str = ""
    """UID of the performed procedure step, where the device told of it."""


@dataclass(slots=True)
class Modality:
    """One device; its archive and its worklist are at ``peer``, which changes when the device is switched over."""

    title: str
    modality: str
    peer: Peer
    seed: int
    _made: int = field(default=0, init=False)

    def worklist(self) -> list[Dataset]:
        """Return the steps that the worklist has for this device, or for any of its kind."""
        step = item(
            Modality=self.modality,
            ScheduledStationAETitle=self.title,
            ScheduledProcedureStepStartDate="",
            ScheduledProcedureStepStartTime="",
            ScheduledProcedureStepDescription="",
            ScheduledProcedureStepID="",
        )
        asked = item(
            SpecificCharacterSet="ISO_IR 192",
            AccessionNumber="",
            PatientName="",
            PatientID="",
            IssuerOfPatientID="",
            PatientBirthDate="",
            PatientSex="",
            StudyInstanceUID="",
            RequestedProcedureID="",
            RequestedProcedureDescription="",
            ScheduledProcedureStepSequence=[step],
        )
        with connect(self.peer, self._calling, [service_proposal(WORKLIST_FIND)]) as association:
            return list(association.find(WORKLIST_FIND, asked))

    def acquire(self, listed: Dataset, *, tells: bool = True) -> Acquired:
        """Do a step of the worklist: make and store its images; where it ``tells``, announce and complete the step.

        Raises:
            DemonstrationFailed: the archive does not take what it must.
        """
        performed = invent_uid(listed.StudyInstanceUID, "performed", self._made)
        # The device's own clock and no offset: that is what a modality has.
        began = datetime.now()
        if tells:
            self._begin_step(performed, listed, began)
        stored = self._store(listed, began)
        if tells:
            self._complete_step(performed, began, stored)
        names = tuple((one.sop_class, one.sop_instance) for one in stored)
        return Acquired(str(listed.AccessionNumber), str(listed.StudyInstanceUID), names, performed if tells else "")

    def is_committed(self, made: Sequence[Acquired]) -> bool:
        """Ask the archive to commit itself to studies, and wait for its answer: only then may a device delete."""
        instances = [name for one in made for name in one.instances]
        transaction = invent_uid(*(one.study for one in made), "commitment")
        request = CommitmentRequest(transaction, tuple(Reference(*name) for name in instances))
        with connect(self.peer, self._calling, [service_proposal(COMMITMENT_PUSH)]) as association:
            answered = association.ask_commitment(request, _COMMITMENT_PATIENCE, SystemClock(), lambda _: None)
        return answered is not None and not answered.failed and len(answered.committed) == len(instances)

    @property
    def _calling(self) -> AETitle:
        return AETitle.parse(self.title)

    def _store(self, listed: Dataset, began: datetime) -> list[Outgoing]:
        made = list(self._images(listed, began))
        taken = 0
        for proposals in contexts_for((one.sop_class, one.transfer_syntax) for one in made):
            with connect(self.peer, self._calling, proposals) as association:
                taken += sum(sent.is_stored for sent in association.store_all(made))
        if taken != len(made):
            raise DemonstrationFailed(step=f"store of {self.title}", taken=taken, made=len(made))
        return made

    def _images(self, listed: Dataset, began: datetime) -> Iterator[Outgoing]:
        self._made += 1
        description, part = DESCRIPTIONS[self.modality]
        somebody = invent_patient(0, self.seed, began.date())
        number = self.seed + self._made
        study = StudyFrame(number, str(listed.StudyInstanceUID), somebody, began, description, part)
        for one in study_instances(StudyPlan(study, self.modality, number, _MATRIX_SHARE, "")):
            # What the worklist says goes into the header as it stands; nobody types a name a second time.
            one.SpecificCharacterSet = "ISO_IR 192"
            for name in _IDENTITY:
                setattr(one, name, listed.get(name, ""))
            one.StationName = self.title
            transfer_syntax, data = encoded(one, self.modality)
            yield Outgoing(str(one.SOPClassUID), str(one.SOPInstanceUID), transfer_syntax, MemorySource(data))

    def _begin_step(self, performed: str, listed: Dataset, began: datetime) -> None:
        scheduled = listed.ScheduledProcedureStepSequence[0]
        of_order = item(
            StudyInstanceUID=listed.StudyInstanceUID,
            ReferencedStudySequence=[],
            AccessionNumber=listed.AccessionNumber,
            RequestedProcedureID=listed.get("RequestedProcedureID", ""),
            RequestedProcedureDescription=listed.get("RequestedProcedureDescription", ""),
            ScheduledProcedureStepID=scheduled.get("ScheduledProcedureStepID", ""),
            ScheduledProcedureStepDescription=scheduled.get("ScheduledProcedureStepDescription", ""),
            ScheduledProtocolCodeSequence=[],
        )
        told = item(
            SpecificCharacterSet="ISO_IR 192",
            ScheduledStepAttributesSequence=[of_order],
            PerformedProcedureStepID=f"P{self._made + 1}",
            PerformedStationAETitle=self.title,
            PerformedStationName=self.title,
            PerformedLocation="",
            PerformedProcedureStepStartDate=began.strftime("%Y%m%d"),
            PerformedProcedureStepStartTime=began.strftime("%H%M%S"),
            PerformedProcedureStepEndDate="",
            PerformedProcedureStepEndTime="",
            PerformedProcedureStepStatus="IN PROGRESS",
            PerformedProcedureStepDescription="",
            PerformedProcedureTypeDescription="",
            ProcedureCodeSequence=[],
            Modality=self.modality,
            StudyID="",
            PerformedProtocolCodeSequence=[],
            PerformedSeriesSequence=[],
            **{name: listed.get(name, "") for name in _IDENTITY if name.startswith("Patient")},
        )
        self._tell_step(performed, StepStatus.IN_PROGRESS, told)

    def _complete_step(self, performed: str, began: datetime, stored: Sequence[Outgoing]) -> None:
        ended = began + timedelta(minutes=9)
        series = item(
            PerformingPhysicianName="",
            ProtocolName=DESCRIPTIONS[self.modality][0],
            OperatorsName="",
            SeriesInstanceUID=invent_uid(performed, "series"),
            SeriesDescription="",
            RetrieveAETitle="",
            ReferencedImageSequence=[_reference(one.sop_class, one.sop_instance) for one in stored],
            ReferencedNonImageCompositeSOPInstanceSequence=[],
        )
        told = item(
            PerformedProcedureStepStatus="COMPLETED",
            PerformedProcedureStepEndDate=ended.strftime("%Y%m%d"),
            PerformedProcedureStepEndTime=ended.strftime("%H%M%S"),
            PerformedSeriesSequence=[series],
        )
        self._tell_step(performed, StepStatus.COMPLETED, told)

    def _tell_step(self, performed: str, status: StepStatus, told: Dataset) -> None:
        notice = StepNotice(performed, status, encode_identifier(told, EXPLICIT_LITTLE_ENDIAN), EXPLICIT_LITTLE_ENDIAN)
        with connect(self.peer, self._calling, STEP_PROPOSALS) as association:
            answer = association.tell_step(notice, is_new=status is StepStatus.IN_PROGRESS)
        self._expect(f"step {status}", answer.status)

    def _expect(self, what: str, status: Status) -> None:
        if not status.is_success:
            raise DemonstrationFailed(step=f"{what} at {self.title}", status=f"{status.code:04X}H")


def _reference(sop_class: str, sop_instance: str) -> Dataset:
    return item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=sop_instance)
