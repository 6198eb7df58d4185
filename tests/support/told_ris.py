"""A RIS that is told what modalities said during an outage: `step_receiver.py` in a process of its own."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from safelight.core.names import AETitle
from safelight.gateway.dicom.ports import AssociationFacts
from safelight.gateway.dicom.procedure_step_service import StepNotice, StepStatus
from safelight.site.dicom_procedure_steps import StepLedger
from safelight.site.opened import Site
from safelight.wire.dicom.identifier import encode_identifier
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN
from support.dicom_peers import free_port, running

PROGRAM = Path(__file__).with_name("step_receiver.py")
IN_PROGRESS, COMPLETED = StepStatus.IN_PROGRESS, StepStatus.COMPLETED
DAY = (("1.1", IN_PROGRESS), ("1.2", IN_PROGRESS), ("1.1", None), ("1.1", COMPLETED), ("1.2", COMPLETED))
"""What was said, in order: instance and status."""
ORDER = ["create 1.1", "create 1.2", "set 1.1", "set 1.1", "set 1.2"]
"""What a RIS is told of such a day."""


class Ris:
    """A running RIS."""

    def __init__(self, folder: Path, stack: ExitStack, *syntaxes: str) -> None:
        self.file = folder / "ris.json"
        self.port = free_port()
        self.put()
        command = [sys.executable, "-W", "ignore", PROGRAM, str(self.port), self.file, *syntaxes]
        stack.enter_context(running(command, self.port))

    def put(self, **state: Any) -> None:
        """Change what it knows, or how it behaves."""
        known = json.loads(self.file.read_text()) if self.file.exists() else {"steps": {}, "log": [], "refuse": {}}
        self.file.write_text(json.dumps(known | state))

    def seen(self, what: str) -> Any:
        """Return a part of what it knows."""
        return json.loads(self.file.read_text())[what]

    @property
    def log(self) -> list[str]:
        """What it was told, in order."""
        return [f"{kind} {instance}" for kind, instance, _ in self.seen("log")]


def keep(site: Site, *notices: tuple[str, StepStatus | None], syntax: str = EXPLICIT_LITTLE_ENDIAN) -> None:
    """Take in what a modality says of its steps."""
    ledger = StepLedger(site)
    caller = AssociationFacts(AETitle("CT1"), AETitle("SAFELIGHT"), "127.0.0.1")
    for instance, status in notices:
        told = Dataset()
        told.SpecificCharacterSet = "ISO_IR 100"
        told.PatientName = "Müller^Ana"
        told.PerformedProcedureStepDescription = "Thorax"
        if status:
            told.PerformedProcedureStepStatus = status.value
        notice = StepNotice(instance, status, encode_identifier(told, syntax), syntax)
        (ledger.begin if status is IN_PROGRESS else ledger.change)(caller, notice)
