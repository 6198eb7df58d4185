"""The DICOM door against DCMTK, Orthanc and pynetdicom, in both roles, tuned and as installed."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from safelight.core.errors import PeerError
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import CallSettings, Outgoing, Sent, connect
from safelight.gateway.dicom.contexts import VERIFICATION_PROPOSAL, contexts_for, service_proposal
from safelight.gateway.dicom.ports import AssociationFacts, Occasion
from safelight.gateway.dicom.retrieval import Counts, QueryFailed
from safelight.wire.dicom.faults import AssociationAborted, AssociationLost, AssociationRefused
from safelight.wire.dicom.part10 import read_prefix
from safelight.wire.dicom.uids import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from safelight.wire.dicom.user_information import Window
from support.dicom_door import CALLER, TITLE, Door, open_door
from support.dicom_peers import ARCHIVES, NAGLE_OFF, NAGLE_ON, free_port, running
from support.real_files import real_file

pytestmark = pytest.mark.peer

NAMES = ["CT_small.dcm", "MR_small.dcm", "reportsi.dcm"]
COMPRESSED = "JPEG2000.dcm"
ENVIRONMENTS = [pytest.param(NAGLE_ON, id="as-installed"), pytest.param(NAGLE_OFF, id="tuned")]


def instance(name: str) -> Outgoing:
    raw = real_file(name).read_bytes()
    prefix = read_prefix(MemorySource(raw))
    data = MemorySource(raw[prefix.prefix_size :])
    return Outgoing(prefix.sop_class, prefix.sop_instance, prefix.transfer_syntax, data)


def instances(*names: str) -> list[Outgoing]:
    return [instance(name) for name in names or NAMES]


def pairs(outgoing: list[Outgoing]) -> list[tuple[str, str]]:
    return [(one.sop_class, one.transfer_syntax) for one in outgoing]


def send_all(peer: Peer, settings: CallSettings | None = None, *names: str) -> list[Sent]:
    outgoing = instances(*names)
    with connect(peer, CALLER, contexts_for(pairs(outgoing))[0], settings=settings) as association:
        return list(association.store_all(outgoing))


def run(command: list[str], door: Door, environment: dict[str, str], *files: Path) -> None:
    done = subprocess.run(
        [*command, "-aec", TITLE.text, "127.0.0.1", str(door.listener.port), *map(str, files)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_dcmtk_echoes(environment: dict[str, str]) -> None:
    with open_door() as door:
        run(["/usr/bin/echoscu", "--repeat", "3"], door, environment)
        door.notes.wait_for(Occasion.RELEASED)
        assert len(door.notes.wait_for(Occasion.ECHOED, 3)) == 3


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize(
    "command",
    [["/usr/bin/storescu", "-R"], ["/usr/bin/storescu", "-R", "-pdu", "4096"], ["/usr/bin/dcmsend"]],
    ids=["storescu", "storescu-small", "dcmsend"],
)
def test_dcmtk_stores(command: list[str], environment: dict[str, str]) -> None:
    with open_door() as door:
        run(command, door, environment, *(real_file(name) for name in NAMES))
        taken = {one.command.sop_instance: one for one in door.intake.taken}
        assert len(taken) == 3
        ct = instance("CT_small.dcm")
        # DCMTK writes a data set anew, and leaves out the padding behind the pixels of this one.
        assert taken[ct.sop_instance].data.endswith(dcmread(real_file("CT_small.dcm")).PixelData)
        assert taken[ct.sop_instance].command.sop_class == ct.sop_class


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_storescp_takes_what_we_send_byte_for_byte(tmp_path: Path, environment: dict[str, str]) -> None:
    port = free_port()
    command = ["/usr/bin/storescp", "+B", "+xa", "-od", tmp_path, str(port)]
    with running(command, port, environment=environment):
        peer = Peer(AETitle("STORESCP"), "127.0.0.1", port)
        with connect(peer, CALLER, [VERIFICATION_PROPOSAL]) as association:
            assert association.echo().is_success
            assert "DCMTK" in association.peer_information.implementation_version
        sent = send_all(peer, None, *NAMES, COMPRESSED)
    assert all(one.is_stored for one in sent)
    for one in sent:
        (file,) = [path for path in tmp_path.iterdir() if path.name.endswith(one.outgoing.sop_instance)]
        raw = file.read_bytes()
        assert raw[read_prefix(MemorySource(raw)).prefix_size :] == one.outgoing.data.read(0, 1 << 30)


@pytest.mark.parametrize(
    ("how", "ends"),
    [
        ("--refuse", (AssociationRefused,)),
        ("--abort-after", (AssociationAborted, AssociationLost)),
        ("--abort-during", (AssociationAborted, AssociationLost)),
    ],
)
def test_a_storescp_that_misbehaves_is_a_typed_error(tmp_path: Path, how: str, ends: tuple[type[PeerError]]) -> None:
    port = free_port()
    with running(["/usr/bin/storescp", how, "-od", tmp_path, str(port)], port), pytest.raises(ends):
        send_all(Peer(AETitle("STORESCP"), "127.0.0.1", port))


def test_a_storescp_that_sleeps_is_waited_for_no_longer_than_we_said(tmp_path: Path) -> None:
    port = free_port()
    impatient = CallSettings(answer=timedelta(seconds=0.3))
    with (
        running(["/usr/bin/storescp", "--sleep-after", "5", "-od", tmp_path, str(port)], port),
        pytest.raises(PeerError) as told,
    ):
        send_all(Peer(AETitle("STORESCP"), "127.0.0.1", port), impatient)
    assert told.value.code == "gateway.peer-silent"


MODELS = {
    "study root": (STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE),
    "patient root": (PATIENT_ROOT_FIND, PATIENT_ROOT_GET, PATIENT_ROOT_MOVE),
}


def study_query(**keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.PatientID = ""
    query.StudyInstanceUID = ""
    query.PatientName = ""
    for name, value in keys.items():
        setattr(query, name, value)
    return query


def one_study(found: Dataset) -> Dataset:
    return study_query(StudyInstanceUID=str(found.StudyInstanceUID), PatientID=str(found.get("PatientID", "")))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("archive", ARCHIVES)
def test_what_an_archive_holds_is_found_and_fetched_by_get_and_by_move(
    archive: str, model: str, tmp_path: Path
) -> None:
    find, get, move = MODELS[model]
    with open_door() as door, ARCHIVES[archive](tmp_path, door.listener.port) as held:
        outgoing = instances()
        assert [one.is_stored for one in send_all(held.peer)] == [True] * len(outgoing)
        studies = _find_each(held.peer, find, outgoing)

        facts = AssociationFacts(TITLE, held.peer.title, held.peer.host)
        proposals = [service_proposal(get), *contexts_for(pairs(outgoing), as_scp=True)[0]]
        watched: list[Counts] = []
        with connect(held.peer, TITLE, proposals) as association:
            for study in studies:
                outcome = association.get(get, _retrieval(study), lambda: door.intake.open(facts), watch=watched.append)
                assert outcome.status.is_success, outcome
                assert outcome.stored == 1
                assert outcome.failed_instances == ()
        assert watched
        _check_arrivals(door, outgoing)
        door.intake.taken.clear()

        with connect(held.peer, CALLER, [service_proposal(move)]) as association:
            for study in studies:
                outcome = association.move(move, _retrieval(study), TITLE)
                assert outcome.status.is_success, outcome
                assert outcome.counts.completed == 1
        _check_arrivals(door, outgoing)
        # pynetdicom's application gives itself, and not us, as who asked for the move.
        mover = held.peer.title if archive == "qrscp" else CALLER
        assert {one.originator.title for one in door.intake.taken if one.originator} == {mover.text}
        assert all(one.originator is not None for one in door.intake.taken)


def _find_each(peer: Peer, model: str, outgoing: list[Outgoing]) -> list[Dataset]:
    """Find each study by its patient, since patient root wants one."""
    found = []
    with connect(peer, CALLER, [service_proposal(model)]) as association:
        for name in NAMES:
            header = dcmread(real_file(name), stop_before_pixels=True)
            query = study_query(StudyInstanceUID=str(header.StudyInstanceUID), PatientID=str(header.PatientID))
            (study,) = association.find(model, query)
            assert study.StudyInstanceUID == header.StudyInstanceUID
            found.append(study)
        assert list(association.find(model, study_query(StudyInstanceUID="1.2.3.4.5", PatientID="NOBODY"))) == []
    assert len(found) == len(outgoing)
    return found


def _retrieval(study: Dataset) -> Dataset:
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "STUDY"
    wanted.StudyInstanceUID = study.StudyInstanceUID
    if "PatientID" in study:
        wanted.PatientID = study.PatientID
    return wanted


def _check_arrivals(door: Door, outgoing: list[Outgoing]) -> None:
    arrived = {one.command.sop_instance: one for one in door.intake.taken}
    assert set(arrived) == {one.sop_instance for one in outgoing}
    for one in outgoing:
        assert arrived[one.sop_instance].command.sop_class == one.sop_class
        assert arrived[one.sop_instance].is_durable


@pytest.mark.parametrize("archive", ARCHIVES)
def test_a_query_left_early_leaves_the_association_usable(archive: str, tmp_path: Path) -> None:
    with open_door() as door, ARCHIVES[archive](tmp_path, door.listener.port) as held:
        send_all(held.peer)
        with connect(held.peer, CALLER, [service_proposal(STUDY_ROOT_FIND)]) as association:
            everything = study_query(SpecificCharacterSet="ISO_IR 192")
            for _ in association.find(STUDY_ROOT_FIND, everything):
                break
            assert association.is_open
            assert len(list(association.find(STUDY_ROOT_FIND, everything))) == len(NAMES)


@pytest.mark.parametrize("archive", ["orthanc", "dcmqrscp"])
def test_a_move_to_a_place_the_archive_does_not_know_says_so(archive: str, tmp_path: Path) -> None:
    with open_door() as door, ARCHIVES[archive](tmp_path, door.listener.port) as held:
        send_all(held.peer)
        with connect(held.peer, CALLER, [service_proposal(STUDY_ROOT_MOVE)]) as association:
            ct = dcmread(real_file("CT_small.dcm"), stop_before_pixels=True)
            outcome = association.move(STUDY_ROOT_MOVE, _retrieval(ct), AETitle("NOWHERE"))
            assert outcome.status.is_failure, outcome
        assert door.intake.taken == []


def _intake_that_is_full(door: Door) -> Callable[[], object]:
    from safelight.core.disk import DiskFull

    def refuse() -> object:
        raise DiskFull(path="landing")

    return refuse


def test_a_get_into_a_full_house_counts_failures_and_stores_nothing(tmp_path: Path) -> None:
    with open_door() as door, ARCHIVES["dcmqrscp"](tmp_path, door.listener.port) as held:
        send_all(held.peer)
        ct = instance("CT_small.dcm")
        header = dcmread(real_file("CT_small.dcm"), stop_before_pixels=True)
        proposals = [service_proposal(STUDY_ROOT_GET), *contexts_for(pairs([ct]), as_scp=True)[0]]
        with connect(held.peer, TITLE, proposals) as association:
            outcome = association.get(STUDY_ROOT_GET, _retrieval(header), _intake_that_is_full(door))  # type: ignore[arg-type]
        assert outcome.stored == 0
        assert outcome.counts.failed == 1
        assert outcome.failed_instances in ((), (ct.sop_instance,))
        assert not outcome.status.is_success


@pytest.mark.parametrize("client", ["echoscu", "storescu"])
def test_pynetdicom_echoes_and_stores(client: str) -> None:
    with open_door() as door:
        files = [real_file("CT_small.dcm")] if client == "storescu" else []
        command = [sys.executable, "-W", "ignore", "-m", "pynetdicom", client, "127.0.0.1", str(door.listener.port)]
        done = subprocess.run(
            [*command, *map(str, files), "-aec", TITLE.text], check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        door.notes.wait_for(Occasion.RELEASED)
        stored = [one.command.sop_instance for one in door.intake.taken]
        assert stored == [instance(file.name).sop_instance for file in files]
        assert len(door.notes.of(Occasion.ECHOED)) == (client == "echoscu")


def test_a_query_that_an_archive_ends_with_a_failure_is_not_taken_for_complete() -> None:
    from pynetdicom import AE, evt

    def answer(event: evt.Event) -> object:
        match = Dataset()
        match.QueryRetrieveLevel = "STUDY"
        match.StudyInstanceUID = "1.2.3"
        yield 0xFF00, match
        yield 0xA700, None

    ae = AE("CAPPED")
    ae.add_supported_context(STUDY_ROOT_FIND)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, answer)])
    try:
        peer = Peer(AETitle("CAPPED"), "127.0.0.1", server.server_address[1])
        found = []
        with connect(peer, CALLER, [service_proposal(STUDY_ROOT_FIND)]) as association:
            with pytest.raises(QueryFailed) as told:
                for match in association.find(STUDY_ROOT_FIND, study_query()):
                    found.append(match)
            assert association.is_open
        assert told.value.facts["status"] == "A700H"
        assert [str(match.StudyInstanceUID) for match in found] == ["1.2.3"]
    finally:
        server.shutdown()


def test_a_window_that_no_peer_grants_is_none() -> None:
    port = free_port()
    with running(["/usr/bin/storescp", "--ignore", str(port)], port):
        settings = CallSettings(window=Window(16, 16))
        with connect(Peer(AETitle("X"), "127.0.0.1", port), CALLER, [VERIFICATION_PROPOSAL], settings=settings) as a:
            assert a.window == 1
