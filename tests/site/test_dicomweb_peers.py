"""DICOMweb of a real `safelight serve` with curl and with Orthanc's client."""

import hashlib
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.dicom_peers import running
from support.real_files import real_file
from support.served_home import PROGRAM, ServedHome, free_port
from support.web_house import read

pytestmark = pytest.mark.peer
NAMES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")


class Served:
    def __init__(self, home: Path, log: Path) -> None:
        self.server = ServedHome(home, log)
        self.http_port = free_port()
        ports = ["--dicom-port", str(self.server.port), "--http-port", str(self.http_port)]
        made = [PROGRAM, "init", "--home", str(home), "--site", "Web", "--ae-title", "SAFELIGHT", *ports, "--open"]
        subprocess.run(made, check=True, capture_output=True)
        self.log = log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicomweb"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    one = Served(tmp_path / "home", tmp_path / "log")
    with one.server:
        one.server.start()
        yield one
        one.server.stop()
    told = one.log.read_text()
    assert "console.ready" in told and "login=none" in told
    assert "core.defect" not in told, told


def send(port: int, *names: str) -> None:
    files = [str(real_file(name)) for name in names]
    subprocess.run(["/usr/bin/dcmsend", "-aec", "SAFELIGHT", "127.0.0.1", str(port), *files], check=True)


def curl(*arguments: str) -> bytes:
    return subprocess.run(["curl", "-sS", "--fail", *arguments], check=True, capture_output=True).stdout


def test_what_was_sent_a_moment_ago_is_found_and_had_by_curl(served: Served, tmp_path: Path) -> None:
    send(served.server.port, *NAMES)
    for name in NAMES:
        stored = read(real_file(name).read_bytes())
        (study,) = json.loads(
            curl(f"{served.url}/studies?PatientID={stored.PatientID}&StudyInstanceUID={stored.StudyInstanceUID}")
        )
        address = f"{study['00081190']['Value'][0]}/series/{stored.SeriesInstanceUID}/instances/{stored.SOPInstanceUID}"
        got = curl("-H", "Accept: application/dicom; transfer-syntax=*", address)
        # dcmsend writes the data set anew, so it is not the file's byte for byte.
        assert read(got).PixelData == stored.PixelData
    served.server.pack_everything()
    # HTTP/2 without TLS, as a proxy in front of us may speak it.
    whole = curl("--http2-prior-knowledge", "-H", 'Accept: multipart/related; type="application/dicom"', address)
    assert whole.endswith(b"--\r\n")


def test_orthanc_fetches_from_us_and_stores_to_us(served: Served, tmp_path: Path) -> None:
    send(served.server.port, *NAMES)
    port = free_port()
    settings = {
        "Name": "peer",
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "DicomWeb": {"Enable": True, "Servers": {"us": {"Url": f"{served.url}/"}}},
    }
    configuration = tmp_path / "orthanc.json"
    configuration.write_text(json.dumps(settings))

    def ask(path: str, document: Any = None) -> Any:
        data = None if document is None else json.dumps(document).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=60) as answer:
            return json.loads(answer.read())

    with running(["Orthanc", configuration], port):
        found = ask("/dicom-web/servers/us/get", {"Uri": "/studies", "Arguments": {"StudyDate": "20040119"}})
        assert {one["0020000D"]["Value"][0] for one in found} == {
            read(real_file("CT_small.dcm").read_bytes()).StudyInstanceUID
        }
        studies = {str(read(real_file(name).read_bytes()).StudyInstanceUID) for name in NAMES}
        ask(
            "/dicom-web/servers/us/retrieve",
            {"Resources": [{"Study": study} for study in studies], "Synchronous": True},
        )
        fetched = ask("/instances")
        assert len(fetched) == len(NAMES)
        stored = str(real_file("SC_rgb_rle.dcm"))
        added = json.loads(curl("--data-binary", f"@{stored}", f"http://127.0.0.1:{port}/instances"))
        ask("/dicom-web/servers/us/stow", {"Resources": [added["ID"]], "Synchronous": True})
        original = read(real_file("SC_rgb_rle.dcm").read_bytes())
        series = f"/studies/{original.StudyInstanceUID}/series/{original.SeriesInstanceUID}"
        address = f"{series}/instances/{original.SOPInstanceUID}"
        ours = curl("-H", "Accept: application/dicom; transfer-syntax=*", f"{served.url}{address}")
        theirs = curl(f"http://127.0.0.1:{port}/instances/{added['ID']}/file")
        assert hashlib.sha256(ours).digest() == hashlib.sha256(theirs).digest()
