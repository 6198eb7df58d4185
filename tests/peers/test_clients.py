"""Clients that other projects wrote, against a real `safelight serve`: dcmjs-dimse and dicomweb-client from npm,
dicomtrolley and dicomweb-client from Python, and Orthanc's worklist client.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless

from support.dicom_door import open_door
from support.dicom_peers import running
from support.real_files import real_file
from support.served_home import PROGRAM, ServedHome, free_port

pytestmark = pytest.mark.peer
HERE = Path(__file__).parent
NAMES = ("CT_small.dcm", "MR_small.dcm")
ORDER = (
    "MSH|^~\\&|RIS|ST|PACS|RAD|20260301120000||ORM^O01|{number}|P|2.3.1\r"
    "PID|1||W{number}^^^ST||Berg^Ana||19700101|F\r"
    "ORC|NW|P{number}|F{number}|||1^once^^202603011230^^R\r"
    "OBR|1|P{number}|F{number}|CT1^CT head^L||||||||||||||A{number}|R{number}|S{number}||||CT\r"
)


@dataclass(frozen=True)
class Served:
    """A home with two studies, the first of them packed, and two orders."""

    server: ServedHome
    http: int
    hl7: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicomweb"

    def safelight(self, *words: str) -> str:
        command = [PROGRAM, *words, "--home", str(self.server.home)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def store(self, name: str) -> None:
        sender = ["/usr/bin/dcmsend", "-aec", "SAFELIGHT", "127.0.0.1", str(self.server.port), str(real_file(name))]
        subprocess.run(sender, check=True, capture_output=True, timeout=60)

    def order(self, number: int) -> None:
        with socket.create_connection(("127.0.0.1", self.hl7), 20) as connection:
            connection.sendall(b"\x0b" + ORDER.format(number=number).encode() + b"\x1c\r")
            assert b"MSA|AA" in connection.recv(4096)

    def wait_for_steps(self, count: int) -> None:
        for _ in range(200):
            if len(json.loads(self.safelight("catalog", "worklist", "--json"))["steps"]) == count:
                return
            threading.Event().wait(0.1)
        raise AssertionError("the orders never became steps")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("clients")
    server = ServedHome(folder / "home", folder / "serve.log")
    one = Served(server, free_port(), free_port())
    ports = ["--dicom-port", str(server.port), "--http-port", str(one.http), "--hl7-port", str(one.hl7)]
    one.safelight("init", "--site", "Clients", "--ae-title", "SAFELIGHT", *ports, "--open")
    with server:
        server.start()
        one.store(NAMES[0])
        server.pack_everything()
        one.store(NAMES[1])
        for number in (1, 2):
            one.order(number)
        one.wait_for_steps(2)
        yield one
        server.stop()
    assert "core.defect" not in (folder / "serve.log").read_text()


ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
"""Where the Node.js of this environment is found first: Debian's is too old for some packages."""


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Return where the npm packages of `package-lock.json` are installed: once for each state of the lock."""
    lock = (HERE / "package-lock.json").read_bytes()
    place = Path(".build/peers").absolute() / hashlib.sha256(lock).hexdigest()[:16]
    if not (place / "node_modules").is_dir():
        draft = place.with_name(f"{place.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            (draft / name).write_bytes((HERE / name).read_bytes())
        subprocess.run(["npm", "ci"], cwd=draft, check=True, capture_output=True, timeout=240, env=ENVIRONMENT)
        if not place.is_dir():
            draft.rename(place)
    return place


def node(place: Path, script: str, *arguments: str) -> dict[str, Any]:
    """Run a script beside the packages that it imports."""
    (place / script).write_bytes((HERE / script).read_bytes())
    command = ["node", str(place / script), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def original(name: str) -> Dataset:
    return pydicom.dcmread(real_file(name))


@pytest.mark.parametrize("name", NAMES)
def test_dcmjs_dimse_finds_fetches_moves_and_stores(
    served: Served, node_modules: Path, tmp_path: Path, name: str
) -> None:
    image = original(name)
    with open_door() as sink:
        served.safelight("gateway", "peer", "add", "SINK", f"127.0.0.1:{sink.listener.port}")
        told = node(node_modules, "dimse.mjs", str(served.server.port), image.StudyInstanceUID, str(tmp_path))
        assert [one.command.sop_instance for one in sink.intake.taken] == [image.SOPInstanceUID]
    assert told["echo"] == told["store"] == 0
    assert told["patients"] == [image.PatientID]
    assert told["steps"] == ["A1", "A2"]
    assert told["get"] == {"status": 0, "taken": 1}
    assert told["move"] == {"status": 0, "completed": 1}
    assert pydicom.dcmread(tmp_path / "0.dcm").PixelData == image.PixelData


@pytest.mark.parametrize("name", NAMES)
def test_the_npm_client_of_dicomweb_searches_retrieves_and_stores(
    served: Served, node_modules: Path, name: str
) -> None:
    image = original(name)
    told = node(node_modules, "web.mjs", served.url, image.StudyInstanceUID, str(real_file(name)))
    assert told == {
        "studies": [image.StudyInstanceUID],
        "rows": image.Rows,
        "frame": hashlib.sha256(image.PixelData).hexdigest(),
        "magic": "DICM",
        "study": 1,
        "picture": "PNG",
        "stored": "yes",
    }


@pytest.mark.filterwarnings("ignore")
def test_dicomtrolley_searches_by_c_find_and_by_qido_and_downloads_by_wado(served: Served) -> None:
    import requests
    from dicomtrolley.core import Query
    from dicomtrolley.dicom_qr import DICOMQR
    from dicomtrolley.qido_rs import QidoRS
    from dicomtrolley.trolley import Trolley
    from dicomtrolley.wado_rs import WadoRS

    session = requests.Session()
    searchers = [DICOMQR("127.0.0.1", served.server.port, "TROLLEY", "SAFELIGHT"), QidoRS(session, served.url)]
    for name in NAMES:
        image = original(name)
        for searcher in searchers:
            trolley = Trolley(downloader=WadoRS(session, served.url), searcher=searcher)
            (found,) = trolley.find_studies(Query(StudyInstanceUID=image.StudyInstanceUID))
            assert found.uid == image.StudyInstanceUID
            (got,) = trolley.fetch_all_datasets([found])
            assert got.PixelData == image.PixelData
    session.close()


@pytest.mark.filterwarnings("ignore")
def test_the_python_client_of_dicomweb_retrieves_whole_studies_frames_and_bulk_data(served: Served) -> None:
    from dicomweb_client.api import DICOMwebClient

    client = DICOMwebClient(served.url)
    for name in NAMES:
        image = original(name)
        names = image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID
        assert [one.PixelData for one in client.retrieve_study(names[0])] == [image.PixelData]
        assert client.retrieve_instance(*names).PixelData == image.PixelData
        assert list(client.retrieve_instance_frames(*names, [1])) == [image.PixelData]
        metadata = client.retrieve_instance_metadata(*names)
        assert client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"]) == [image.PixelData]


def test_orthanc_asks_for_the_worklist(served: Served, tmp_path: Path) -> None:
    import urllib.request

    port = free_port()
    configuration = tmp_path / "orthanc.json"
    settings = {
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
        "Plugins": [],
        "HttpPort": port,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "DicomModalities": {"us": ["SAFELIGHT", "127.0.0.1", served.server.port]},
    }
    configuration.write_text(json.dumps(settings))
    asked = {"PatientID": "", "AccessionNumber": "A2", "ScheduledProcedureStepSequence": [{"Modality": "CT"}]}
    with running(["Orthanc", configuration], port):
        address = f"http://127.0.0.1:{port}/modalities/us/find-worklist"
        with urllib.request.urlopen(address, json.dumps(asked).encode(), timeout=60) as answer:
            (step,) = json.loads(answer.read())
    assert (step["PatientID"], step["AccessionNumber"]) == ("W2", "A2")
    assert step["ScheduledProcedureStepSequence"][0]["Modality"] == "CT"


FORMS = {
    "as it came": ("*", "1.2.840.10008.1.2.1"),
    "HTJ2K": ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.201"),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_pack_gives_reads_with_pydicom_and_passes_dciodvfy(served: Served, tmp_path: Path, form: str) -> None:
    image = original(NAMES[0])
    asked, expected = FORMS[form]
    path = f"/studies/{image.StudyInstanceUID}/series/{image.SeriesInstanceUID}/instances/{image.SOPInstanceUID}"
    accept = f"Accept: application/dicom; transfer-syntax={asked}"
    got = subprocess.run(["curl", "-sS", "--fail", "-H", accept, served.url + path], check=True, capture_output=True)
    read = pydicom.dcmread(BytesIO(got.stdout))
    assert read.file_meta.TransferSyntaxUID == expected
    assert hashlib.sha256(plain_pixels(read)).digest() == hashlib.sha256(image.PixelData).digest()
    assert errors(got.stdout, tmp_path) <= errors(real_file(NAMES[0]).read_bytes(), tmp_path)


def plain_pixels(read: Dataset) -> bytes:
    if not read.file_meta.TransferSyntaxUID.is_encapsulated:
        return bytes(read.PixelData)
    import imagecodecs
    from pydicom.encaps import generate_frames

    (frame,) = generate_frames(read.PixelData, number_of_frames=1)
    return bytes(imagecodecs.htj2k_decode(frame).tobytes())


def errors(file: bytes, folder: Path) -> set[str]:
    """Return what dciodvfy has against a file. It does not know HTJ2K, and judges it as JPEG 2000."""
    path = folder / "judged.dcm"
    read = pydicom.dcmread(BytesIO(file))
    if read.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.201":
        read.file_meta.TransferSyntaxUID = JPEG2000Lossless
    read.save_as(path, enforce_file_format=True)
    judged = subprocess.run(["/usr/bin/dciodvfy", str(path)], check=False, capture_output=True, text=True)
    return {line for line in judged.stderr.splitlines() if line.startswith("Error")}
