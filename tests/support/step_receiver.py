"""A RIS on pynetdicom that takes performed procedure steps: run as a program with its port and a file of its state."""

import json
import sys
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset


def main(port: int, file: Path) -> None:
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import ModalityPerformedProcedureStep as Steps

    def state() -> dict[str, Any]:
        return dict(json.loads(file.read_text()))

    def answer(event: Any, kind: str, instance: str, told: Dataset) -> tuple[Any, Dataset | None]:
        known = state()
        known["log"].append([kind, instance, str(told.get("PerformedProcedureStepStatus", ""))])
        status, error_id = known["refuse"].get(f"{kind} {instance}", 0), None
        if kind == "set" and not status:
            if instance not in known["steps"]:
                status = 0x0112
            elif known["steps"][instance] == "COMPLETED":
                status, error_id = 0x0110, 0xA710
        elif not status and instance in known["steps"]:
            status = 0x0111
        if not status:
            known["steps"][instance] = str(told.get("PerformedProcedureStepStatus", known["steps"].get(instance, "")))
        file.write_text(json.dumps(known))
        if len(known["log"]) == known.get("leave_after"):
            event.assoc.abort()
        answered = Dataset()
        answered.Status = status
        if error_id:
            answered.ErrorID = error_id
        return answered, None if status else told

    def create(event: Any) -> tuple[Any, Dataset | None]:
        return answer(event, "create", str(event.request.AffectedSOPInstanceUID), event.attribute_list)

    def change(event: Any) -> tuple[Any, Dataset | None]:
        return answer(event, "set", str(event.request.RequestedSOPInstanceUID), event.modification_list)

    ae = AE("RIS")
    ae.add_supported_context(Steps, sys.argv[3:] or ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
    ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_N_CREATE, create), (evt.EVT_N_SET, change)])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
