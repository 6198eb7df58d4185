"""Homes whose outage is over, as they stand before anybody reconciles: not served, and copied by each test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.core.progress import silent
from safelight.gateway.dicom.client import Outgoing, connect
from safelight.gateway.dicom.contexts import contexts_for
from safelight.site.acts import act
from safelight.site.reconciliation_view import differences_document
from support.dicom_peers import free_port
from support.hl7_house import Receiver, make_home, opened, send_to
from support.reconciled_house import (
    CT_IMAGE,
    EXPLICIT,
    WHO,
    acquire,
    encoded,
    image,
    local_now,
    order_message,
)

STUDY = "1.2.20"
NAMES = {f"{STUDY}.1.1", f"{STUDY}.1.2"}


def walk_in(folder: Path, pacs: Peer, *, line: Peer | None = None, patients: int = 2576, reports: int = 2575) -> str:
    """Make a home with a walk-in that has images and a read, and an order elsewhere that fits it; return its study.

    ``line`` is the address at which the home is told to reach the PACS, where that is another one; ``patients`` and
    ``reports`` are the ports of who is told who patients are, and what was read.
    """
    folder.mkdir()
    home = make_home(folder, dicom_port=free_port())
    send_to(home, Receiver(port=reports), "RIS", events=("NONE",))
    send_to(home, Receiver(port=patients), "MPI", events=("NONE",))
    told = f'\n[reconciliation]\ntarget = "{line or pacs}"\nidentities_to = ["MPI"]\nreports_to = "RIS"\n'
    home.settings_file.write_text(home.settings_file.read_text() + told)
    with opened(home) as site:

        def do(what: str, **told: Any) -> dict[str, Any]:
            return dict(act(site, what, {**WHO, **told}, silent))

        for of, prefix in (("accession", "DT"), ("patient", "DP")):
            do("downtime.numbers.reserve", of=of, prefix=prefix, first=1, last=9)
            do("downtime.numbers.allot", of=of, count=5, site="main", device="CT1")
        do("downtime.say", event="declared", scopes=["pacs"])
        exam = do("downtime.exam.register", way="walk-in", site="main", device="CT1", modality="CT", name="REAL^RITA")
        of_exam = {"PatientID": "DP1", "PatientName": "REAL^RITA", "AccessionNumber": "DT1"}
        acquire(site, *(image(str(exam["study"]), number, local_now(site), **of_exam) for number in (1, 2)))
        do("downtime.exam.step", accession="DT1", step="acquired")
        do("downtime.exam.step", accession="DT1", step="read", text="Nothing acute.")
        do("downtime.say", event="ended", scopes=["pacs"])
        messages = folder / "messages"
        messages.mkdir()
        (messages / "1.hl7").write_bytes(order_message("1", "4711", "RA1", local_now(site)))
        do("gateway.import", folder=str(messages))
    return str(exam["study"])


def as_anothers(folder: Path, pacs: Peer, patient: str, *, line: Peer | None = None) -> str:
    """Make a home whose PACS has the study as this patient's, with other pixels of one; return the difference."""
    folder.mkdir()
    home = make_home(folder, dicom_port=free_port())
    told = f'\n[reconciliation]\ntarget = "{line or pacs}"\n'
    home.settings_file.write_text(home.settings_file.read_text() + told)
    with opened(home) as site:
        now = local_now(site)
        act(site, "downtime.say", {"event": "declared", "scopes": ["pacs"], **WHO}, silent)
        ours = [image(STUDY, number, now, PatientID="4711", AccessionNumber="RA1") for number in (1, 2)]
        acquire(site, *ours)
        theirs = [image(STUDY, number, now, PatientID=patient, AccessionNumber="RA1") for number in (1, 2)]
        theirs[0].add_new(0x7FE00010, "OW", bytes(128))
        _store(pacs, theirs)
        act(site, "downtime.say", {"event": "ended", "scopes": ["pacs"], **WHO}, silent)
        act(site, "reconciliation.compare", {"deep": True}, silent)
        told = {"differences": [STUDY], "verdict": "no-order", **WHO}
        act(site, "reconciliation.decide", told, silent)
        wanted = "identity-differs" if patient != "4711" else "same-uid-other-bytes"
        differences = differences_document(home)["differences"]
        return str(next(one["id"] for one in differences if one["kind"] == wanted))


def _store(pacs: Peer, data_sets: Sequence[Dataset]) -> None:
    made = [Outgoing(CT_IMAGE, str(one.SOPInstanceUID), EXPLICIT, MemorySource(encoded(one))) for one in data_sets]
    for proposals in contexts_for((one.sop_class, one.transfer_syntax) for one in made):
        with connect(pacs, AETitle("CT1"), proposals) as association:
            assert all(one.is_stored for one in association.store_all(made))
