"""An archive on pynetdicom that is asked for storage commitment: run with its port and a file of its state.

It answers over the association on which it was asked. With the word ``again`` in place of the port, and ours behind the
file, it answers once more over an association of its own.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

PUSH_INSTANCE = UID("1.2.840.10008.1.20.1.1")
NO_SUCH_INSTANCE = 0x0112
_writing = threading.Lock()


def _state(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


def _note(file: Path, what: str, transaction: str, told: Any) -> None:
    with _writing:
        known = _state(file)
        known[what][transaction] = told
        file.write_text(json.dumps(known))


def _answer(association: Any, file: Path, transaction: str) -> None:
    """Say what is held of a request, and note whether that was acknowledged."""
    from pynetdicom.sop_class import StorageCommitmentPushModel as Push

    known = _state(file)
    held: list[Dataset] = []
    lacking: list[Dataset] = []
    for sop_class, instance in known["asked"][transaction]:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        if instance in known["holds"]:
            held.append(item)
        else:
            item.FailureReason = NO_SUCH_INSTANCE
            lacking.append(item)
    told = Dataset()
    told.TransactionUID = transaction
    told.ReferencedSOPSequence = held
    if lacking:
        told.FailedSOPSequence = lacking
    status, _ = association.send_n_event_report(told, 2 if lacking else 1, Push, PUSH_INSTANCE)
    _note(file, "acknowledged", transaction, status.get("Status"))


def serve(port: int, file: Path) -> None:
    """Take requests, and answer each as soon as it was taken."""
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import StorageCommitmentPushModel as Push

    def taken(event: Any) -> tuple[int, None]:
        told = event.action_information
        items = [[one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID] for one in told.ReferencedSOPSequence]
        _note(file, "asked", str(told.TransactionUID), items)
        threading.Thread(target=_answer, args=(event.assoc, file, str(told.TransactionUID)), daemon=True).start()
        return 0, None

    ae = AE("PACS")
    ae.add_supported_context(Push)
    ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_N_ACTION, taken)])


def again(file: Path, port: int) -> None:
    """Answer everything once more that was ever asked."""
    from pynetdicom import AE, build_role
    from pynetdicom.sop_class import StorageCommitmentPushModel as Push

    ae = AE("PACS")
    ae.add_requested_context(Push)
    association = ae.associate("127.0.0.1", port, ae_title="SAFELIGHT", ext_neg=[build_role(Push, scp_role=True)])
    for transaction in _state(file)["asked"]:
        _answer(association, file, transaction)
    association.release()


if __name__ == "__main__":
    if sys.argv[1] == "again":
        again(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        serve(int(sys.argv[1]), Path(sys.argv[2]))
