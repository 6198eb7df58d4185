"""A real archive that is refilled through `DicomTarget`, and real instances to refill it with."""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safelight.core.clock import SystemClock
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.recovery.ports import HeldInstance
from safelight.site.recovery_door import Awaited, RecoveryDoor
from safelight.site.refill_target import DicomTarget
from safelight.site.settings import DicomSettings
from support.dicom_peers import free_port, running
from support.raw_sender import CT_IMAGE, make_instance

OWN = AETitle("SAFELIGHT_REFILL")
GATEWAY = AETitle("SAFELIGHT")
EXPLICIT = "1.2.840.10008.1.2.1"


def real_instances(count: int = 3, study: str = "1.2.3") -> list[HeldInstance]:
    """Return small CT images in two series."""
    made = [make_instance(study, 1 + number % 2, number + 1, 16, random.Random(number)) for number in range(count)]
    return [
        HeldInstance(
            sop_class=CT_IMAGE.decode(),
            sop_instance=one.uid,
            series=one.uid.rpartition(".")[0],
            transfer_syntax=EXPLICIT,
            digest=hashlib.sha256(one.data).digest(),
            size_bytes=len(one.data),
            open=lambda data=one.data: MemorySource(data),  # type: ignore[misc]
        )
        for one in made
    ]


@dataclass(frozen=True)
class Refilled:
    """An archive and what it may do for us."""

    peer: Peer
    our_port: int
    storage: Path
    http_port: int = 0

    @property
    def address(self) -> str:
        return str(self.peer)


@contextmanager
def orthanc(folder: Path, *, may_get: bool = True, knows: Sequence[str] = ("SAFELIGHT",)) -> Iterator[Refilled]:
    port, http, ours = free_port(), free_port(), free_port()
    storage = folder / "orthanc"
    settings = {
        "Name": "refilled",
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "Plugins": [],
        "HttpPort": http,
        "HttpBindAddresses": ["127.0.0.1"],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": "PACS",
        "DicomPort": port,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": may_get,
        "DicomAlwaysAllowMove": True,
        "MaximumStorageCacheSize": 0,
        "DefaultEncoding": "Utf8",
        "DicomModalities": {
            title: {"AET": title, "Host": "127.0.0.1", "Port": ours, "AllowGet": may_get} for title in knows
        },
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with running(["Orthanc", folder / "orthanc.json"], port):
        yield Refilled(Peer(AETitle("PACS"), "127.0.0.1", port), ours, storage, http)


@contextmanager
def dcmqrscp(
    folder: Path, *, may_get: bool = True, knows: Sequence[str] = ("SAFELIGHT",), port: int = 0
) -> Iterator[Refilled]:
    port, ours = port or free_port(), free_port()
    storage = folder / "dcmqrscp"
    storage.mkdir()
    hosts = "".join(f"us{number} = ({title}, 127.0.0.1, {ours})\n" for number, title in enumerate(knows))
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nPACS {storage} RW (200, 1024mb) ANY\nAETable END\n"
    )
    options = [] if may_get else ["--disable-get"]
    with running(["/usr/bin/dcmqrscp", *options, "-c", folder / "dcmqrscp.cfg"], port):
        yield Refilled(Peer(AETitle("PACS"), "127.0.0.1", port), ours, storage)


REFILLED = {"orthanc": orthanc, "dcmqrscp": dcmqrscp}


@contextmanager
def target_of(archive: Refilled, spool: Path) -> Iterator[DicomTarget]:
    """Open the target as a recovery without `serve` does."""
    awaited = Awaited(spool)
    awaited.own(OWN)
    settings = DicomSettings(ae_title=GATEWAY, port=archive.our_port, bind="127.0.0.1")
    with RecoveryDoor(awaited, settings, SystemClock()) as door:
        yield DicomTarget(archive.peer, [OWN, GATEWAY], spool, door)
