"""A receiver built on pynetdicom for speed: every storage class, large PDUs, data sets written undecoded."""

import sys
from pathlib import Path
from uuid import uuid4

from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event

STATUS_SUCCESS = 0x0000


def serve(port: int, folder: Path) -> None:
    """Accept associations until ended."""

    def store(event: Event) -> int:
        (folder / uuid4().hex).write_bytes(event.encoded_dataset())
        return STATUS_SUCCESS

    entity = AE("STORESCP")
    entity.maximum_pdu_size = 131072
    entity.maximum_associations = 16
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax, list(AllTransferSyntaxes))
    entity.start_server(("127.0.0.1", port), block=True, evt_handlers=[(evt.EVT_C_STORE, store)])


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
