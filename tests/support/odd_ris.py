"""A RIS on pynetdicom that behaves as a file says: run as a program with its port and that file."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset


def answer(number: int, date: str, time: str) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.PatientName, made.PatientID = f"Müller^{number}", f"P{number}"
    made.PatientBirthDate, made.PatientSex = "19700101", "F"
    made.AccessionNumber, made.RequestedProcedureID = f"A{number}", f"R{number}"
    made.StudyInstanceUID = f"1.2.826.0.1.3680043.9.9999.7.{number}"
    made.RequestedProcedureDescription = "Thorax"
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle = "CT", "CT1"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = date, time
    step.ScheduledProcedureStepID, step.ScheduledProcedureStepDescription = f"S{number}", "CT Thorax"
    step.ScheduledPerformingPhysicianName = "Ward^A"
    made.ScheduledProcedureStepSequence = [step]
    return made


def main(port: int, told: Path) -> None:
    import pynetdicom.service_class as service
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import ModalityWorklistInformationFind as Worklist

    encode = service.encode

    def encoded(data: Dataset, *args: Any, **named: Any) -> bytes | None:
        raw: bytes | None = encode(data, *args, **named)
        is_bad = data.get("AccessionNumber") == "A1" and json.loads(told.read_text())["way"] == "malformed"
        return raw[:-7] if is_bad and raw else raw

    service.encode = encoded

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        mode = json.loads(told.read_text())
        way, cap = mode["way"], mode.get("cap", 10**9)
        mode["queries"] = mode.get("queries", 0) + 1
        told.write_text(json.dumps(mode))
        step = event.identifier.ScheduledProcedureStepSequence[0]
        day, times = step.ScheduledProcedureStepStartDate, str(step.ScheduledProcedureStepStartTime or "")
        rows = [row for row in mode["rows"] if way == "ignores dates" or row[1] == day]
        if times and way != "ignores times":
            low, _, high = times.partition("-")
            rows = [row for row in rows if low <= row[2] <= high]
        for count, row in enumerate(rows):
            if count == cap:
                if way == "refuses more":
                    yield 0xA700, None
                return
            if way == "goes away" and count == 1:
                event.assoc.abort()
                return
            made = answer(*row)
            if way == "without names":
                del made.PatientID
            yield 0xFF00, made
        if way == "fails":
            yield 0xC001, None

    ae = AE("RIS")
    ae.add_supported_context(Worklist)
    ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_FIND, find)])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
