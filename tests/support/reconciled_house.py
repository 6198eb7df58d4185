"""A hospital whose PACS was away: a home, those who get its messages, exams of the outage, a PACS that came back."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from safelight.core.instance import MemorySource
from safelight.core.names import AETitle
from safelight.core.progress import silent
from safelight.gateway.dicom.ports import AssociationFacts, StoreCommand
from safelight.site.acts import act
from safelight.site.intake import LandingIntake
from safelight.site.opened import Site
from safelight.site.reconciliation_view import differences_document
from safelight.wire.dicom.part10 import read_prefix
from support.hl7_house import House, Receiver, house, make_home, send_to
from support.landed import take_in
from support.served_home import free_port

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
WHO = {"reason": "test", "by": "A. Admin"}


def local_now(site: Site, hours: float = 0) -> str:
    """Return a moment as clocks on the wall show it."""
    return f"{site.clock.now().astimezone() + timedelta(hours=hours):%Y%m%d%H%M%S}"


def image(study: str, number: int, started: str, **told: str) -> Dataset:
    """Return a small CT image; attributes by keyword."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT_IMAGE, f"{study}.1.{number}"
    made.StudyDate, made.StudyTime, made.Modality = started[:8], started[8:], "CT"
    made.StudyInstanceUID, made.SeriesInstanceUID, made.InstanceNumber = study, f"{study}.1", number
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows = made.Columns = 8
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.add_new(0x7FE00010, "OW", bytes((number * 7 + place) % 251 if place % 2 == 0 else 0 for place in range(128)))
    for keyword, value in told.items():
        setattr(made, keyword, value)
    return made


def encoded(data_set: Dataset) -> bytes:
    """Return the bytes of a data set in explicit VR little endian."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, data_set)
    return bytes(buffer.getvalue())


def acquire(site: Site, *data_sets: Dataset) -> None:
    """Receive instances as from a modality."""
    _receive(site, [(str(one.SOPClassUID), str(one.SOPInstanceUID), EXPLICIT, encoded(one)) for one in data_sets])


def acquire_encoded(site: Site, files: Sequence[bytes]) -> None:
    """Receive what lies in Part 10 files, in its own encoding."""
    received = []
    for raw in files:
        prefix = read_prefix(MemorySource(raw))
        received.append((prefix.sop_class, prefix.sop_instance, prefix.transfer_syntax, raw[prefix.prefix_size :]))
    _receive(site, received)


def _receive(site: Site, instances: Sequence[tuple[str, str, str, bytes]]) -> None:
    facts = AssociationFacts(AETitle.parse("CT1"), site.settings.dicom.ae_title, "10.0.0.7")
    session = LandingIntake(site.landing, site.clock, site.arrivals.put, site.feeds).open(facts)
    for sop_class, sop_instance, transfer_syntax, data in instances:
        take_in(session.begin(StoreCommand(sop_class, sop_instance, transfer_syntax)), data)  # type: ignore[arg-type]
        session.finish(sop_class, sop_instance, transfer_syntax, None)
    session.commit()
    session.close()
    site.arrivals.settle()


def order_message(number: str, patient: str, accession: str, start: str, **more: str) -> bytes:
    """Return an order of a CT."""
    control, study = more.get("control", "NW"), more.get("study", "")
    name, born, sex = more.get("name", "Real^Rita"), more.get("born", "19700102"), more.get("sex", "F")
    return (
        f"MSH|^~\\&|RIS|H|SL|H|{start}||ORM^O01|{number}|P|2.3.1\r"
        f"PID|1||{patient}^^^H||{name}||{born}|{sex}\r"
        f"ORC|{control}|P{accession}|F{accession}||{'CA' if control == 'CA' else 'SC'}||^^^{start}\r"
        f"OBR|1|P{accession}|F{accession}|CTHEAD^CT head^L||||||||||||||{accession}|RP{accession}||||"
        f"|CT\r" + (f"ZDS|{study}\r" if study else "")
    ).encode()


@dataclass
class Hospital:
    """A home and the people around it."""

    house: House
    reports: Receiver
    patients: Receiver
    target: str
    numbers: list[str] = field(default_factory=list)

    @property
    def site(self) -> Site:
        return self.house.site

    def act(self, what: str, /, **told: Any) -> dict[str, Any]:
        """Do an act as the command line does."""
        return dict(act(self.site, what, told, silent))

    def tell(self, *messages: bytes) -> None:
        """Send messages from the RIS."""
        with self.house.sender() as ris:
            assert all(ris.said(one) == "AA" for one in messages)
        self.house.settle()

    def begin(self) -> None:
        """Reserve numbers and declare the outage."""
        for of, prefix in (("accession", "DT"), ("patient", "DP")):
            self.act("downtime.numbers.reserve", of=of, prefix=prefix, first=1, last=40, **WHO)
            self.act("downtime.numbers.allot", of=of, count=9, site="main", device="CT1", **WHO)
        self.act("downtime.say", event="declared", scopes=["pacs", "ris"], **WHO)

    def register(self, way: str = "walk-in", **told: Any) -> dict[str, Any]:
        """Register an exam."""
        asked = {"way": way, "site": "main", "device": "CT1", "modality": "CT", "by": "T. Tech", **told}
        return self.act("downtime.exam.register", **asked)

    def step(self, accession: str, step: str, **told: Any) -> None:
        """Note a step of an exam."""
        self.act("downtime.exam.step", accession=accession, step=step, by="R. Reader", **told)

    def end(self) -> None:
        """Both systems are back."""
        self.act("downtime.say", event="ended", scopes=["pacs", "ris"], **WHO)

    def scan(self, exam: dict[str, Any], count: int = 2, **told: str) -> None:
        """Make the images of a registered exam, by what stands on the worklist."""
        of_exam = {
            "PatientID": exam["patient_id"],
            "PatientName": exam["name"],
            "AccessionNumber": exam["accession"],
            **({"PatientBirthDate": exam["birth_date"]} if exam["birth_date"] else {}),
        }
        made = [image(exam["study"], number, local_now(self.site), **of_exam, **told) for number in range(1, count + 1)]
        acquire(self.site, *made)

    def decide(self, what: str, verdict: str, **told: Any) -> dict[str, Any]:
        """Decide upon a difference."""
        return self.act("reconciliation.decide", differences=[what], verdict=verdict, **{**WHO, **told})

    def open(self) -> list[tuple[str, str]]:
        """Return kinds of what is open, and what each waits for."""
        told = differences_document(self.site.home)["differences"]
        return sorted((one["kind"], one["waits_for"]) for one in told)

    def difference(self, kind: str, subject: str = "") -> str:
        """Return the id of the only open difference of a kind."""
        told = differences_document(self.site.home)["differences"]
        (found,) = [one["id"] for one in told if one["kind"] == kind and subject in ("", one["subject"], one["order"])]
        return str(found)

    def await_delivery(self) -> None:
        """Return when nothing waits for a message to be accepted any more."""
        pause = threading.Event()
        for _ in range(200):
            if all(wait != "delivery" for _, wait in self.open()):
                return
            pause.wait(0.05)
        raise AssertionError(self.open())


@contextmanager
def hospital(folder: Path, target: str) -> Iterator[Hospital]:
    """Open a hospital whose PACS, once it is back, is the target."""
    home = make_home(folder, free_port())
    with Receiver() as reports, Receiver() as patients:
        send_to(home, reports, "RIS", events=("NONE",))
        send_to(home, patients, "MPI", events=("NONE",))
        text = home.settings_file.read_text()
        told = f'\n[reconciliation]\ntarget = "{target}"\nidentities_to = ["MPI"]\nreports_to = "RIS"\n'
        home.settings_file.write_text(text + told)
        with house(folder) as opened:
            yield Hospital(opened, reports, patients, target)
