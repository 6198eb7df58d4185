"""Rendered frames over a real socket, held against what DCMTK shows."""

import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest

from safelight.core.instance import Arrival
from support.real_files import real_file
from support.web_house import WebHouse, parts_of, web_house

NAMES = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "JPEG-LL.dcm",
    "SC_rgb_rle.dcm",
    "SC_ybr_full_uncompressed.dcm",
    "examples_palette.dcm",
    "liver_1frame.dcm",
    "reportsi.dcm",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    with web_house(tmp_path_factory.mktemp("house")) as one:
        for name in NAMES:
            one.arrivals[name] = one.land([real_file(name).read_bytes()])[0]
        yield one


def path_of(arrival: Arrival) -> str:
    head = arrival.head
    return f"/studies/{head.study}/series/{head.series}/instances/{head.sop_instance}"


def shown(house: WebHouse, name: str, query: str = "", accept: str = "image/png") -> np.ndarray:
    answered = house.get(f"{path_of(house.arrivals[name])}/rendered{query}", accept)
    assert answered.status == 200, answered.body
    assert answered.headers["content-type"] == accept
    decode = imagecodecs.png_decode if accept == "image/png" else imagecodecs.jpeg8_decode
    return np.asarray(decode(answered.body))


def dcmtk_shows(name: str, folder: Path, *options: str) -> np.ndarray:
    source = real_file(name)
    for program in ("dcmdjpeg", "dcmdrle"):
        plain = folder / program
        if subprocess.run([f"/usr/bin/{program}", source, plain], check=False, capture_output=True).returncode == 0:
            source = plain
    target = folder / "shown.png"
    subprocess.run(["/usr/bin/dcm2pnm", "--write-png", *options, source, target], check=True, capture_output=True)
    return np.asarray(imagecodecs.png_decode(target.read_bytes()))


@pytest.mark.parametrize(
    ("name", "query", "options"),
    [
        ("CT_small.dcm", "?window=40,400", ["+Ww", "40", "400"]),
        ("CT_small.dcm", "?window=40,400,sigmoid", ["+Wfs", "+Ww", "40", "400"]),
        ("MR_small_RLE.dcm", "?window=600,1600", ["+Ww", "600", "1600"]),
        ("MR_small_RLE.dcm", "", ["+Wi", "1"]),
        ("JPEG-LL.dcm", "?window=500,1000", ["+Ww", "500", "1000"]),
        ("SC_rgb_rle.dcm", "", []),
        ("SC_ybr_full_uncompressed.dcm", "", []),
        ("examples_palette.dcm", "", []),
    ],
)
def test_a_picture_is_what_dcmtk_shows(
    house: WebHouse, name: str, query: str, options: list[str], tmp_path: Path
) -> None:
    ours, theirs = shown(house, name, query), dcmtk_shows(name, tmp_path, *options)
    assert ours.shape == theirs.shape
    # DCMTK turns YBR into RGB with whole numbers.
    tolerance = 2 if "ybr" in name else 1
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= tolerance


def test_without_a_window_of_its_own_an_image_is_shown_from_its_darkest_to_its_brightest(house: WebHouse) -> None:
    picture = shown(house, "CT_small.dcm")
    assert picture.shape == (128, 128) and picture.min() == 0 and picture.max() == 255


def test_a_picture_in_jpeg_is_nearly_the_picture_in_png(house: WebHouse) -> None:
    exact, lossy = shown(house, "JPEG2000.dcm"), shown(house, "JPEG2000.dcm", accept="image/jpeg")
    assert np.abs(exact.astype(int) - lossy.astype(int)).mean() < 3


def test_a_viewport_bounds_the_picture_and_keeps_its_shape(house: WebHouse) -> None:
    stored = pydicom.dcmread(real_file("SC_rgb_rle.dcm"), stop_before_pixels=True)
    picture = shown(house, "SC_rgb_rle.dcm", "?viewport=50,40")
    assert max(picture.shape[0] / 40, picture.shape[1] / 50) == 1
    assert picture.shape[0] / picture.shape[1] == pytest.approx(stored.Rows / stored.Columns, abs=0.03)


@pytest.mark.parametrize(
    "query",
    [
        "window=1",
        "window=a,b",
        "window=1,2,3",
        "window=1,0",
        "window=nan,1",
        "viewport=0,0",
        "viewport=1e9,1",
        "viewport=x",
    ],
)
def test_a_window_or_viewport_that_means_nothing_is_a_bad_request(house: WebHouse, query: str) -> None:
    assert house.get(f"{path_of(house.arrivals['CT_small.dcm'])}/rendered?{query}").status == 400


@pytest.mark.parametrize("accept", ["", 'multipart/related; type="image/jpeg"', "image/jpeg"])
def test_a_study_or_series_is_a_picture_of_each_instance_and_passes_over_what_has_none(
    house: WebHouse, accept: str
) -> None:
    study = "1.2.826.0.1.3680043.8.498.77"
    made = []
    for number, name in enumerate(("CT_small.dcm", "examples_palette.dcm", "reportsi.dcm"), 1):
        data_set = pydicom.dcmread(real_file(name))
        data_set.StudyInstanceUID, data_set.SeriesInstanceUID = study, f"{study}.{number}"
        data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = f"{study}.{number}.1"
        buffer = BytesIO()
        data_set.save_as(buffer)
        made.append(house.land([buffer.getvalue()])[0])

    answered = house.get(f"/studies/{study}/rendered?viewport=64,64", accept)
    assert answered.status == 200, answered.body
    assert answered.headers["content-type"].startswith('multipart/related; type="image/jpeg"')
    parts = parts_of(answered)
    alone = [house.get(f"{path_of(one)}/rendered?viewport=64,64", "image/jpeg").body for one in made[:2]]
    assert parts == [("image/jpeg", body) for body in alone]
    for one in made[:2]:
        assert (
            f"Content-Location: http://127.0.0.1:{house.port}/dicomweb{path_of(one)}/rendered\r\n".encode()
            in answered.body
        )

    series = house.get(f"/studies/{study}/series/{study}.2/rendered?viewport=64,64", accept)
    assert parts_of(series) == parts[1:]
    assert house.get(f"/studies/{study}/series/{study}.3/rendered", accept).status == 404
    assert house.get(f"/studies/{study}/rendered?window=1,0", accept).status == 400
    assert house.get(f"/studies/{study}0/rendered", accept).status == 404


def test_what_has_no_picture_and_what_no_peer_takes_is_refused(house: WebHouse) -> None:
    assert house.get(f"{path_of(house.arrivals['reportsi.dcm'])}/rendered").status == 404
    path = path_of(house.arrivals["CT_small.dcm"])
    assert house.get(f"{path}/rendered", "image/gif").status == 406
    assert house.get(f"{path}/frames/2/rendered").status == 404
    assert house.get(f"{path}/frames/1,1/rendered").status == 400
    assert house.get(f"{path}/frames/1/rendered").headers["content-type"] == "image/jpeg"
    # A bit a pixel: nothing that we make a picture of.
    assert house.get(f"{path_of(house.arrivals['liver_1frame.dcm'])}/rendered").status == 406
