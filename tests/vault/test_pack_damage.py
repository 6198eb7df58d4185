"""What must never cost a byte, and what must never pass unseen."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safelight.core.disk import DiskFailed, DiskFull, RealDisk
from safelight.core.errors import IntegrityError, SafelightError
from safelight.core.instance import LayoutKind, MemorySource, PixelLayout
from safelight.vault import codec
from safelight.vault.age import AgeWriter, NoKey
from safelight.vault.codec import Coder, Decoder
from safelight.vault.coding import Coding, FrameDamaged, Picture, Profile
from safelight.vault.pack_draft import PackUnreadable, verify_shallow
from safelight.vault.pack_format import PackDamaged, comment_for, index_from_json, index_to_json, place_of
from safelight.vault.pack_reader import PackReader, verify_deep
from safelight.vault.pack_writer import PackWriter
from safelight.vault.stream_pack import write_stream_pack
from safelight.vault.zip_stream import ZipStream
from support.packed import (
    KEY,
    RECIPIENTS,
    item,
    native,
    open_pack,
    read_whole,
    write_pack,
)

RANDOM = np.random.default_rng(99)
SMALL = {"max_examples": 60, "deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}

edges = st.integers(-5, 3000)
layouts = st.builds(
    PixelLayout,
    kind=st.sampled_from(LayoutKind),
    start=edges,
    end=edges,
    frames=st.integers(-1, 5),
    rows=st.integers(-1, 70),
    columns=st.integers(-1, 70),
    samples=st.sampled_from([0, 1, 2, 3, 4]),
    bits_allocated=st.sampled_from([0, 1, 8, 12, 16, 32, 64, 7]),
    bits_stored=st.integers(0, 70),
    signed=st.booleans(),
    planar=st.booleans(),
    photometric=st.sampled_from(["", "RGB", "MONOCHROME2", "YBR_FULL"]),
    fragments=st.lists(st.tuples(edges, edges), max_size=4).map(tuple),
)


@st.composite
def fitting(draw: st.DrawFn) -> tuple[PixelLayout, int]:
    """A layout whose numbers agree with each other, on bytes that have nothing to do with it."""
    rows, columns, frames = draw(st.integers(1, 60)), draw(st.integers(1, 60)), draw(st.integers(1, 4))
    samples, width = draw(st.sampled_from([1, 2, 3, 4])), draw(st.sampled_from([1, 2, 4, 8]))
    start = draw(st.integers(0, 300))
    end = start + rows * columns * samples * width * frames
    layout = PixelLayout(
        LayoutKind.NATIVE,
        start,
        end,
        frames,
        rows,
        columns,
        samples,
        width * 8,
        signed=draw(st.booleans()),
        planar=draw(st.booleans()),
        photometric=draw(st.sampled_from(["RGB", ""])),
    )
    return layout, end + draw(st.integers(0, 50))


@settings(**SMALL)
@given(st.lists(st.tuples(st.binary(max_size=2500), layouts), max_size=6), st.sampled_from(Profile), st.integers(0, 50))
def test_a_wrong_layout_never_costs_a_byte(
    tmp_path: Path, junk: list[tuple[bytes, PixelLayout]], profile: Profile, prefix: int
) -> None:
    samples = [(item(stored, min(prefix, len(stored))), stored, layout) for stored, layout in junk]
    reader = open_pack(tmp_path, write_pack(tmp_path, samples, profile).name)
    assert [read_whole(reader, position) for position in range(len(junk))] == [stored for stored, _ in junk]


@settings(**SMALL)
@given(fitting(), st.sampled_from(Profile), st.integers(0, 2**32), st.booleans())
def test_a_layout_that_fits_by_accident_never_costs_a_byte(
    tmp_path: Path, drawn: tuple[PixelLayout, int], profile: Profile, seed: int, noisy: bool
) -> None:
    layout, size = drawn
    draws = np.random.default_rng(seed)
    stored = draws.bytes(size) if noisy else draws.integers(0, 3, size, "u1").cumsum(dtype="u1").tobytes()
    reader = open_pack(tmp_path, write_pack(tmp_path, [(item(stored), stored, layout)], profile).name)
    assert read_whole(reader, 0) == stored


@pytest.mark.parametrize("failure", ["raises", "lies", "wrong shape"])
def test_a_codec_that_fails_or_lies_costs_compression_only(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.arange(64 * 64, dtype="<u2").reshape(1, 64, 64)
    other = codec._htj2k((array + 1).reshape(-1).view("u1"), _picture())

    def broken(plain: object, picture: Picture) -> bytes:
        if failure == "raises":
            raise MemoryError
        return other if failure == "lies" else other[: len(other) // 2]

    monkeypatch.setattr(codec, "_htj2k", broken)
    sample = native(array)
    sealed = write_pack(tmp_path, [sample])
    assert [part.coding for part in sealed.entries[0].parts] == [Coding.ZSTD]
    assert read_whole(open_pack(tmp_path, sealed.name), 0) == sample[1]


def _picture(**changes: object) -> Picture:
    return Picture(**{"rows": 64, "columns": 64, "samples": 1, "sample_bytes": 2} | changes)  # type: ignore[arg-type]


def test_any_flipped_bit_in_a_pack_is_found_with_and_without_the_key(tmp_path: Path) -> None:
    name = write_pack(tmp_path, [native(np.arange(40 * 40, dtype="<u2").reshape(1, 40, 40))] * 2).name
    path = tmp_path / place_of(name)
    good = path.read_bytes()
    places = [*range(600), *range(600, len(good), 29), len(good) - 1]
    for number, place in enumerate(place for place in places if place < len(good)):
        wrong = bytearray(good)
        wrong[place] ^= 1 << (number % 8)
        path.write_bytes(wrong)
        with pytest.raises(PackDamaged):
            verify_shallow(path, name)
        with pytest.raises((IntegrityError, NoKey)):
            _deep(bytes(wrong))
    path.write_bytes(good)
    assert verify_shallow(path, name) == len(good)


def _deep(cipher: bytes) -> None:
    for checked in verify_deep(PackReader(MemorySource(cipher), [KEY])):
        if checked.damage is not None:
            raise checked.damage


def test_a_pack_cut_anywhere_is_found(tmp_path: Path) -> None:
    name = write_pack(tmp_path, [native(RANDOM.integers(0, 9999, (3, 200, 200), "<u2"))]).name
    path = tmp_path / place_of(name)
    good = path.read_bytes()
    for cut in (0, 1, 100, 300, 400, 65_536, 66_000, 131_500, len(good) // 2, len(good) - 17, len(good) - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(PackDamaged):
            verify_shallow(path, name)
        with pytest.raises(IntegrityError):
            _deep(good[:cut])
    path.unlink()
    with pytest.raises(PackUnreadable):
        verify_shallow(path, name)


def forged(index: bytes, members: bytes = b"") -> PackReader:
    """A pack by somebody who knows the public key and writes what he likes."""
    cipher = bytearray()
    age = AgeWriter(cipher.extend, RECIPIENTS)
    archive = ZipStream(age.write)
    archive.add("f/000000.raw", members)
    offset = archive.add("index.json.zst", index)
    archive.close(comment_for(offset, len(index)))
    age.close()
    return PackReader(MemorySource(bytes(cipher)), [KEY])


def good_index(tmp_path: Path) -> dict[str, object]:
    sealed = write_pack(tmp_path, [native(RANDOM.integers(0, 99, (2, 40, 40), "<u2"))])
    reader = open_pack(tmp_path, sealed.name)
    return json.loads(index_to_json(reader.index))


Spoiler = Callable[[dict[str, object]], object]

SPOILERS: dict[str, Spoiler] = {
    "no format": lambda index: index.pop("format"),
    "another format": lambda index: index.update(format="x"),
    "a later version": lambda index: index.update(version=2),
    "instances not a list": lambda index: index.update(instances=3),
    "headers astray": lambda index: index["headers"].update(offset=10**15),
    "headers of a size": lambda index: index["headers"].update(length=10**15),
    "headers negative": lambda index: index["headers"].update(stored=-1),
    "no headers": lambda index: index.pop("headers"),
    "refers to a path": lambda index: index.update(refers_to=["../../etc/passwd"]),
    "runs that do not add up": lambda index: index["instances"][0].update(runs=[1]),
    "an even number of runs": lambda index: index["instances"][0].update(runs=[index["instances"][0]["size"], 0]),
    "negative runs": lambda index: index["instances"][0].update(runs=[-1, 1, index["instances"][0]["size"]]),
    "no digest": lambda index: index["instances"][0].pop("sha256"),
    "half a digest": lambda index: index["instances"][0].update(sha256="00"),
    "another digest": lambda index: index["instances"][0].update(sha256="00" * 32),
    "another prefix": lambda index: index["instances"][0].update(prefix_size=2, prefix_sha256="00" * 32),
    "a part astray": lambda index: index["instances"][0]["parts"][0].__setitem__(1, 10**15),
    "a part elsewhere": lambda index: index["instances"][0]["parts"][0].__setitem__(1, 3),
    "an unknown coding": lambda index: index["instances"][0]["parts"][0].__setitem__(0, "rar"),
    "another coding": lambda index: index["instances"][0]["parts"][0].__setitem__(0, "jls"),
    "a picture of nothing": lambda index: index["instances"][0]["picture"].update(rows=0),
    "a huge picture": lambda index: index["instances"][0]["picture"].update(rows=10**9),
    "no picture": lambda index: index["instances"][0].pop("picture"),
    "a bad time": lambda index: index["instances"][0]["received"].__setitem__(0, "yesterday"),
    "a bad way": lambda index: index["instances"][0]["received"].__setitem__(1, "by magic"),
    "pixels nowhere": lambda index: index["instances"][0].update(same_pixels_as=["", 0]),
    "header from beyond": lambda index: index["instances"][0].update(header_offset=10**9),
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_an_index_that_lies_is_damage_and_never_a_crash(spoiler: str, tmp_path: Path) -> None:
    index = good_index(tmp_path)
    SPOILERS[spoiler](index)
    with pytest.raises(IntegrityError):
        _deep_of(lambda: forged(zstandard.compress(json.dumps(index).encode()), RANDOM.bytes(5000)))


def _deep_of(opener: Callable[[], PackReader]) -> None:
    for checked in verify_deep(opener()):
        if checked.damage is not None:
            raise checked.damage


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"\xff",
        b"not zstd",
        zstandard.compress(b""),
        zstandard.compress(b"[" * 100_000),
        zstandard.compress(b"null"),
    ],
)
def test_bytes_that_are_no_index_are_damage(index: bytes) -> None:
    with pytest.raises(PackDamaged):
        forged(index)


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=9)
documents = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner))


@settings(max_examples=80)
@given(documents)
def test_any_other_json_is_damage(document: object) -> None:
    with pytest.raises(PackDamaged):
        index_from_json(json.dumps(document).encode())


def test_a_small_member_cannot_decode_to_a_large_one() -> None:
    decoder = Decoder()
    bomb = zstandard.compress(bytes(50_000_000))
    for length in (10, 100_000):
        with pytest.raises(FrameDamaged):
            decoder.decode(Coding.ZSTD, bomb, length, None)
    coder = Coder(Profile.DEFAULT)
    big = coder.code_frame(np.arange(512 * 512, dtype="<u2").tobytes(), _picture(rows=512, columns=512))
    assert big.coding is Coding.HTJ2K
    for picture in (_picture(), _picture(rows=0), None):
        with pytest.raises(FrameDamaged):
            decoder.decode(Coding.HTJ2K, big.stored, 64 * 64 * 2, picture)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PackDamaged):
        forged(zstandard.ZstdCompressor().compress(bytes(10)) + bytes(10) + zstandard.compress(bytes(1 << 26)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("coding", [Coding.HTJ2K, Coding.JPEG_LS, *(c for c in Coding if c.extension == "zst")])
def test_a_damaged_frame_is_an_error_of_ours(coding: Coding) -> None:
    picture = _picture(sample_bytes=1)
    frame = RANDOM.integers(0, 9, 4096, "u1").tobytes()
    coder = Coder(Profile.SMALL if coding is Coding.JPEG_LS else Profile.DEFAULT)
    stored = bytes(coder.code_frame(frame, picture).stored) if coding.extension != "zst" else zstandard.compress(frame)
    for place in range(0, len(stored), 37):
        wrong = bytearray(stored)
        wrong[place] ^= 0xFF
        try:
            plain = Decoder().decode(coding, bytes(wrong), 4096, picture, memoryview(frame))
        except FrameDamaged:
            continue
        assert len(plain) == 4096


class FailingDisk(RealDisk):
    """A disk that fails at the n-th call that changes it, and from then on."""

    def __init__(self, calls: int, failure: SafelightError) -> None:
        self.left = calls
        self.failure = failure

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise self.failure

    def write(self, descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        self._spend()
        super().write(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        self._spend()
        super().sync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._spend()
        super().rename(source, target)

    def sync_directory(self, path: Path) -> None:
        self._spend()
        super().sync_directory(path)


@pytest.mark.parametrize("failure", [DiskFull(where="x"), DiskFailed(where="x")])
@pytest.mark.parametrize("stream", [False, True])
def test_a_disk_that_fails_at_any_call_leaves_only_whole_packs_and_drafts(
    failure: SafelightError, stream: bool, tmp_path: Path
) -> None:
    sample = native(RANDOM.integers(0, 60_000, (1, 200, 200), "<u2"))

    def attempt(disk: RealDisk, directory: Path) -> None:
        if stream:
            write_stream_pack(directory, disk, RECIPIENTS, kind="journal", name="1", chunks=[sample[1]])
            return
        writer = PackWriter(directory, disk, RECIPIENTS)
        try:
            writer.add(sample[0], MemorySource(sample[1]), sample[2])
            writer.seal()
        finally:
            writer.abandon()

    for calls in range(40):
        directory = tmp_path / str(calls)
        directory.mkdir()
        disk = FailingDisk(calls, failure)
        try:
            attempt(disk, directory)
        except type(failure):
            named = [path for path in directory.rglob("*") if path.is_file()]
            assert all(verify_shallow(path, path.name[:64]) for path in named)
            continue
        break
    assert 7 < calls < 39
    assert len([path for path in directory.rglob("*") if path.is_file()]) == 1


def test_the_bytes_are_durable_before_the_name_and_the_name_before_the_answer(tmp_path: Path) -> None:
    told: list[str] = []

    class Telling(RealDisk):
        def write(self, descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
            told.append("write")
            super().write(descriptor, data, offset)

        def sync(self, descriptor: int) -> None:
            told.append("sync")
            super().sync(descriptor)

        def rename(self, source: Path, target: Path) -> None:
            told.append("rename")
            super().rename(source, target)

        def sync_directory(self, path: Path) -> None:
            told.append(f"sync {path.name if path != tmp_path else 'packs'}")
            super().sync_directory(path)

    writer = PackWriter(tmp_path, Telling(), RECIPIENTS)
    sealed = writer.seal()
    last_write = len(told) - told[::-1].index("write")
    assert told[last_write:] == ["sync packs", "sync", "rename", f"sync {sealed.name[:2]}", "sync packs"]


def test_a_pack_for_nobody_leaves_no_draft(tmp_path: Path) -> None:
    with pytest.raises(NoKey):
        PackWriter(tmp_path, RealDisk(), [])
    assert list(tmp_path.iterdir()) == []


GIGABYTE = """
import resource, sys
from pathlib import Path
import numpy as np
from safelight.core.disk import RealDisk
from safelight.core.instance import LayoutKind, PixelLayout
from safelight.vault.age import Identity
from safelight.vault.pack_format import place_of
from safelight.vault.pack_reader import PackReader
from safelight.vault.pack_writer import PackWriter
from support.packed import item
import hashlib, os, dataclasses

class Endless:
    size = 2000 * 512 * 512 * 2 + 100
    still = np.random.default_rng(1).integers(-2, 3, (512, 512)).cumsum(1).astype("<i2").tobytes()
    def read(self, offset, length):
        length = max(0, min(length, self.size - offset))
        begin = offset % len(self.still)
        return (self.still * (length // len(self.still) + 2))[begin:begin + length]

class File:
    def __init__(self, path):
        self.descriptor, self.size = os.open(path, os.O_RDONLY), path.stat().st_size
    def read(self, offset, length):
        return os.pread(self.descriptor, length, offset)

source, key, directory = Endless(), Identity.generate(), Path(sys.argv[1])
hasher = hashlib.sha256()
for offset in range(0, source.size, 1 << 20):
    hasher.update(source.read(offset, 1 << 20))
known = dataclasses.replace(item(b""), digest=hasher.digest())
layout = PixelLayout(LayoutKind.NATIVE, 100, source.size, 2000, 512, 512, 1, 16, 16, True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
writer = PackWriter(directory, RealDisk(), [key.recipient])
writer.add(known, source, layout)
sealed = writer.seal()
written = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for piece in PackReader(File(directory / place_of(sealed.name)), [key]).read(0):
    pass
read = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((written - before) // 1024, (read - before) // 1024, len(sealed.entries[0].parts))
"""


@pytest.mark.slow
def test_an_instance_of_a_gigabyte_is_packed_and_read_in_little_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIGABYTE, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    written, read, frames = map(int, done.stdout.split())
    assert frames == 2000
    assert written < 150
    assert read < 150
