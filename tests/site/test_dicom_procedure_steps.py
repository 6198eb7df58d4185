"""Performed procedure steps at our door: kept as they came, in order, over restarts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from safelight.journal.kinds import FactKind
from safelight.site.performed_steps import KINDS, RAW_CODEC
from safelight.wire.dicom.identifier import decode_identifier
from support.archive_door import ArchiveDoor, open_archive

pytestmark = pytest.mark.peer

MODALITY = """
import json, sys
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep as MPPS
ae = AE("CT1")
ae.add_requested_context(MPPS)
association = ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="SAFELIGHT")
answers = []
for kind, instance, status in json.loads(sys.argv[2]):
    told = Dataset()
    if status:
        told.PerformedProcedureStepStatus = status
    told.PerformedProcedureStepDescription = "Thorax"
    told.PatientName = "Berg^Ana"
    if kind == "create":
        answer, _ = association.send_n_create(told, MPPS, instance or None)
    else:
        answer, _ = association.send_n_set(told, MPPS, instance)
    answers.append(answer.Status)
association.release()
print(json.dumps(answers))
"""


def tell(door: ArchiveDoor, *notices: tuple[str, str, str]) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MODALITY, str(door.port), json.dumps(notices)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def kept(door: ArchiveDoor) -> list[tuple[str, object, object]]:
    return [
        (entry.kind, entry.facts["instance"], entry.facts["status"])
        for entry in door.site.records.journal.entries(kinds=KINDS)
    ]


def test_steps_are_kept_in_order_and_every_misuse_has_its_status(tmp_path: Path) -> None:
    begun, changed = FactKind.PROCEDURE_STEP_BEGUN, FactKind.PROCEDURE_STEP_CHANGED
    with open_archive(tmp_path) as door:
        answers = tell(
            door,
            ("create", "1.2.3.1", "IN PROGRESS"),
            ("create", "1.2.3.1", "IN PROGRESS"),
            ("create", "1.2.3.2", "COMPLETED"),
            ("create", "1.2.3.2", ""),
            ("set", "1.2.3.1", ""),
            ("set", "1.2.3.1", "WHATEVER"),
            ("set", "1.2.3.1", "COMPLETED"),
            ("set", "1.2.3.1", "DISCONTINUED"),
            ("set", "1.2.3.9", "DISCONTINUED"),
        )
        assert answers == [0, 0x0111, 0x0106, 0x0120, 0, 0x0106, 0, 0x0110, 0]
        expected = [
            (begun, "1.2.3.1", "IN PROGRESS"),
            (changed, "1.2.3.1", ""),
            (changed, "1.2.3.1", "COMPLETED"),
            (changed, "1.2.3.9", "DISCONTINUED"),
        ]
        assert kept(door) == expected
        entry = next(iter(door.site.records.journal.entries(kinds=KINDS)))
        raw = str(entry.facts["attributes"]).encode(RAW_CODEC)
        told = decode_identifier(raw, str(entry.facts["transfer_syntax"]), 1 << 20)
        assert (told.PerformedProcedureStepDescription, str(told.PatientName)) == ("Thorax", "Berg^Ana")
    with open_archive(tmp_path) as door:
        answers = tell(door, ("create", "1.2.3.1", "IN PROGRESS"), ("set", "1.2.3.1", "DISCONTINUED"))
        assert answers == [0x0111, 0x0110]
        assert kept(door) == expected


def test_a_modality_may_leave_the_uid_to_us(tmp_path: Path) -> None:
    with open_archive(tmp_path) as door:
        assert tell(door, ("create", "", "IN PROGRESS")) == [0]
        ((_, uid, _),) = kept(door)
        assert str(uid).startswith("2.25.")
        assert tell(door, ("set", str(uid), "COMPLETED")) == [0]
