"""Modality performed procedure steps as SCP: what a modality says of its work is kept as it says it.

Source: PS3.4 Annex F.
"""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from pydicom.dataset import Dataset

from safelight.core.errors import PeerError, SafelightError
from safelight.gateway.dicom.conversation import Conversation
from safelight.gateway.dicom.ports import AssociationFacts, Occasion
from safelight.gateway.dicom.statuses import SUCCESS, UNRECOGNIZED_OPERATION, status_of
from safelight.wire.dicom.dimse import CommandField
from safelight.wire.dicom.identifier import decode_identifier


class StepStatus(StrEnum):
    """How far a performed step is. Source: PS3.3 section C.4.14."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class StepStatusMissing(PeerError):
    """A modality begins a procedure step without saying its status."""

    code: ClassVar[str] = "gateway.step-status-missing"
    hint: ClassVar[str] = "The modality breaks PS3.4 Annex F; ask its vendor."
    status: ClassVar[int] = 0x0120


class BadStepStatus(PeerError):
    """A modality gives a procedure step a status that it cannot have there."""

    code: ClassVar[str] = "gateway.bad-step-status"
    hint: ClassVar[str] = "The modality breaks PS3.4 Annex F; ask its vendor."
    status: ClassVar[int] = 0x0106


@dataclass(frozen=True, slots=True)
class StepNotice:
    """What a modality says of one procedure step."""

    instance: str
    status: StepStatus | None
    """None where a change does not touch it."""
    data: bytes
    """The attributes as they came."""
    transfer_syntax: str


class ProcedureSteps(Protocol):
    """Who keeps procedure steps; what it is told is durable when a call returns."""

    def begin(self, caller: AssociationFacts, notice: StepNotice) -> None:
        """Keep a new step.

        Raises:
            SafelightError: its ``status`` is what the modality is told.
        """

    def change(self, caller: AssociationFacts, notice: StepNotice) -> None:
        """Keep what has changed of a step.

        Raises:
            SafelightError: its ``status`` is what the modality is told.
        """


class ProcedureStepService:
    """Answers N-CREATE and N-SET."""

    def __init__(self, steps: ProcedureSteps, identifier_bytes_max: int) -> None:
        self._steps = steps
        self._identifier_bytes_max = identifier_bytes_max

    def perform(self, conversation: Conversation) -> None:
        """Take one notice."""
        field = conversation.command.field
        if field not in (CommandField.N_CREATE_RQ, CommandField.N_SET_RQ):
            conversation.answer(UNRECOGNIZED_OPERATION)
            return
        is_new = field == CommandField.N_CREATE_RQ
        command = conversation.command
        # Whoever leaves it to us is told the UID in the answer. Source: PS3.7 section 10.1.5.1.4.
        instance = (command.sop_instance if is_new else command.requested_instance) or f"2.25.{uuid.uuid4().int}"
        status, error, error_id = SUCCESS, "", None
        try:
            notice = self._notice(conversation, instance, is_new=is_new)
            (self._steps.begin if is_new else self._steps.change)(conversation.caller, notice)
        except SafelightError as failure:
            status, error = status_of(failure), str(failure)
            error_id = getattr(failure, "error_id", None)
        conversation.answer(status, sop_instance=instance, error_id=error_id)
        conversation.note(Occasion.STEP_TOLD, status, error)

    def _notice(self, conversation: Conversation, instance: str, *, is_new: bool) -> StepNotice:
        syntax = conversation.context.transfer_syntax
        told = decode_identifier(conversation.data, syntax, self._identifier_bytes_max)
        return StepNotice(instance, _status(told, is_new=is_new), conversation.data, syntax)


def _status(told: Dataset, *, is_new: bool) -> StepStatus | None:
    text = str(told.get("PerformedProcedureStepStatus") or "").strip()
    if not text:
        if is_new:
            raise StepStatusMissing
        return None
    if text not in StepStatus.__members__.values() or (is_new and text != StepStatus.IN_PROGRESS):
        raise BadStepStatus(given=text[:16])
    return StepStatus(text)
