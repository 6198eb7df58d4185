"""The PACS of a rehearsal: Orthanc where it is installed, else the query/retrieve application of pynetdicom."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safelight.site.rehearsal.ports import free_port
from safelight.site.rehearsal.program import DemonstrationFailed, is_listening

ORTHANC_STARTS_SECONDS: Final = 30.0


@dataclass(slots=True)
class RehearsalPacs:
    """A PACS to lose: started, filled, destroyed."""

    kind: str
    folder: Path
    port: int
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it listens.

        Raises:
            DemonstrationFailed: it does not.
        """
        (self.folder / "storage").mkdir(parents=True, exist_ok=True)
        with (self.folder / "pacs.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=dict(os.environ, TCP_NODELAY="1"), cwd=self.folder
            )
        deadline = time.monotonic() + ORTHANC_STARTS_SECONDS
        while time.monotonic() < deadline:
            if is_listening(self.port):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise DemonstrationFailed(step="pacs", log=str(self.folder / "pacs.log"))

    def fill(self, images: Path) -> int:
        """Send it every instance in a folder; return how many it took."""
        from safelight.site.sending import send_folder

        return send_folder(images, f"PACS@127.0.0.1:{self.port}", "MODALITY")

    def destroy(self) -> None:
        """Kill it, and delete what it holds."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder / "storage")

    def stop(self) -> None:
        """End it, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()


def pacs_in(folder: Path, own_port: int, title: str = "PACS") -> RehearsalPacs:
    """Set up a PACS in a folder; it knows Safelight at ``own_port``, and does not run yet."""
    port = free_port()
    place = folder / "pacs"
    place.mkdir()
    orthanc = (
        shutil.which("Orthanc")
        or shutil.which("orthanc")
        or ("/usr/sbin/Orthanc" if Path("/usr/sbin/Orthanc").exists() else None)
    )
    if orthanc:
        settings = {
            "Name": "Rehearsal PACS",
            "StorageDirectory": str(place / "storage"),
            "IndexDirectory": str(place / "storage"),
            "DicomAet": title,
            "DicomPort": port,
            "HttpServerEnabled": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "UnknownSopClassAccepted": True,
            "DefaultEncoding": "Utf8",
            "MaximumStorageCacheSize": 0,
            "Plugins": [],
            "DicomModalities": {"safelight": ["SAFELIGHT", "127.0.0.1", own_port]},
        }
        for syntax in ("Deflated", "Jpeg", "Jpeg2000", "JpegLossless", "Jpip", "Mpeg2", "Rle"):
            settings[f"{syntax}TransferSyntaxAccepted"] = True
        (place / "orthanc.json").write_text(json.dumps(settings))
        return RehearsalPacs("Orthanc", place, port, [orthanc, str(place / "orthanc.json")])
    config = (
        f"[DEFAULT]\nae_title: {title}\nport: {port}\nmax_pdu: 131072\nacse_timeout: 30\ndimse_timeout: 30\n"
        f"network_timeout: 30\nbind_address: 127.0.0.1\ninstance_location: {place}/storage\n"
        f"database_location: {place}/storage/index.sqlite\n"
        f"[SAFELIGHT]\naddress: 127.0.0.1\nport: {own_port}\n"
    )
    (place / "qrscp.ini").write_text(config)
    command = [sys.executable, "-m", "pynetdicom", "qrscp", "-c", str(place / "qrscp.ini")]
    return RehearsalPacs("pynetdicom qrscp", place, port, command)
