"""C-GET and C-MOVE at our door: who asks for what gets every byte of it, or is told what it could not get."""

import hashlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from safelight.catalog.callers import CallerAct
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle
from safelight.gateway.dicom.client import Outgoing
from safelight.gateway.dicom.contexts import contexts_for, service_proposal
from safelight.gateway.dicom.exchange import CallSettings
from safelight.gateway.dicom.retrieval import RetrieveOutcome
from safelight.wire.dicom.comparison import Level, StoredInstance, compare
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.uids import (
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS,
    IMPLICIT_LITTLE_ENDIAN,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from safelight.wire.dicom.user_information import Window
from support.archive_door import ArchiveDoor, from_file, invented, open_archive
from support.dicom_door import Door, MemoryIntake, open_door
from support.dicom_peers import free_port, running
from support.encoded import transcode
from support.real_files import real_file

pytestmark = pytest.mark.peer
ROOT = "1.2.826.0.1.3680043.9.9999"
REAL = ["CT_small.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm", "reportsi.dcm", "ExplVR_BigEnd.dcm"]
PRIVATE = "1.2.826.0.1.3680043.9.9999.2"


def real() -> list[Outgoing]:
    return [from_file(real_file(name)) for name in REAL]


@pytest.fixture(scope="module", params=["landed", "packed"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveDoor]:
    with open_archive(tmp_path_factory.mktemp("archive"), settings="query_answers_max = 200") as door:
        door.store([invented(1, series, number) for series in (1, 2) for number in range(1, 21)])
        door.store([invented(2, 1, number) for number in (1, 2)])
        for one in real():
            door.store([one])
        door.store([Outgoing("1.2.3.4.5", *refused())])
        if request.param == "packed":
            door.pack()
            assert door.site.catalog.tally().instances_waiting == 0
        yield door


def refused() -> tuple[str, str, MemorySource]:
    """An instance whose class nobody else knows."""
    made = invented(9, sop_class="1.2.3.4.5")
    return made.sop_instance, made.transfer_syntax, made.data  # type: ignore[return-value]


def wanted(level: str, **keys: object) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


def study_of(one: Outgoing) -> str:
    return scan_head(one.data, one.transfer_syntax).study


def get(
    door: ArchiveDoor,
    asked: Dataset,
    pairs: Sequence[tuple[str, str]],
    intake: MemoryIntake,
    *,
    model: str = STUDY_ROOT_GET,
    settings: CallSettings | None = None,
) -> RetrieveOutcome:
    from safelight.gateway.dicom.ports import AssociationFacts

    proposals = [service_proposal(model), *contexts_for(pairs, as_scp=True)[0]]
    facts = AssociationFacts(AETitle("SAFELIGHT"), AETitle("MODALITY"), "127.0.0.1")
    with door.call(proposals, settings) as association:
        return association.get(model, asked, lambda: intake.open(facts))


SECONDARY = [("1.2.840.10008.5.1.4.1.1.7", EXPLICIT_LITTLE_ENDIAN)]


@pytest.mark.parametrize("window", [None, Window(32, 32)], ids=["one-by-one", "window"])
def test_a_study_comes_back_byte_for_byte_over_the_association_that_asked(
    door: ArchiveDoor, window: Window | None
) -> None:
    intake = MemoryIntake()
    outcome = get(
        door, wanted("STUDY", StudyInstanceUID=f"{ROOT}.1"), SECONDARY, intake, settings=CallSettings(window=window)
    )
    assert outcome.status.is_success and outcome.counts.completed == 40
    sent = {
        one.sop_instance: one.data.read(0, 1 << 30) for s in (1, 2) for one in [invented(1, s, n) for n in range(1, 21)]
    }
    assert {one.command.sop_instance: one.data for one in intake.taken} == sent


@pytest.mark.parametrize(
    ("asked", "model", "count"),
    [
        (wanted("SERIES", StudyInstanceUID=f"{ROOT}.1", SeriesInstanceUID=f"{ROOT}.1.2"), STUDY_ROOT_GET, 20),
        (wanted("IMAGE", SOPInstanceUID=[f"{ROOT}.1.1.3", f"{ROOT}.1.2.4", "1.2.3"]), STUDY_ROOT_GET, 2),
        (wanted("PATIENT", PatientID="P0"), PATIENT_ROOT_GET, 40),
        (wanted("STUDY", StudyInstanceUID="1.2.3.4"), STUDY_ROOT_GET, 0),
    ],
)
def test_every_level_is_retrieved_by_its_unique_key(door: ArchiveDoor, asked: Dataset, model: str, count: int) -> None:
    intake = MemoryIntake()
    outcome = get(door, asked, SECONDARY, intake, model=model)
    assert outcome.status.is_success and (outcome.counts.completed, len(intake.taken)) == (count, count)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (wanted("STUDY", PatientID="P0"), "A900H"),
        (wanted("SERIES", SeriesInstanceUID=""), "A900H"),
        (wanted("IMAGE", StudyInstanceUID=f"{ROOT}.1"), "A900H"),
    ],
)
def test_a_retrieve_without_its_unique_key_is_refused(door: ArchiveDoor, asked: Dataset, status: str) -> None:
    assert str(get(door, asked, SECONDARY, MemoryIntake()).status) == status


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("syntax", ["stored", IMPLICIT_LITTLE_ENDIAN])
def test_who_cannot_take_the_stored_encoding_gets_the_same_image_in_another(
    door: ArchiveDoor, name: str, syntax: str
) -> None:
    one = from_file(real_file(name))
    syntax = one.transfer_syntax if syntax == "stored" else syntax
    intake = MemoryIntake()
    outcome = get(door, wanted("IMAGE", SOPInstanceUID=one.sop_instance), [(one.sop_class, syntax)], intake)
    assert outcome.status.is_success
    (taken,) = intake.taken
    outcome_of = compare(
        StoredInstance(one.data, one.transfer_syntax), StoredInstance(MemorySource(taken.data), syntax)
    )
    assert outcome_of.level is (Level.BYTES if syntax == one.transfer_syntax else Level.ATTRIBUTES)


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN])
def test_who_takes_htj2k_gets_the_frames_as_a_pack_keeps_them(tmp_path: Path, syntax: str) -> None:
    names = ["CT_small.dcm", "JPEG2000.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm", "SC_rgb_rle_32bit.dcm"]
    files = [from_file(real_file(name)) for name in names]
    images = [replace(one, transfer_syntax=syntax, data=plain(one, syntax)) for one in files]
    pairs = sorted({(one.sop_class, HTJ2K_LOSSLESS) for one in images})
    with open_archive(tmp_path) as door:
        for one in images:
            door.store([one])
        asked = [wanted("IMAGE", SOPInstanceUID=one.sop_instance) for one in images]
        assert {get(door, one, pairs, MemoryIntake()).counts.completed for one in asked} == {0}
        door.pack()
        for one, query in zip(images, asked, strict=True):
            intake = MemoryIntake()
            outcome = get(door, query, pairs, intake)
            if one is images[-1]:
                # Samples of 32 bits are kept otherwise.
                assert str(outcome.status) == "A702H"
                continue
            (taken,) = intake.taken
            found = compare(StoredInstance(one.data, syntax), StoredInstance(MemorySource(taken.data), HTJ2K_LOSSLESS))
            assert found.level >= Level.PIXELS, (one.sop_instance, found)


def plain(one: Outgoing, syntax: str) -> MemorySource:
    source = one.data
    assert isinstance(source, MemorySource)
    return source if syntax == one.transfer_syntax else transcode(source, one.transfer_syntax, syntax)


def test_what_the_requester_does_not_take_is_counted_and_named(door: ArchiveDoor) -> None:
    asked = wanted("STUDY", StudyInstanceUID=[f"{ROOT}.2", f"{ROOT}.9"])
    outcome = get(door, asked, SECONDARY, MemoryIntake())
    assert str(outcome.status) == "B000H"
    assert (outcome.counts.completed, outcome.counts.failed) == (2, 1)
    assert outcome.failed_instances == (refused()[0],)
    nothing = get(door, wanted("STUDY", StudyInstanceUID=f"{ROOT}.9"), SECONDARY, MemoryIntake())
    assert str(nothing.status) == "A702H" and nothing.counts.failed == 1


def test_a_cancelled_retrieve_stops_and_says_what_remains(door: ArchiveDoor) -> None:
    from safelight.gateway.dicom.ports import AssociationFacts

    intake = MemoryIntake()
    facts = AssociationFacts(AETitle("SAFELIGHT"), AETitle("MODALITY"), "127.0.0.1")
    proposals = [service_proposal(STUDY_ROOT_GET), *contexts_for(SECONDARY, as_scp=True)[0]]
    with door.call(proposals, CallSettings(window=None)) as association:
        outcome = association.get(
            STUDY_ROOT_GET,
            wanted("STUDY", StudyInstanceUID=f"{ROOT}.1"),
            lambda: intake.open(facts),
            cancel=lambda: len(intake.taken) >= 3,
        )
        assert str(outcome.status) == "FE00H"
        assert 3 <= outcome.counts.completed < 40
        assert outcome.counts.completed + outcome.counts.remaining == 40


def move(door: ArchiveDoor, asked: Dataset, to: str, model: str = STUDY_ROOT_MOVE) -> RetrieveOutcome:
    with door.call([service_proposal(model)]) as association:
        return association.move(model, asked, AETitle(to))


def name(door: ArchiveDoor, destination: Door, title: str = "READER") -> None:
    door.name(title, destination.listener.port)


def test_a_study_is_moved_to_a_named_peer_with_who_asked_for_it(door: ArchiveDoor) -> None:
    with open_door() as destination:
        name(door, destination)
        outcome = move(door, wanted("STUDY", StudyInstanceUID=f"{ROOT}.1"), "READER")
        assert outcome.status.is_success and outcome.counts.completed == 40
        assert len(destination.intake.taken) == 40
        assert {one.originator.title for one in destination.intake.taken if one.originator} == {"MODALITY"}
        assert all(one.originator and one.originator.message_id for one in destination.intake.taken)
        for one in real():
            assert move(door, wanted("STUDY", StudyInstanceUID=study_of(one)), "READER").status.is_success
        by_uid = {one.command.sop_instance: one.data for one in destination.intake.taken}
        for one in real():
            assert by_uid[one.sop_instance] == one.data.read(0, 1 << 30)


def test_an_unknown_destination_is_refused_and_one_that_is_down_fails_every_instance(door: ArchiveDoor) -> None:
    asked = wanted("STUDY", StudyInstanceUID=f"{ROOT}.2")
    assert str(move(door, asked, "NOBODY").status) == "A801H"
    door.name("DOWN", free_port())
    outcome = move(door, asked, "DOWN")
    assert str(outcome.status) == "A702H" and outcome.counts.failed == 2
    assert len(outcome.failed_instances) == 2


def test_several_moves_run_at_once(door: ArchiveDoor) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with open_door() as destination, ThreadPoolExecutor(4) as pool:
        name(door, destination)
        asked = wanted("PATIENT", PatientID="P0")
        outcomes = list(pool.map(lambda _: move(door, asked, "READER", PATIENT_ROOT_MOVE), range(4)))
        assert [one.counts.completed for one in outcomes] == [40] * 4
        assert len(destination.intake.taken) == 160


def test_retrieves_are_noted_in_the_register_of_callers(door: ArchiveDoor) -> None:
    get(door, wanted("IMAGE", SOPInstanceUID=f"{ROOT}.1.1.1"), SECONDARY, MemoryIntake())
    door.book.flush()
    (row,) = [row for row in door.site.catalog.callers() if row.title == "MODALITY"]
    assert row.counts[CallerAct.RETRIEVE] >= 1


def digests(folder: Path) -> set[str]:
    """Return the digests of the pixels of what a DCMTK program wrote."""
    from pydicom import dcmread

    return {hashlib.sha256(dcmread(path).get("PixelData", b"")).hexdigest() for path in folder.iterdir()}


def test_getscu_and_movescu_retrieve(door: ArchiveDoor, tmp_path: Path) -> None:
    ct = from_file(real_file("CT_small.dcm"))
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_of(ct)}"]
    got, moved = tmp_path / "got", tmp_path / "moved"
    got.mkdir()
    moved.mkdir()
    at = ["-aec", "SAFELIGHT", "127.0.0.1", str(door.port)]
    done = subprocess.run(
        ["/usr/bin/getscu", "-S", *keys, "-od", got, *at], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    port = free_port()
    door.name("MOVESCU", port)
    done = subprocess.run(
        ["/usr/bin/movescu", "-S", *keys, "-od", moved, "--port", str(port), "-aet", "MOVESCU", "-aem", "MOVESCU", *at],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    from pydicom import dcmread

    pixels = hashlib.sha256(dcmread(real_file("CT_small.dcm")).PixelData).hexdigest()
    assert digests(got) == digests(moved) == {pixels}


PYNETDICOM = """
import sys
from pydicom.dataset import Dataset
from pynetdicom import AE, evt, build_role
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GET, SecondaryCaptureImageStorage as SC
ae = AE()
ae.add_requested_context(GET)
ae.add_requested_context(SC)
stored = []
def take(event):
    stored.append(event.request.AffectedSOPInstanceUID)
    return 0xB007 if len(stored) == 1 else 0xA700 if len(stored) == 2 else 0
association = ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="SAFELIGHT",
    ext_neg=[build_role(SC, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, take)])
asked = Dataset()
asked.QueryRetrieveLevel = "STUDY"
asked.StudyInstanceUID = sys.argv[2]
answers = list(association.send_c_get(asked, GET))
status, failed = answers[-1]
assert len(stored) == 40, len(stored)
assert status.Status == 0xB000, status
assert (status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations,
    status.NumberOfWarningSuboperations) == (38, 1, 1), status
assert failed.FailedSOPInstanceUIDList == stored[1]
assert all(one.Status == 0xFF00 for one, _ in answers[:-1])
association.release()
"""


def test_pynetdicom_retrieves_and_its_own_failures_are_counted(door: ArchiveDoor) -> None:
    command = [sys.executable, "-W", "ignore", "-c", PYNETDICOM, str(door.port), f"{ROOT}.1"]
    subprocess.run(command, check=True, timeout=60)


def rest(port: int, path: str, told: object | None = None) -> object:
    data = None if told is None else json.dumps(told).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data)) as answer:
        return json.loads(answer.read())


def test_orthanc_queries_us_and_retrieves_what_it_found(door: ArchiveDoor, tmp_path: Path) -> None:
    http, dicom = free_port(), free_port()
    settings = {
        "Name": "reader",
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
        "Plugins": [],
        "HttpPort": http,
        "HttpBindAddresses": ["127.0.0.1"],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        "DicomAlwaysAllowStore": True,
        "DicomCheckCalledAet": False,
        "DicomModalities": {"us": ["SAFELIGHT", "127.0.0.1", door.port]},
    }
    configuration = tmp_path / "orthanc.json"
    configuration.write_text(json.dumps(settings))
    door.name("ORTHANC", dicom)
    with running(["Orthanc", configuration], http):
        asked = {"Level": "Study", "Query": {"PatientID": "P0", "StudyDate": "20260101-"}}
        query = rest(http, "/modalities/us/query", asked)
        assert isinstance(query, dict)
        answers = rest(http, f"/queries/{query['ID']}/answers")
        assert answers == ["0"]
        content = rest(http, f"/queries/{query['ID']}/answers/0/content?simplify")
        assert isinstance(content, dict) and content["StudyInstanceUID"] == f"{ROOT}.1"
        rest(http, f"/queries/{query['ID']}/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
        held = rest(http, "/statistics")
        assert isinstance(held, dict) and held["CountInstances"] == 40
