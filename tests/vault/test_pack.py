import hashlib
import io
import random
import subprocess
import zipfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from blake3 import blake3

from safelight.core.disk import RealDisk
from safelight.core.instance import LayoutKind, MemorySource, PixelLayout
from safelight.vault.age import AgeReader, Identity, NoKey
from safelight.vault.anatomy import CutLimits, pixel_digest
from safelight.vault.coding import Coding, Profile
from safelight.vault.pack_draft import sweep_drafts, verify_shallow
from safelight.vault.pack_format import DigestMismatch, PackDamaged, PixelReference, place_of
from safelight.vault.pack_reader import PackReader, ReferenceMissing, verify_deep
from safelight.vault.pack_writer import PackWriter
from safelight.vault.stream_pack import write_stream_pack
from support.packed import (
    KEY,
    NO_PIXELS,
    RECIPIENTS,
    RECOVERY,
    ciphertext,
    item,
    native,
    open_pack,
    read_whole,
    sample_of_file,
    write_pack,
)
from support.real_files import all_files, real_file

RANDOM = np.random.default_rng(20260304)


def smooth(*shape: int, dtype: str, low: int = 0, high: int = 255) -> np.ndarray:
    steps = RANDOM.integers(-2, 3, size=shape).cumsum(axis=2) + (low + high) // 2
    return steps.clip(low, high).astype(dtype)


def noise(*shape: int, dtype: str) -> np.ndarray:
    bounds = np.iinfo(dtype)
    return RANDOM.integers(bounds.min, bounds.max, size=shape, dtype=dtype, endpoint=True)


ARRAYS = {
    "CT, signed": smooth(1, 65, 101, dtype="<i2", low=-1024, high=3071),
    "MR, unsigned": smooth(1, 64, 64, dtype="<u2", high=4095),
    "whole range": noise(1, 32, 33, dtype="<i2"),
    "whole unsigned range": noise(3, 32, 33, dtype="<u2"),
    "signed bytes": noise(1, 31, 17, dtype="i1"),
    "odd bytes": smooth(1, 31, 17, dtype="u1"),
    "colour": smooth(2, 40, 50, 3, dtype="u1"),
    "colour in words": noise(2, 10, 11, 3, dtype="<u2"),
    "dose in double words": smooth(4, 30, 31, dtype="<u4", high=2**31),
    "double words of noise": noise(2, 30, 31, dtype="<u4"),
    "four samples": noise(1, 8, 8, 4, dtype="u1"),
    "one pixel": noise(1, 1, 1, dtype="<u2"),
    "one line": smooth(1, 1, 500, dtype="<u2", high=4000),
    "one column": smooth(1, 500, 1, dtype="<u2", high=4000),
    "empty black": np.zeros((5, 100, 100), "u1"),
}


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("planar", [False, True])
def test_pixels_of_every_kind_come_back_byte_for_byte(profile: Profile, planar: bool, tmp_path: Path) -> None:
    samples = [
        native(array, photometric=photometric, planar=planar and array.ndim == 4, around=around)
        for array in ARRAYS.values()
        for photometric in ("RGB", "YBR_FULL")
        for around in (10, 11)
    ]
    sealed = write_pack(tmp_path, samples, profile)
    reader = open_pack(tmp_path, sealed.name)
    for position, (_, stored, layout) in enumerate(samples):
        assert read_whole(reader, position) == stored
        frame_bytes = (layout.end - layout.start) // layout.frames
        for number in range(layout.frames):
            begin = layout.start + number * frame_bytes
            assert reader.frame(position, number) == stored[begin : begin + frame_bytes]
    assert [checked.damage for checked in verify_deep(reader)] == [None] * len(samples)


@pytest.mark.parametrize("profile", list(Profile))
def test_every_file_of_pydicom_comes_back_byte_for_byte(profile: Profile, tmp_path: Path) -> None:
    files = all_files()
    assert len(files) > 150
    samples = [sample_of_file(path) for path in files]
    sealed = write_pack(tmp_path, samples, profile)
    assert sealed.raw_bytes == sum(path.stat().st_size for path in files)
    reader = open_pack(tmp_path, sealed.name)
    for position, (known, stored, _) in enumerate(samples):
        assert read_whole(reader, position) == stored
        entry = reader.entries()[position]
        assert entry == sealed.entries[position]
        assert entry.holding(sealed.name, position, known.head).head == known.head
        assert entry.receipt == known.receipt
        assert stored.startswith(reader.header(position))
        assert_ranges_are_those_of(stored, reader, position)


def assert_ranges_are_those_of(stored: bytes, reader: PackReader, position: int) -> None:
    source, outline = reader.source(position), reader.source(position, pixels=False)
    assert source.size == outline.size == len(stored)
    dice = random.Random(position)
    for _ in range(20):
        start, length = dice.randrange(len(stored) + 10), dice.choice((0, 1, 7, 4096, 2**20))
        assert source.read(start, length) == stored[start : start + length]
    # What is not zero is what was stored: pixels may be missing, nothing else may.
    mine, theirs = np.frombuffer(outline.read(0, len(stored)), "u1"), np.frombuffer(stored, "u1")
    assert np.all((mine == 0) | (mine == theirs))


@pytest.mark.parametrize(
    ("name", "profile", "coding"),
    [
        ("CT_small.dcm", Profile.DEFAULT, Coding.HTJ2K),
        ("CT_small.dcm", Profile.SMALL, Coding.JPEG_LS),
        ("MR_small.dcm", Profile.DEFAULT, Coding.HTJ2K),
        ("JPEGLSNearLossless_16.dcm", Profile.DEFAULT, Coding.RAW),
    ],
)
def test_each_profile_uses_its_codec_and_what_is_compressed_stays_as_it_is(
    name: str, profile: Profile, coding: Coding, tmp_path: Path
) -> None:
    sealed = write_pack(tmp_path, [sample_of_file(real_file(name))], profile)
    assert [part.coding for part in sealed.entries[0].parts] == [coding]


@pytest.mark.parametrize(
    "array",
    [
        smooth(1, 130, 131, dtype="<u2", high=4095),
        smooth(1, 130, 131, dtype="<i2", low=-1024, high=3071),
        np.repeat(smooth(1, 130, 131, 1, dtype="u1"), 3, axis=3) ^ noise(1, 130, 131, 3, dtype="u1") % 4,
    ],
)
def test_another_jpeg_2000_decoder_agrees_on_what_stands_as_a_frame(array: np.ndarray, tmp_path: Path) -> None:
    sealed = write_pack(tmp_path, [native(array, photometric="RGB")])
    frame = open_pack(tmp_path, sealed.name).coded_frame(0, 0)
    assert frame.coding is Coding.HTJ2K
    decoded = imagecodecs.jpeg2k_decode(bytes(frame.stored))
    assert decoded.dtype == array.dtype
    assert (decoded == array[0]).all()


def test_a_cine_is_kept_as_differences_with_a_key_frame_now_and_then(tmp_path: Path) -> None:
    still = noise(1, 64, 64, dtype="u1")
    frames = np.repeat(still, 40, axis=0)
    for number in range(40):
        frames[number, number, :] = number
    frames[25] = noise(1, 64, 64, dtype="u1")
    sample = native(frames)
    sealed = write_pack(tmp_path, [sample])
    codings = [part.coding for part in sealed.entries[0].parts]
    assert codings.count(Coding.ZSTD_DELTA) > 30
    assert codings[0] is not Coding.ZSTD_DELTA
    assert codings[16] is not Coding.ZSTD_DELTA
    reader = open_pack(tmp_path, sealed.name)
    for number in (39, 3, 17, 26):
        assert reader.frame(0, number) == frames[number].tobytes()
    assert read_whole(reader, 0) == sample[1]


def test_one_slice_of_a_series_costs_few_and_small_reads(tmp_path: Path) -> None:
    class Counting:
        def __init__(self, data: bytes) -> None:
            self.data, self.size, self.reads = data, len(data), []

        def read(self, offset: int, length: int) -> bytes:
            piece = self.data[offset : offset + length]
            self.reads.append(len(piece))
            return piece

    slices = [native(smooth(1, 512, 512, dtype="<i2", low=-1000, high=2000), around=2000 + 2 * n) for n in range(24)]
    sealed = write_pack(tmp_path, slices)
    source = Counting(ciphertext(tmp_path, sealed.name))
    assert b"".join(PackReader(source, [KEY]).read(7)) == slices[7][1]
    assert len(source.reads) <= 4
    assert sum(source.reads) <= 500_000


def test_what_cannot_be_taken_apart_is_kept_as_a_stream(tmp_path: Path) -> None:
    pixels = noise(1, 64, 64, dtype="<u2")
    known, stored, _ = native(pixels)
    size = len(stored)
    wrong = [
        NO_PIXELS,
        PixelLayout(LayoutKind.NATIVE, start=20, end=10, frames=1, rows=1, columns=1, bits_allocated=8),
        PixelLayout(LayoutKind.NATIVE, start=-5, end=10, frames=1, rows=5, columns=3, bits_allocated=8),
        PixelLayout(LayoutKind.NATIVE, start=0, end=size + 1, frames=1, rows=1, columns=size + 1, bits_allocated=8),
        PixelLayout(LayoutKind.NATIVE, start=0, end=0),
        PixelLayout(LayoutKind.ENCAPSULATED),
        PixelLayout(LayoutKind.ENCAPSULATED, fragments=((50, 60), (55, 70))),
        PixelLayout(LayoutKind.ENCAPSULATED, fragments=((50, 60), (70, size + 4))),
    ]
    sealed = write_pack(tmp_path, [(known, stored, layout) for layout in wrong])
    reader = open_pack(tmp_path, sealed.name)
    for position in range(len(wrong)):
        assert read_whole(reader, position) == stored
        assert sealed.entries[position].pixel_digest is None


def test_a_frame_over_the_limit_and_headers_over_the_limit_are_kept_in_pieces(tmp_path: Path) -> None:
    limits = CutLimits(frame_bytes_max=10_000, header_bytes_max=5_000, piece_bytes=3_000, stream_header_bytes=500)
    samples = [native(smooth(2, 100, 90, dtype="<u2", high=900), around=around) for around in (100, 6_000)]
    writer = PackWriter(tmp_path, RealDisk(), RECIPIENTS, limits=limits)
    for known, stored, layout in samples:
        writer.add(known, MemorySource(stored), layout)
    reader = open_pack(tmp_path, writer.seal().name)
    for position, (_, stored, _) in enumerate(samples):
        assert read_whole(reader, position) == stored
        assert max(part.length for part in reader.entries()[position].parts) <= 3_000


def test_the_pixel_digest_is_that_of_the_pixel_bytes_wherever_it_is_asked(tmp_path: Path) -> None:
    array = smooth(3, 20, 30, dtype="<u2", high=900)
    known, stored, layout = native(array)
    sealed = write_pack(tmp_path, [(known, stored, layout)])
    expected = blake3(array.tobytes()).digest()
    assert pixel_digest(MemorySource(stored), layout) == expected
    assert sealed.entries[0].pixel_digest == expected
    assert [part.digest for part in sealed.entries[0].parts] == [blake3(frame.tobytes()).digest() for frame in array]
    assert pixel_digest(MemorySource(stored), NO_PIXELS) is None


def test_the_same_pixels_under_another_identity_cost_only_a_header(tmp_path: Path) -> None:
    array = noise(1, 256, 256, dtype="<u2")
    first = native(array, around=200)
    again = native(array, around=201)
    old = write_pack(tmp_path, [first])
    new = write_pack(tmp_path, [again, again], at_0=PixelReference(old.name, 0), at_1=PixelReference("", 0))
    assert new.refers_to == (old.name,)
    assert new.size_bytes < 3_000
    reader = open_pack(tmp_path, new.name)
    for position in (0, 1):
        assert read_whole(reader, position) == again[1]
        assert reader.frame(position, 0) == array.tobytes()
        assert new.entries[position].pixel_digest == old.entries[0].pixel_digest
    assert new.entries[0].holding(new.name, 0).refers_to == old.name
    assert new.entries[1].holding(new.name, 1).refers_to is None
    lonely = PackReader(MemorySource(ciphertext(tmp_path, new.name)), [KEY])
    with pytest.raises(ReferenceMissing):
        read_whole(lonely, 0)
    assert lonely.header(0) == again[1][:201]


def test_a_reference_to_other_pixels_is_found_when_it_is_read(tmp_path: Path) -> None:
    first, other = native(noise(1, 64, 64, dtype="<u2")), native(noise(1, 64, 64, dtype="<u2"))
    old = write_pack(tmp_path, [first])
    new = write_pack(tmp_path, [other], at_0=PixelReference(old.name, 0))
    with pytest.raises(DigestMismatch):
        read_whole(open_pack(tmp_path, new.name), 0)


def test_references_in_a_circle_are_damage(tmp_path: Path) -> None:
    sample = native(noise(1, 64, 64, dtype="<u2"))
    sealed = write_pack(tmp_path, [sample, sample], at_0=PixelReference("", 1), at_1=PixelReference("", 0))
    with pytest.raises(PackDamaged):
        read_whole(open_pack(tmp_path, sealed.name), 0)


def test_a_source_that_does_not_hash_to_its_digest_is_refused_and_the_pack_goes_on(tmp_path: Path) -> None:
    good, bad = native(noise(1, 64, 64, dtype="<u2")), native(noise(1, 64, 64, dtype="<u2"))
    writer = PackWriter(tmp_path, RealDisk(), RECIPIENTS)
    with pytest.raises(DigestMismatch):
        writer.add(bad[0], MemorySource(good[1]), bad[2])
    short = MemorySource(bad[1][:-3])
    with pytest.raises(DigestMismatch):
        writer.add(bad[0], short, bad[2])
    assert writer.add(good[0], MemorySource(good[1]), good[2]).position == 0
    sealed = writer.seal()
    assert len(sealed.entries) == 1
    assert read_whole(open_pack(tmp_path, sealed.name), 0) == good[1]


def test_the_last_piece_is_withheld_when_the_digest_does_not_hold(tmp_path: Path) -> None:
    first, other = native(noise(4, 64, 64, dtype="<u2")), native(noise(4, 64, 64, dtype="<u2"))
    old = write_pack(tmp_path, [first])
    new = write_pack(tmp_path, [other], at_0=PixelReference(old.name, 0))
    given = b""
    with pytest.raises(DigestMismatch):
        for piece in open_pack(tmp_path, new.name).read(0):
            given += piece
    assert len(given) < len(other[1])


def test_a_pack_is_named_by_its_ciphertext_and_verified_without_a_key(tmp_path: Path) -> None:
    sealed = write_pack(tmp_path, [native(ARRAYS["MR, unsigned"])])
    path = tmp_path / place_of(sealed.name)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sealed.name
    assert path.stat().st_size == sealed.size_bytes
    assert path.stat().st_mode & 0o777 == 0o600
    assert verify_shallow(path, sealed.name) == sealed.size_bytes


def test_both_keys_open_a_pack_and_no_other_does(tmp_path: Path) -> None:
    sample = native(ARRAYS["MR, unsigned"])
    sealed = write_pack(tmp_path, [sample])
    assert read_whole(open_pack(tmp_path, sealed.name, RECOVERY), 0) == sample[1]
    with pytest.raises(NoKey):
        open_pack(tmp_path, sealed.name, Identity.generate())


def test_a_pack_of_nothing_can_be_read(tmp_path: Path) -> None:
    assert open_pack(tmp_path, write_pack(tmp_path, []).name).entries() == ()
    empty = (item(b"", opaque=True), b"", NO_PIXELS)
    assert read_whole(open_pack(tmp_path, write_pack(tmp_path, [empty]).name), 0) == b""


def test_the_plaintext_is_a_zip_that_others_read(tmp_path: Path) -> None:
    sealed = write_pack(tmp_path, [native(array) for array in ARRAYS.values()])
    source = AgeReader(MemorySource(ciphertext(tmp_path, sealed.name)), [KEY])
    plain = bytes(source.read(0, source.size))
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        offsets = {member.filename: member for member in archive.infolist()}
    assert names[-2:] == ["headers.zst", "index.json.zst"]
    assert len(offsets) == len(names)
    (tmp_path / "pack.zip").write_bytes(plain)
    subprocess.run(["/usr/bin/unzip", "-tqq", tmp_path / "pack.zip"], check=True)


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_any_stream_is_kept_as_a_pack_of_its_own(size: int, tmp_path: Path) -> None:
    text = RANDOM.integers(0, 20, size, dtype="u1").tobytes()
    chunks = (text[start : start + 70_001] for start in range(0, size, 70_001))
    sealed = write_stream_pack(tmp_path, RealDisk(), RECIPIENTS, kind="journal", name="1-40", chunks=chunks)
    reader = open_pack(tmp_path, sealed.name)
    assert b"".join(reader.content()) == text
    assert (reader.index.kind, reader.index.name, sealed.kind, sealed.raw_bytes) == ("journal", "1-40", "journal", size)
    assert [checked.damage for checked in verify_deep(reader)] == [None]
    plain = AgeReader(MemorySource(ciphertext(tmp_path, sealed.name)), [KEY])
    (tmp_path / "pack.zip").write_bytes(plain.read(0, plain.size))
    unzipped = subprocess.run(
        ["/usr/bin/unzip", "-p", tmp_path / "pack.zip", "content.zst"], check=True, capture_output=True
    ).stdout
    assert subprocess.run(["/usr/bin/zstd", "-dc"], input=unzipped, check=True, capture_output=True).stdout == text


def test_an_image_pack_has_no_stream(tmp_path: Path) -> None:
    with pytest.raises(PackDamaged):
        list(open_pack(tmp_path, write_pack(tmp_path, []).name).content())


def test_a_writer_that_gives_up_leaves_nothing_and_one_that_died_is_swept(tmp_path: Path) -> None:
    writer = PackWriter(tmp_path, RealDisk(), RECIPIENTS)
    writer.abandon()
    writer.abandon()
    assert list(tmp_path.iterdir()) == []
    dead = PackWriter(tmp_path, RealDisk(), RECIPIENTS)
    sealed = write_pack(tmp_path, [])
    assert sweep_drafts(tmp_path, RealDisk()) == 1
    assert sweep_drafts(tmp_path, RealDisk()) == 0
    assert open_pack(tmp_path, sealed.name).entries() == ()
    dead.abandon()
