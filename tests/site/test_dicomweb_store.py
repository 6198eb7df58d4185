"""STOW-RS over a real socket, and the power cut after every write behind it."""

import hashlib
import json
import random
import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from safelight.core.clock import SetClock
from safelight.core.disk import DiskFull, RealDisk
from safelight.core.instance import Arrival
from safelight.gateway.dicomweb.addresses import Addresses
from safelight.gateway.dicomweb.storing import store
from safelight.site.inflow import Feeds
from safelight.site.web_intake import StowIntake
from safelight.vault.landing import Landing, LandingSettings
from support.crash_disk import EVERY, CrashDisk, PowerCut, When
from support.landed import START, read_back
from support.real_files import real_file
from support.web_house import Answered, WebHouse, data_set_of, web_house

BOUNDARY = "0f3cf5c0-70e0-41ef"
MESSAGE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
STORED, FAILED, OTHERS = "00081199", "00081198", "0008119A"


def file_of(number: int, *, name: str = "MR_small.dcm") -> bytes:
    """Return an invented instance made of a real one."""
    one = pydicom.dcmread(real_file(name))
    one.StudyInstanceUID = "1.2.826.0.1.3680043.9.9999.8"
    one.SeriesInstanceUID = f"{one.StudyInstanceUID}.1"
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"{one.StudyInstanceUID}.1.{number}"
    out = BytesIO()
    one.save_as(out)
    return out.getvalue()


def message(*parts: bytes, kind: str = "application/dicom", end: bool = True) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode()
    return b"".join(head + part + b"\r\n" for part in parts) + (f"--{BOUNDARY}--".encode() if end else b"")


def post(house: WebHouse, body: bytes, content_type: str = MESSAGE, path: str = "/studies") -> Answered:
    return house.get(path, method="POST", body=body, Content_Type=content_type)


def reasons(answered: Answered, sequence: str = FAILED) -> list[int]:
    return [one["00081197"]["Value"][0] for one in json.loads(answered.body)[sequence]["Value"]]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WebHouse]:
    with web_house(tmp_path) as one:
        yield one


def test_what_the_client_stores_is_there_byte_for_byte_with_preamble_and_meta(house: WebHouse) -> None:
    client = DICOMwebClient(house.url)
    files = [file_of(1), file_of(2, name="CT_small.dcm")]
    answered = client.store_instances([pydicom.dcmread(BytesIO(file)) for file in files])
    assert isinstance(answered, Dataset)
    told = {one.ReferencedSOPInstanceUID for one in answered.ReferencedSOPSequence}
    assert told == {"1.2.826.0.1.3680043.9.9999.8.1.1", "1.2.826.0.1.3680043.9.9999.8.1.2"}
    assert answered.RetrieveURL == f"{house.url}/studies/1.2.826.0.1.3680043.9.9999.8"
    study = client.retrieve_study("1.2.826.0.1.3680043.9.9999.8")
    assert {one.SOPInstanceUID for one in study} == told
    # By hand, since the client writes every file anew.
    assert post(house, message(file_of(3))).status == 200
    url = "/studies/1.2.826.0.1.3680043.9.9999.8/series/1.2.826.0.1.3680043.9.9999.8.1/instances/"
    stored = house.get(f"{url}1.2.826.0.1.3680043.9.9999.8.1.3", "application/dicom; transfer-syntax=*")
    assert stored.body == file_of(3)
    house.pack()
    again = house.get(f"{url}1.2.826.0.1.3680043.9.9999.8.1.3", "application/dicom; transfer-syntax=*")
    assert again.body == file_of(3)


def test_storing_twice_is_answered_twice_and_kept_once(house: WebHouse) -> None:
    for _ in range(2):
        assert post(house, message(file_of(1))).status == 200
    house.site.arrivals.settle()
    assert house.site.catalog.tally().instances_landed == 1


def test_each_bad_part_is_told_and_the_good_ones_are_kept(house: WebHouse) -> None:
    mismatched = file_of(4).replace(b"9999.8.1.4", b"9999.8.1.5", 1)
    nameless = pydicom.dcmread(BytesIO(file_of(6)))
    del nameless.StudyInstanceUID
    out = BytesIO()
    nameless.save_as(out)
    answered = post(house, message(b"no DICOM at all", file_of(1), mismatched, b"", out.getvalue(), file_of(2)))
    assert answered.status == 202
    document = json.loads(answered.body)
    assert len(document[STORED]["Value"]) == 2
    assert reasons(answered) == [0xA900, 0xC000]
    assert reasons(answered, OTHERS) == [0xC000, 0xC000]
    house.site.arrivals.settle()
    assert house.site.catalog.tally().instances_landed == 2


def test_nothing_but_bad_parts_is_a_conflict(house: WebHouse) -> None:
    assert post(house, message(b"x", b"y")).status == 409


def test_an_instance_of_another_study_than_the_address_is_refused(house: WebHouse) -> None:
    answered = post(house, message(file_of(1)), path="/studies/1.2.3")
    assert answered.status == 409 and reasons(answered) == [0xA900]
    assert post(house, message(file_of(1)), path="/studies/1.2.826.0.1.3680043.9.9999.8").status == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/dicom", 415),
        ('multipart/related; type="application/dicom+json"; boundary=x', 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
        ("nonsense", 400),
        ('multipart/related; type="application/dicom"', 400),
        (f'multipart/related; type="application/dicom"; boundary={"b" * 300}', 400),
        (f'multipart/related; type="application/dicom"; boundary="not {BOUNDARY}"', 400),
        (f"Multipart/Related; Type=application/dicom; Boundary={BOUNDARY}", 200),
    ],
)
def test_what_a_message_calls_itself_decides_how_it_is_answered(
    house: WebHouse, content_type: str, status: int
) -> None:
    answered = post(house, message(file_of(1)), content_type)
    assert answered.status == status, answered.body
    if status != 200:
        assert json.loads(answered.body)["code"].startswith("wire.")


def test_a_message_without_an_end_is_malformed_and_its_whole_parts_are_kept(house: WebHouse) -> None:
    assert post(house, message(file_of(1), file_of(2), end=False)).status == 400
    assert post(house, b"").status == 400
    house.site.arrivals.settle()
    # The second could go on behind what came.
    assert house.site.catalog.tally().instances_landed == 1


def test_a_peer_that_leaves_in_the_middle_leaves_nothing_unfinished(house: WebHouse) -> None:
    body = message(file_of(1), file_of(2))
    with socket.create_connection(("127.0.0.1", house.port), 20) as raw:
        head = f"POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MESSAGE}\r\n"
        raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(file_of(1)) + 5000])
    # A later message is taken by the same house, and whatever was whole is all that is there.
    assert post(house, message(file_of(3))).status == 200
    house.site.arrivals.settle()
    assert house.site.catalog.tally().instances_landed in (1, 2)
    for version in house.site.catalog.instances("1.2.826.0.1.3680043.9.9999.8"):
        number = int(version.sop_instance.rpartition(".")[2])
        assert version.digest == hashlib.sha256(data_set_of(file_of(number))).digest()


def test_an_instance_longer_than_the_memory_for_its_beginning_is_kept_whole(house: WebHouse) -> None:
    one = pydicom.dcmread(BytesIO(file_of(1)))
    noise = random.Random(1).randbytes(64 * 64 * 2)
    one.NumberOfFrames = 600
    one.PixelData = noise * 600
    out = BytesIO()
    one.save_as(out)
    assert post(house, message(out.getvalue())).status == 200
    url = "/studies/1.2.826.0.1.3680043.9.9999.8"
    parts = house.get(url, 'multipart/related; type="application/dicom"; transfer-syntax=*')
    assert out.getvalue() in parts.body
    house.pack()
    path = f"{url}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}/frames/577"
    assert house.get(path, "application/octet-stream").body == noise


def intake(landing: Landing) -> StowIntake:
    clock = SetClock(START)
    return StowIntake(landing, clock, "HERE", 2**30, lambda arrival: None, Feeds(clock))


TINY = LandingSettings(segment_bytes=64 * 1024, buffer_bytes=16 * 1024, free_bytes_min=0)
ADDRESSES = Addresses("http://localhost/dicomweb")


def send(landing: Landing, *files: bytes) -> set[str]:
    """Store files and return the instances that were answered for."""
    answer = store(iter((message(*files),)), MESSAGE, intake(landing).open("localhost", ""), ADDRESSES)
    assert isinstance(answer.body, bytes)
    stored = json.loads(answer.body).get(STORED, {"Value": []})["Value"]
    return {one["00081155"]["Value"][0] for one in stored}


@pytest.mark.parametrize("when", list(When))
def test_no_answered_instance_is_lost_by_a_power_cut(tmp_path: Path, when: When) -> None:
    messages = [[file_of(1), file_of(2)], [file_of(3)], [file_of(4), file_of(5), file_of(6)]]
    files = {f"1.2.826.0.1.3680043.9.9999.8.1.{number}": file_of(number) for number in range(1, 7)}
    counting = CrashDisk(EVERY)
    landing, _ = Landing.open(tmp_path / "counting", counting, SetClock(START), TINY)
    for files_of_message in messages:
        send(landing, *files_of_message)
    landing.close()
    for number in range(1, len(counting.calls) + 1):
        folder = tmp_path / str(number)
        disk, promised = CrashDisk(EVERY), set[str]()
        disk.cut_at(number, when)
        with pytest.raises(PowerCut):
            landing, _ = Landing.open(folder, disk, SetClock(START), TINY)
            for files_of_message in messages:
                promised |= send(landing, *files_of_message)
            landing.close()
        disk.lose_power(number)
        landing, found = Landing.open(folder, RealDisk(), SetClock(START), TINY)
        recovered = {arrival.sop_instance: read_back(landing, arrival.place) for arrival in found.arrivals}
        assert promised <= recovered.keys()
        assert all(data == files[uid] for uid, data in recovered.items())
        landing.close()


def test_a_full_disk_is_told_as_out_of_resources_and_the_next_message_is_taken(tmp_path: Path) -> None:
    told: list[Arrival] = []
    disk = CrashDisk(EVERY)
    landing, _ = Landing.open(tmp_path / "landing", disk, SetClock(START), TINY)
    assert send(landing, file_of(1))
    disk.fail_at(len(disk.calls) + 1, DiskFull)
    clock = SetClock(START)
    session = StowIntake(landing, clock, "HERE", 2**30, told.append, Feeds(clock)).open("localhost", "")
    answer = store(iter((message(file_of(2)),)), MESSAGE, session, ADDRESSES)
    assert answer.status == 503 and answer.headers["Retry-After"]
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)[FAILED]["Value"][0]["00081197"]["Value"] == [0xA700]
    assert not told
    assert send(landing, file_of(3))
    landing.close()
