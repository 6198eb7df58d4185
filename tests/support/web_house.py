"""A home whose DICOMweb door is open in this process, and what a test stores there."""

import http.client
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from safelight.core.instance import Arrival, MemorySource, Receipt, Way, Wrapper
from safelight.core.names import AETitle
from safelight.site.founding import Founding, found
from safelight.site.heads import read_head
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.web_door import WebDoor
from safelight.wire.dicom.part10 import read_prefix
from support.hl7_house import opened
from support.served_home import free_port


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class WebHouse:
    """A home that is served as far as DICOMweb goes."""

    site: Site
    port: int
    arrivals: dict[str, Arrival] = field(default_factory=dict)
    """What a test landed, by a name of its own."""

    @property
    def url(self) -> str:
        """Where DICOMweb is."""
        return f"http://127.0.0.1:{self.port}/dicomweb"

    def land(self, files: Iterable[bytes], *, as_files: bool = False) -> list[Arrival]:
        """Take in instances as an association does, or with the preamble and file meta they have."""
        writer = self.site.landing.writer()
        arrivals = []
        for data in files:
            wrapper, head = read_head(MemorySource(data))
            prefix = data[: wrapper.prefix_size]
            writer.begin(prefix if as_files else b"")
            rest = memoryview(data)[len(prefix) :]
            while rest:
                room = writer.room()
                count = min(len(room), len(rest))
                room[:count] = rest[:count]
                writer.filled(count)
                rest = rest[count:]
            receipt = Receipt(self.site.clock.now(), Way.STORE, "MODALITY", "SAFELIGHT", "127.0.0.1")
            arrivals.append(writer.finish(head, receipt, wrapper if as_files else Wrapper()))
        writer.close()
        for arrival in arrivals:
            self.site.arrivals.put(arrival)
        return arrivals

    def pack(self) -> None:
        """Have everything packed, so that nothing is read from the landing log any more."""
        self.site.arrivals.settle()
        self.site.desk.turn(flush=True)

    def get(self, path: str, accept: str = "", *, method: str = "GET", body: bytes = b"", **headers: str) -> Answered:
        """Send one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            told = {name.replace("_", "-"): value for name, value in headers.items()}
            if accept:
                told["Accept"] = accept
            connection.request(method, f"/dicomweb{path}", body or None, told)
            answer = connection.getresponse()
            return Answered(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@contextmanager
def web_house(folder: Path) -> Iterator[WebHouse]:
    """Serve a new home in the folder."""
    port = free_port()
    asked = Founding(folder / "home", "Test", AETitle.parse("HERE"), 11112, accept_any=True, http_port=port)
    home: Home = found(asked).home
    with opened(home) as site:
        door = WebDoor(site)
        door.start()
        try:
            yield WebHouse(site, port)
        finally:
            door.stop()


def data_set_of(file: bytes) -> bytes:
    """Return what follows the file meta information."""
    return file[read_prefix(MemorySource(file)).prefix_size :]


def read(file: bytes) -> Dataset:
    """Read a file."""
    return pydicom.dcmread(BytesIO(file))


def parts_of(answered: Answered) -> list[tuple[str, bytes]]:
    """Return media type and bytes of each part of a multipart answer, cut by the boundary that it names."""
    boundary = answered.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    # The first border stands at the very beginning, without a line end before it.
    pieces = (b"\r\n" + answered.body).split(b"\r\n--" + boundary)
    assert pieces[-1] == b"--\r\n" and pieces[0] == b""
    parts = []
    for piece in pieces[1:-1]:
        head, _, body = piece.partition(b"\r\n\r\n")
        parts.append((head.decode().partition("Content-Type: ")[2].strip(), body))
    return parts
