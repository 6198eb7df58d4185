"""A real `serve` with its pages, and a department in the middle of an outage behind it."""

import http.client
import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from safelight.core.names import AETitle
from safelight.core.progress import silent
from safelight.site.acts import act
from safelight.site.founding import Founding, found
from safelight.site.rehearsal.objects import SOP_CLASSES, StudyFrame, add_pixels, add_slice_place, begin
from safelight.site.rehearsal.people import RehearsalPatient
from safelight.site.rehearsal.phantoms import chest_slices
from safelight.wire.dicom.part10 import write_prefix
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN
from support.hl7_house import opened
from support.served_home import ServedHome, free_port

PASSWORD = "a lamp for the darkroom"
ACCOUNTS = (
    ("ttech", "T. Tech", "technologist", False),
    ("aadmin", "A. Admin", "pacs-administrator", False),
    ("vview", "V. View", "viewer", False),
    ("desk", "CT desk", "technologist", True),
)
SIGNED = {"reason": "rehearsal", "by": "A. Admin"}


class PagesHouse(ServedHome):
    """A home with screens: with accounts and TLS, or open."""

    def __init__(self, folder: Path, *, is_open: bool = False) -> None:
        super().__init__(folder / "home", folder / "serve.log")
        self.http_port, self.hl7_port, self.is_open = free_port(), free_port(), is_open
        self.logged_in: dict[str, Any] = {}
        """Cookies of whoever logged in, by account."""

    @property
    def url(self) -> str:
        """Where the pages are."""
        return f"{'http' if self.is_open else 'https'}://127.0.0.1:{self.http_port}"

    def init(self) -> None:
        """Make the home, its accounts and its reserved numbers."""
        asked = Founding(
            self.home,
            "St. Elsewhere",
            AETitle.parse("SAFELIGHT"),
            self.port,
            accept_any=self.is_open,
            hl7_port=self.hl7_port,
            http_port=self.http_port,
        )
        with opened(found(asked).home) as site:
            for account, name, role, shared in () if self.is_open else ACCOUNTS:
                told = {"account": account, "name": name, "role": role, "shared": shared, "password": PASSWORD}
                act(site, "console.account.add", {**told, **SIGNED}, silent)
            for of, prefix in (("patient", "DTP"), ("accession", "DT")):
                span = {"of": of, "prefix": prefix, "first": 1, "last": 9999, "digits": 4}
                act(site, "downtime.numbers.reserve", {**span, **SIGNED}, silent)
                for device in ("CT1", "DX1"):
                    block = {"of": of, "count": 60, "site": "main", "device": device}
                    act(site, "downtime.numbers.allot", {**block, **SIGNED}, silent)


class Refused(Exception):
    """The API said no."""


class ApiCaller:
    """Somebody who uses the API as the pages do."""

    def __init__(self, house: PagesHouse, account: str = "aadmin") -> None:
        self._house, self._cookie = house, ""
        if not house.is_open:
            self.post("login", account=account, password=PASSWORD)

    def get(self, path: str) -> Any:
        """Fetch a document."""
        return self._call("GET", path, None)

    def post(self, path: str, **told: Any) -> Any:
        """Do an act."""
        if self._house.is_open and path.startswith("downtime/"):
            told.setdefault("by", "A. Admin")
        return self._call("POST", path, told)

    def store(self, files: Iterable[bytes]) -> None:
        """Store Part 10 files by STOW-RS."""
        body = (
            b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in files) + b"--x--\r\n"
        )
        kind = 'multipart/related; type="application/dicom"; boundary=x'
        answer, text = self._request("POST", "/dicomweb/studies", body, kind)
        if answer.status != 200:
            raise Refused(answer.status, text[:500])

    def _call(self, method: str, path: str, told: Mapping[str, Any] | None) -> Any:
        body = None if told is None else json.dumps(told).encode()
        answer, text = self._request(method, f"/api/{path}", body, "application/json")
        if answer.status >= 400:
            raise Refused(answer.status, text[:500])
        return json.loads(text)

    def _request(self, method: str, path: str, body: bytes | None, kind: str) -> tuple[http.client.HTTPResponse, bytes]:
        host, port = "127.0.0.1", self._house.http_port
        connection: http.client.HTTPConnection
        if self._house.is_open:
            connection = http.client.HTTPConnection(host, port, timeout=60)
        else:
            trusted = ssl.create_default_context(cafile=str(self._house.home / "keys" / "console.crt"))
            connection = http.client.HTTPSConnection(host, port, timeout=60, context=trusted)
        try:
            headers = {"Content-Type": kind} if body is not None else {}
            if self._cookie:
                headers["Cookie"] = self._cookie
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            if cookie := answer.getheader("Set-Cookie"):
                self._cookie = cookie.partition(";")[0]
            return answer, answer.read()
        finally:
            connection.close()


@dataclass(frozen=True)
class Ordered:
    """What an order says; each text may be as hostile as a test likes."""

    number: int
    name: str
    procedure: str
    station: str
    modality: str
    hour: int

    def message(self) -> bytes:
        """Return it as HL7: today, at its hour."""
        start = datetime.now().astimezone().strftime("%Y%m%d") + f"{self.hour:02d}15"
        family, _, given = _escaped(self.name).partition("^")
        orc = {1: "NW", 2: f"PL{self.number}", 3: f"F{self.number}", 5: "SC", 18: _escaped(self.station)}
        obr = {1: "1", 2: f"PL{self.number}", 3: f"F{self.number}", 4: f"C1^{_escaped(self.procedure)}^L"}
        obr |= {18: f"A{self.number:04d}", 19: f"R{self.number}", 20: f"S{self.number}", 24: self.modality, 36: start}
        return (
            f"MSH|^~\\&|RIS|H|PACS|H|{start}||ORM^O01|M{self.number}|P|2.5.1|||||||UNICODE UTF-8\r"
            f"PID|1||P{self.number:04d}^^^H||{family}^{given}||19600101|F\r{_segment('ORC', orc)}{_segment('OBR', obr)}"
        ).encode()


def _segment(name: str, fields: Mapping[int, str]) -> str:
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))]) + "\r"


def _escaped(text: str) -> str:
    for character, name in (("\\", "E"), ("|", "F"), ("&", "T"), ("~", "R")):
        text = text.replace(character, f"\\{name}\\")
    return text


def ct_study(
    number: int, slices: int, size: int, name: str, uid: str, *, description: str = "CT thorax"
) -> list[bytes]:
    """Make a CT of so many slices as Part 10 files."""
    when = datetime.now(UTC).astimezone().replace(hour=8, minute=30)
    patient = RehearsalPatient(number, ("ISO_IR 192",), name, when.date().replace(year=1960), "F", "O", "", None)
    frame = StudyFrame(number, uid, patient, when, description, "CHEST")
    return [_file(made) for made in _slices(frame, slices, size)]


def _file(made: Dataset) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = False, True
    write_dataset(stream, made)
    return write_prefix(made.SOPClassUID, made.SOPInstanceUID, EXPLICIT_LITTLE_ENDIAN, "CT1") + bytes(stream.getvalue())


def _slices(frame: StudyFrame, slices: int, size: int) -> Iterable[Dataset]:
    for number, picture in enumerate(chest_slices(np.random.default_rng(7), slices, size), 1):
        made = begin(frame, SOP_CLASSES["CT"], "CT", 1, number)
        add_slice_place(made, frame, number, 360 / size, 1.5)
        made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "0", "1", "HU"
        made.WindowCenter, made.WindowWidth = "40", "400"
        add_pixels(made, picture, 16, "MONOCHROME2")
        yield made
