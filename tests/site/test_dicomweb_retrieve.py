"""WADO-RS over a real socket: what peers get, from the landing log and from packs."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from safelight.core.instance import Arrival
from support.real_files import real_file
from support.web_house import WebHouse, data_set_of, parts_of, read, web_house

ANY_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
EXPLICIT = "1.2.840.10008.1.2.1"
NAMES = (
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "JPEG-LL.dcm",
    "JPEG2000.dcm",
    "color3d_jpeg_baseline.dcm",
    "SC_rgb_rle_2frame.dcm",
    "examples_ybr_color.dcm",
    "reportsi.dcm",
    "image_dfl.dcm",
    "liver_1frame.dcm",
)


def file_of(name: str) -> bytes:
    """Return a real file; of those that share a UID with another, each with a UID of its own as long as that."""
    data = real_file(name).read_bytes()
    if name in ("MR_small_bigendian.dcm", "MR_small_RLE.dcm", "examples_ybr_color.dcm"):
        uid = str(pydicom.dcmread(real_file(name), stop_before_pixels=True).SOPInstanceUID).encode()
        data = data.replace(uid, uid[:-1] + str(NAMES.index(name)).encode())
    return data


def stored_of(name: str) -> pydicom.Dataset:
    return read(file_of(name))


def decoded(name: str, folder: Path) -> np.ndarray:
    """Return the pixels as another decoder than ours has them; for lossless JPEG that is DCMTK."""
    if name != "JPEG-LL.dcm":
        return stored_of(name).pixel_array
    plain = folder / "plain.dcm"
    subprocess.run(["/usr/bin/dcmdjpeg", real_file(name), plain], check=True)
    return pydicom.dcmread(plain).pixel_array


@pytest.fixture(scope="module", params=["landed", "packed"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    with web_house(tmp_path_factory.mktemp("house")) as one:
        for name in NAMES:
            one.arrivals[name] = one.land([file_of(name)])[0]
        if request.param == "packed":
            one.pack()
            assert one.site.catalog.tally().instances_waiting == 0
        yield one


def path_of(arrival: Arrival) -> str:
    head = arrival.head
    return f"/studies/{head.study}/series/{head.series}/instances/{head.sop_instance}"


@pytest.mark.parametrize("name", NAMES)
def test_an_instance_comes_back_byte_for_byte_when_the_peer_takes_any_transfer_syntax(
    house: WebHouse, name: str
) -> None:
    answered = house.get(path_of(house.arrivals[name]), ANY_STORED)
    assert answered.status == 200
    ((media, file),) = parts_of(answered)
    arrival = house.arrivals[name]
    assert media == f"application/dicom; transfer-syntax={arrival.head.transfer_syntax}"
    assert hashlib.sha256(data_set_of(file)).digest() == arrival.digest
    assert read(file).file_meta.TransferSyntaxUID == arrival.head.transfer_syntax


@pytest.mark.parametrize("name", NAMES)
def test_without_a_transfer_syntax_an_instance_comes_in_explicit_little_endian_with_the_same_content(
    house: WebHouse, name: str, tmp_path: Path
) -> None:
    answered = house.get(path_of(house.arrivals[name]), "application/dicom")
    assert answered.status == 200, answered.body
    got, stored = read(answered.body), stored_of(name)
    assert got.file_meta.TransferSyntaxUID == EXPLICIT
    told = {"PixelData", "PhotometricInterpretation", "PlanarConfiguration"}
    for element in stored:
        if element.tag.element and element.keyword not in told:
            assert got[element.tag] == element, element.tag
    if "PixelData" in stored:
        expected = decoded(name, tmp_path)
        assert np.array_equal(got.pixel_array, expected) or got.PhotometricInterpretation == "RGB"
        assert got.pixel_array.shape == expected.shape


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm"]
)
def test_frames_come_plain_as_their_pixels_are(house: WebHouse, name: str) -> None:
    stored = stored_of(name)
    frames = stored.pixel_array.reshape(int(stored.get("NumberOfFrames", 1)), -1)
    numbers = range(1, len(frames) + 1)
    answered = house.get(
        f"{path_of(house.arrivals[name])}/frames/{','.join(map(str, numbers))}",
        'multipart/related; type="application/octet-stream"',
    )
    assert answered.status == 200, answered.body
    parts = parts_of(answered)
    assert len(parts) == len(frames)
    for (media, body), frame in zip(parts, frames, strict=True):
        assert media == "application/octet-stream"
        plain = np.frombuffer(body, frame.dtype.newbyteorder("<"))
        if stored.get("PlanarConfiguration") == 1:
            plain = np.moveaxis(plain.reshape(3, -1), 0, -1).reshape(-1)
        assert np.array_equal(plain, frame)


@pytest.mark.parametrize(
    ("name", "media"),
    [("JPEG2000.dcm", "image/jp2"), ("JPEG-LL.dcm", "image/jpeg"), ("MR_small_RLE.dcm", "image/dicom-rle")],
)
@pytest.mark.parametrize("asked", ["own", "octets"])
def test_frames_come_as_they_are_coded_for_whoever_takes_that(
    house: WebHouse, name: str, media: str, asked: str
) -> None:
    arrival = house.arrivals[name]
    kind = media if asked == "own" else "application/octet-stream"
    answered = house.get(f"{path_of(arrival)}/frames/1", f'multipart/related; type="{kind}"; transfer-syntax=*')
    ((content, body),) = parts_of(answered)
    assert content == f"{kind}; transfer-syntax={arrival.head.transfer_syntax}"
    (expected,) = pydicom.encaps.generate_frames(stored_of(name).PixelData, number_of_frames=1)
    assert body == expected


@pytest.mark.parametrize("number", ["0", "2", "99999"])
def test_a_frame_that_is_not_there_is_not_found(house: WebHouse, number: str) -> None:
    answered = house.get(f"{path_of(house.arrivals['CT_small.dcm'])}/frames/{number}", "application/octet-stream")
    assert answered.status == 404
    assert json.loads(answered.body)["code"] == "gateway.nothing-there"


@pytest.mark.parametrize("number", ["x", "1,", "-1", "1;2", "1" * 20, "%00", "²"])
def test_a_frame_number_that_is_none_is_a_bad_request(house: WebHouse, number: str) -> None:
    from urllib.parse import quote

    path = f"{path_of(house.arrivals['CT_small.dcm'])}/frames/{quote(number, safe='%')}"
    assert house.get(path, "application/octet-stream").status == 400


@pytest.mark.parametrize("name", NAMES)
def test_metadata_say_what_the_data_set_says(house: WebHouse, name: str) -> None:
    arrival = house.arrivals[name]
    answered = house.get(f"{path_of(arrival)}/metadata", "application/dicom+json")
    assert answered.status == 200
    assert answered.headers["content-type"] == "application/dicom+json"
    (document,) = json.loads(answered.body)
    got = pydicom.Dataset.from_json(document, bulk_data_uri_handler=lambda tag, vr, uri: None)
    stored = stored_of(name)
    for element in stored:
        if element.tag.element == 0 or "BulkDataURI" in document[f"{element.tag:08X}"]:
            continue
        if element.keyword != "SpecificCharacterSet" and element.VR not in ("SQ", "UN"):
            assert got[element.tag].value == element.value, element.tag
    if "PixelData" in stored:
        assert document["7FE00010"]["BulkDataURI"].startswith(house.url)


def test_a_bulk_value_is_had_from_the_address_that_metadata_name(house: WebHouse) -> None:
    arrival = house.arrivals["CT_small.dcm"]
    (document,) = json.loads(house.get(f"{path_of(arrival)}/metadata").body)
    path = document["7FE00010"]["BulkDataURI"].removeprefix(house.url)
    expected = pydicom.dcmread(real_file("CT_small.dcm")).PixelData
    assert house.get(path, "application/octet-stream").body == expected
    ((media, body),) = parts_of(house.get(path))
    assert (media, body) == ("application/octet-stream", expected)
    assert house.get(f"{path}0").status == 404


def test_a_study_comes_with_all_its_instances(house: WebHouse) -> None:
    arrivals = {house.arrivals[name].digest for name in NAMES if name.startswith("MR_small")}
    study = house.arrivals["MR_small_implicit.dcm"].head.study
    parts = parts_of(house.get(f"/studies/{study}", ANY_STORED))
    assert {hashlib.sha256(data_set_of(file)).digest() for _, file in parts} == arrivals
    assert len(json.loads(house.get(f"/studies/{study}/metadata").body)) == len(arrivals) == 3


@pytest.mark.parametrize(
    "accept",
    ["image/png", "text/html", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50'],
)
def test_a_form_that_there_is_not_is_not_acceptable(house: WebHouse, accept: str) -> None:
    answered = house.get(path_of(house.arrivals["CT_small.dcm"]), accept)
    assert answered.status == 406
    assert json.loads(answered.body)["code"] == "wire.not-acceptable"
    assert answered.headers["warning"].startswith("299 ")


@pytest.mark.parametrize(
    "path",
    [
        "/studies/1.2.3",
        "/studies/..%2f..%2fetc%2fpasswd/metadata",
        "/studies/%00/metadata",
        "/studies/1'%20OR%201=1/metadata",
        "/studies/1.2.3/series/../../../../etc/passwd",
        "/nothing",
    ],
)
def test_what_is_not_held_is_not_found(house: WebHouse, path: str) -> None:
    assert house.get(path).status == 404


def test_a_page_that_calls_us_by_a_name_of_its_own_is_refused(house: WebHouse) -> None:
    assert house.get("/studies/1.2.3", Host="hospital.example:80").status == 421
    assert house.get("/studies/1.2.3", Host=f"localhost:{house.port}").status == 404


def test_a_file_that_came_with_a_preamble_leaves_with_it(tmp_path: Path) -> None:
    file = real_file("CT_small.dcm").read_bytes()
    with web_house(tmp_path) as house:
        (arrival,) = house.land([file], as_files=True)
        assert house.get(path_of(arrival), "application/dicom; transfer-syntax=*").body == file
        house.pack()
        assert house.get(path_of(arrival), "application/dicom; transfer-syntax=*").body == file
