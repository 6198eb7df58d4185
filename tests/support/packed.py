"""Instances ready to pack, and packs to read, for the vault's tests."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from safelight.core.disk import RealDisk
from safelight.core.errors import SafelightError
from safelight.core.instance import Head, LayoutKind, MemorySource, PixelLayout, Receipt, Way, Wrapper
from safelight.vault.age import Identity
from safelight.vault.coding import Profile
from safelight.vault.pack_format import PackItem, PixelReference, SealedPack, place_of
from safelight.vault.pack_reader import PackReader
from safelight.vault.pack_writer import PackWriter
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.layout import find_layout
from safelight.wire.dicom.part10 import read_prefix

KEY = Identity.generate()
RECOVERY = Identity.generate()
RECIPIENTS = (KEY.recipient, RECOVERY.recipient)
RECEIPT = Receipt(datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC), Way.SEED, "CT1", "SAFELIGHT", "ct1.example")
NO_PIXELS = PixelLayout(LayoutKind.NONE)

Sample = tuple[PackItem, bytes, PixelLayout]


def item(stored: bytes, prefix_size: int = 0, head: Head | None = None, *, opaque: bool = False) -> PackItem:
    """What is known of these stored bytes."""
    digest = hashlib.sha256(stored[prefix_size:]).digest()
    unnamed = Head("1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.7", f"2.25.{digest[0]}", "2.25.1", "2.25.2", "OT")
    return PackItem(digest, Wrapper(prefix_size, opaque), head or unnamed, RECEIPT)


def sample_of_file(path: Path) -> Sample:
    """Cut a file by the wire's reading of it; keep it opaque where it is not DICOM."""
    stored = path.read_bytes()
    source = MemorySource(stored)
    try:
        prefix = read_prefix(source)
        head = scan_head(source, prefix.transfer_syntax, prefix.prefix_size)
    except SafelightError:
        return item(stored, head=Head("", "", "", "", "", ""), opaque=True), stored, NO_PIXELS
    return item(stored, prefix.prefix_size, head), stored, find_layout(source, prefix.prefix_size, head.transfer_syntax)


def native(array: np.ndarray, *, photometric: str = "MONOCHROME2", planar: bool = False, around: int = 10) -> Sample:
    """An instance that is an array (frames, rows, columns[, samples]) between header bytes."""
    header, trailer = (bytes(range(256)) * (around // 256 + 1))[:around], b"\x00" * (array.nbytes % 2) + b"after"
    samples = array.shape[3] if array.ndim == 4 else 1
    pixels = np.moveaxis(array, 3, 1) if planar else array
    stored = header + np.ascontiguousarray(pixels).tobytes() + trailer
    layout = PixelLayout(
        kind=LayoutKind.NATIVE,
        start=around,
        end=around + array.nbytes,
        frames=array.shape[0],
        rows=array.shape[1],
        columns=array.shape[2],
        samples=samples,
        bits_allocated=8 * array.itemsize,
        bits_stored=8 * array.itemsize,
        signed=array.dtype.kind == "i",
        planar=planar,
        photometric=photometric,
    )
    return item(stored), stored, layout


def write_pack(
    directory: Path, samples: Sequence[Sample], profile: Profile = Profile.DEFAULT, **references: PixelReference
) -> SealedPack:
    """Seal the samples; ``at_2=PixelReference(...)`` says that number 2 has its pixels elsewhere."""
    writer = PackWriter(directory, RealDisk(), RECIPIENTS, profile)
    for number, (known, stored, layout) in enumerate(samples):
        writer.add(known, MemorySource(stored), layout, references.get(f"at_{number}"))
    return writer.seal()


def ciphertext(directory: Path, name: str) -> bytes:
    """The bytes of a sealed pack."""
    return (directory / place_of(name)).read_bytes()


def open_pack(directory: Path, name: str, identity: Identity = KEY) -> PackReader:
    """Open a sealed pack; references lead to packs beside it."""
    source = MemorySource(ciphertext(directory, name))
    return PackReader(source, [identity], lambda other: MemorySource(ciphertext(directory, other)))


def read_whole(reader: PackReader, position: int) -> bytes:
    """All stored bytes of an instance."""
    return b"".join(reader.read(position))
