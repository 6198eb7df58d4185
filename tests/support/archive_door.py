"""A whole site with its door open, in this process, for tests that query and retrieve over real sockets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.core.progress import silent
from safelight.gateway.dicom.client import ClientAssociation, Outgoing, connect
from safelight.gateway.dicom.contexts import ContextProposal, contexts_for
from safelight.gateway.dicom.exchange import CallSettings
from safelight.site.caller_book import CallerBook
from safelight.site.flushing import pack_everything
from safelight.site.founding import Founding, found
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.peers import name_peer
from safelight.site.serve import make_door
from safelight.wire.dicom.part10 import read_prefix
from support.dicom_peers import free_port

TITLE = AETitle("SAFELIGHT")
CALLER = AETitle("MODALITY")


@dataclass
class ArchiveDoor:
    """An open door and what is behind it."""

    site: Site
    port: int
    book: CallerBook

    @property
    def peer(self) -> Peer:
        return Peer(TITLE, "127.0.0.1", self.port)

    def call(
        self, proposals: Sequence[ContextProposal], settings: CallSettings | None = None, calling: AETitle = CALLER
    ) -> ClientAssociation:
        return connect(self.peer, calling, proposals, settings=settings)

    def store(self, instances: Sequence[Outgoing]) -> None:
        pairs = [(one.sop_class, one.transfer_syntax) for one in instances]
        for proposals in contexts_for(pairs):
            with self.call(proposals) as association:
                sent = list(association.store_all(instances))
        assert all(one.is_stored for one in sent), [str(one.status) for one in sent if not one.is_stored]

    def pack(self) -> None:
        pack_everything(self.site, silent)

    def name(self, title: str, port: int) -> None:
        name_peer(self.site.disk, self.site.home.peers, Peer(AETitle(title), "127.0.0.1", port))


@contextmanager
def open_archive(
    folder: Path, *, accept_any: bool = True, second: Path | None = None, settings: str = ""
) -> Iterator[ArchiveDoor]:
    """Open the door of a home, found first if need be; ``settings`` are lines of [gateway.dicom]."""
    home = Home(folder / "home")
    if not home.directory.exists():
        found(Founding(home.directory, "Test", TITLE, free_port(), second, accept_any=accept_any))
        text = home.settings_file.read_text()
        home.settings_file.write_text(text.replace("[gateway.dicom]", f"[gateway.dicom]\n{settings}"))
    with Site.open(home) as site:
        book = CallerBook(site.records, site.clock)
        listener = make_door(site, book)
        listener.start()
        try:
            yield ArchiveDoor(site, listener.port, book)
        finally:
            listener.stop(timedelta(seconds=5))


def from_file(path: Path) -> Outgoing:
    """Return the instance in a file."""
    raw = path.read_bytes()
    prefix = read_prefix(MemorySource(raw))
    data = MemorySource(raw[prefix.prefix_size :])
    return Outgoing(prefix.sop_class, prefix.sop_instance, prefix.transfer_syntax, data)


def invented(
    study: int, series: int = 1, number: int = 1, *, sop_class: str = "1.2.840.10008.5.1.4.1.1.7", **changes: object
) -> Outgoing:
    """Make a small instance of an invented study."""
    made = Dataset()
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = f"1.2.826.0.1.3680043.9.9999.{study}.{series}.{number}"
    made.StudyInstanceUID = f"1.2.826.0.1.3680043.9.9999.{study}"
    made.SeriesInstanceUID = f"1.2.826.0.1.3680043.9.9999.{study}.{series}"
    made.StudyDate, made.StudyTime = f"202601{study:02d}", f"{study:02d}1500"
    made.AccessionNumber = f"A{study:03d}"
    made.StudyID = str(study)
    made.PatientID, made.PatientName = f"P{study // 2}", f"Berg^Ana{study // 2}"
    made.PatientBirthDate, made.PatientSex = "19700101", "F"
    made.Modality = ["CT", "MR", "US"][series % 3]
    made.SeriesNumber, made.InstanceNumber = str(series), str(number)
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta = meta
    out = BytesIO()
    dcmwrite(out, made, implicit_vr=False, little_endian=True, enforce_file_format=False)
    raw = out.getvalue()
    start = read_prefix(MemorySource(raw)).prefix_size if raw[128:132] == b"DICM" else 0
    return Outgoing(sop_class, made.SOPInstanceUID, str(ExplicitVRLittleEndian), MemorySource(raw[start:]))
