import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from safelight.core.disk import RealDisk
from safelight.core.instance import Head
from safelight.vault.coding import Coding, Profile
from safelight.vault.pack_format import PixelReference, place_of
from safelight.vault.rescue_files import NAMES, rescue_files
from safelight.vault.stream_pack import write_stream_pack
from support.packed import (
    KEY,
    NO_PIXELS,
    RECIPIENTS,
    RECOVERY,
    Sample,
    item,
    native,
    sample_of_file,
    write_pack,
)
from support.real_files import all_files, real_file

RANDOM = np.random.default_rng(7)
SHAPES = {
    "signed words": ("<i2", (2, 101, 91)),
    "unsigned words": ("<u2", (1, 101, 91)),
    "signed bytes": ("i1", (1, 101, 91)),
    "bytes": ("u1", (1, 101, 91)),
    "colour": ("u1", (2, 101, 91, 3)),
    "colour in words": ("<u2", (1, 101, 91, 3)),
    "signed colour": ("<i2", (1, 101, 91, 3)),
    "double words": ("<u4", (1, 101, 91)),
    "one pixel": ("<u2", (1, 1, 1)),
    "one line": ("<i2", (1, 1, 300)),
    "a thumbnail": ("<i2", (1, 16, 16)),
    "the smallest image": ("<i2", (1, 32, 32)),
    "a ribbon": ("<i2", (1, 32, 999)),
}


def drawn(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Smooth enough for the image codecs to win, and reaching both ends of the range."""
    bounds = np.iinfo(dtype)
    ramp = np.linspace(bounds.min, bounds.max, int(np.prod(shape[1:3]))).reshape(shape[1:3])
    picture = np.broadcast_to(ramp[None, ..., None] if len(shape) == 4 else ramp[None], shape)
    jitter = RANDOM.integers(-2, 3, size=shape)
    return (picture + jitter).clip(bounds.min, bounds.max).astype(dtype)


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A placement as another machine finds it: packs, README.txt, rescue.py, and a key on a stick."""
    for name, content in rescue_files().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "key.txt").write_text(f"# the recovery key\n{RECOVERY.text}\n")
    (tmp_path / "packs").mkdir()
    return tmp_path


def rescue(vault: Path, *options: str, path: str = "/usr/bin:/bin") -> "subprocess.CompletedProcess[str]":
    """Run it as on a machine that never had Safelight or any library."""
    command = [sys.executable, "-I", "-S", vault / "rescue.py", "--key", vault / "key.txt", "--packs", vault / "packs"]
    environment = {"PATH": path, "LC_ALL": "C.UTF-8"}
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False, env=environment, cwd="/")


def rescued(out: Path) -> dict[str, bytes]:
    """Every file written, by the SHA-256 that its name begins the version with, data set or whole."""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def data_sets(out: Path) -> list[bytes]:
    """What stands behind the file meta that rescue gave to instances without one."""
    found = []
    for content in rescued(out).values():
        meta_length = int.from_bytes(content[140:144], "little")
        found.append(content[144 + meta_length :])
    return found


@pytest.mark.parametrize("profile", list(Profile))
def test_every_kind_of_pixels_is_recovered_exactly_with_debians_own_tools(profile: Profile, vault: Path) -> None:
    samples = [
        native(drawn(dtype, shape), planar=planar and len(shape) == 4, photometric=photometric)
        for dtype, shape in SHAPES.values()
        for planar in (False, True)
        for photometric in ("RGB", "YBR_FULL")
    ]
    sealed = write_pack(vault / "packs", samples, profile)
    codings = [part.coding for entry in sealed.entries for part in entry.parts]
    assert codings.count(Coding.HTJ2K if profile is Profile.DEFAULT else Coding.JPEG_LS) > len(codings) // 3
    done = rescue(vault, "--out", str(vault / "out"))
    assert done.returncode == 0, done.stderr
    found = data_sets(vault / "out")
    assert all(stored in found for _, stored, _ in samples)


@pytest.mark.parametrize("profile", list(Profile))
def test_real_files_come_back_as_they_were(profile: Profile, vault: Path) -> None:
    files = [path for path in all_files() if path.stat().st_size < 300_000][::3]
    files += [real_file("CT_small.dcm"), real_file("MR_small.dcm")]
    write_pack(vault / "packs", [sample_of_file(path) for path in files], profile)
    done = rescue(vault, "--out", str(vault / "out"))
    assert done.returncode == 0, done.stderr
    found = {hashlib.sha256(content).digest() for content in rescued(vault / "out").values()}
    without_prefix = {path.name for path in files if hashlib.sha256(path.read_bytes()).digest() not in found}
    # Only a file that began with its data set gained a file meta.
    for name in without_prefix:
        assert any(content.endswith(real_file(name).read_bytes()) for content in rescued(vault / "out").values())
    assert len(without_prefix) < len(files) // 4


def test_an_instance_from_the_network_becomes_a_file_that_others_open(vault: Path) -> None:
    path = real_file("CT_small.dcm")
    known, stored, _ = sample_of_file(path)
    bare = stored[known.wrapper.prefix_size :]
    write_pack(vault / "packs", [(item(bare, head=known.head), bare, NO_PIXELS)])
    assert rescue(vault, "--out", str(vault / "out")).returncode == 0
    (written,) = (vault / "out").rglob("*.dcm")
    assert written.read_bytes().endswith(bare)
    assert written.relative_to(vault / "out").parts[:2] == (known.head.study, known.head.series)
    assert (pydicom.dcmread(written).pixel_array == pydicom.dcmread(path).pixel_array).all()
    subprocess.run(["/usr/bin/dcmftest", written], check=True, capture_output=True)


def test_cines_references_and_opaque_streams_are_followed(vault: Path) -> None:
    frames = np.repeat(RANDOM.integers(0, 256, (1, 64, 63), "u1"), 20, axis=0)
    frames[:, 5, :] = np.arange(20, dtype="u1")[:, None]
    cine = native(frames)
    again = native(frames, around=77)
    junk = RANDOM.bytes(200_000) + bytes(100_000)
    opaque = (item(junk, head=Head("", "", "", "", "", ""), opaque=True), junk, NO_PIXELS)
    first = write_pack(vault / "packs", [cine, opaque])
    write_pack(vault / "packs", [again, again], at_0=PixelReference(first.name, 0), at_1=PixelReference("", 0))
    assert any(part.coding.value == "zst+delta" for part in first.entries[0].parts)
    done = rescue(vault, "--out", str(vault / "out"))
    assert done.returncode == 0, done.stderr
    found = data_sets(vault / "out")
    assert cine[1] in found
    assert again[1] in found
    assert rescued(vault / "out")[f"not-dicom/{hashlib.sha256(junk).hexdigest()}"] == junk


def of_study(study: str, sample: Sample) -> Sample:
    _, stored, layout = sample
    head = Head("1.2.840.10008.1.2.1", "1.2.3", f"{study}.9", study, f"{study}.1", "OT")
    return item(stored, head=head), stored, layout


def test_one_study_or_a_list_can_be_asked_for(vault: Path) -> None:
    samples = [of_study(study, native(drawn("<u2", (1, 9, 9)), around=n)) for n, study in enumerate(("1.2", "1.3"))]
    sealed = write_pack(vault / "packs", samples)
    write_stream_pack(vault / "packs", RealDisk(), RECIPIENTS, kind="journal", name="1-40", chunks=[b"facts\n"])
    listed = rescue(vault, "--list").stdout.splitlines()
    assert len(listed) == 3
    assert any(f"sha256 {samples[0][0].digest.hex()} pack {sealed.name}" in line for line in listed)
    done = rescue(vault, "--study", "1.3", "--out", str(vault / "out"))
    assert done.returncode == 0
    (path,) = rescued(vault / "out")
    assert path.startswith("1.3/1.3.1/1.3.9-")
    assert rescue(vault, "--study", "9.9", "--out", str(vault / "out")).returncode == 1
    assert rescue(vault, "--out", str(vault / "all")).returncode == 0
    assert rescued(vault / "all")["streams/journal/1-40"] == b"facts\n"


def test_names_a_stranger_chose_stay_inside_the_directory(vault: Path) -> None:
    _, stored, layout = native(drawn("<u2", (1, 9, 9)))
    head = Head("1.2.840.10008.1.2.1", "1.2", "../../x", "/etc", "..", "OT")
    write_pack(vault / "packs", [(item(stored, head=head), stored, layout)])
    assert rescue(vault, "--out", str(vault / "out")).returncode == 0
    (path,) = rescued(vault / "out")
    assert path.startswith("no-study/no-series/no-uid-")


def test_what_is_damaged_or_missing_is_named_and_the_rest_comes_out(vault: Path) -> None:
    pixels = drawn("<u2", (1, 99, 99))
    first = write_pack(vault / "packs", [native(pixels)])
    write_pack(
        vault / "packs", [native(pixels, around=3), native(pixels, around=4)], at_0=PixelReference(first.name, 0)
    )
    path = vault / "packs" / place_of(first.name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = rescue(vault, "--out", str(vault / "out"))
    assert done.returncode == 1
    assert f"LOST pack {first.name}" in done.stderr
    assert done.stderr.splitlines()[-1] == "written 1, lost 2"
    path.unlink()
    assert f"pack {first.name} is not here" in rescue(vault, "--out", str(vault / "out")).stderr
    assert len(rescued(vault / "out")) == 1


def test_a_missing_program_or_a_wrong_key_is_told(vault: Path) -> None:
    write_pack(vault / "packs", [native(drawn("<u2", (1, 64, 64)))], Profile.SMALL)
    tools = vault / "tools"
    tools.mkdir()
    for name in ("age", "zstd"):
        os.symlink(shutil.which(name, path="/usr/bin") or "", tools / name)
    done = rescue(vault, "--out", str(vault / "out"), path=str(tools))
    assert done.returncode == 1
    assert "dcmdjpls" in done.stderr
    (vault / "key.txt").write_text(KEY.text + "\n")
    assert rescue(vault, "--list").returncode == 0
    (vault / "key.txt").write_text("AGE-SECRET-KEY-1WRONG\n")
    assert "age failed" in rescue(vault, "--list").stderr


def test_the_files_for_the_rescue_are_shipped() -> None:
    assert tuple(rescue_files()) == NAMES
    assert b"import safelight" not in rescue_files()["rescue.py"]
    assert b"from safelight" not in rescue_files()["rescue.py"]
