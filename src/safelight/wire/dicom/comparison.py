"""The ladder: how strongly two instances are the same."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from itertools import zip_longest
from typing import Final

import numpy as np

from safelight.core.instance import ByteSource, MemorySource
from safelight.wire.dicom.attributes import COERCIBLE, DecodedSet, compare_attributes, ranges_equal
from safelight.wire.dicom.dataset import inflate, scan_head
from safelight.wire.dicom.element_table import PHOTOMETRIC_INTERPRETATION, PIXEL_DATA, PLANAR_CONFIGURATION
from safelight.wire.dicom.elements import BadDataSet, encoding_of, settle_explicit
from safelight.wire.dicom.frames import Frame, Pixels, Undecodable, decoded_frames, find_pixels, fragments_of
from safelight.wire.dicom.tree import read_tree

_INFLATED_BYTES_MAX: Final = 512 * 1024 * 1024


class Level(IntEnum):
    """What two instances have in common, the strongest that holds."""

    NONE = 0
    UIDS = 1
    """SOP class and instance are the same; nothing else is known to be."""
    PIXELS = 2
    """They show the same pixels, but an attribute that is not coercible differs."""
    ATTRIBUTES = 3
    """Same attributes and pixels in another encoding: the same version of the instance."""
    BYTES = 4
    """The data sets are the same bytes."""


class PixelMatch(StrEnum):
    """Outcome of comparing the pixels of two instances."""

    EQUAL = "equal"
    DIFFERENT = "different"
    ABSENT = "absent"
    """Neither has any."""
    UNDECODABLE = "undecodable"
    """Not the same bytes, and at least one cannot be decoded."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One instance as it lies somewhere: ``prefix_size`` bytes before the data set, which ends with the source."""

    source: ByteSource
    transfer_syntax: str
    prefix_size: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The strongest level that holds, and why it is no stronger."""

    level: Level
    differing: tuple[str, ...] = ()
    """Top-level tags whose values differ, as ``(gggg,eeee)``; pixel data among them."""
    coerced: tuple[str, ...] = ()
    """Differing tags that an archive may change in an equal instance."""
    undecodable: bool = False
    """Whether the level might be stronger if data set and pixels could be decoded."""


def compare(ours: StoredInstance, theirs: StoredInstance) -> Comparison:
    """Tell how strongly two instances are the same; never fails on any bytes.

    Equal pixels count as a level only where both have pixels: a report without any and with another text
    has no more than its UIDs in common.
    """
    if _data_sets_equal(ours, theirs):
        return Comparison(Level.BYTES)
    try:
        if _uids(ours) != _uids(theirs):
            return Comparison(Level.NONE)
        ours, theirs = _inflated(ours), _inflated(theirs)
        mine, other = _taken_apart(ours), _taken_apart(theirs)
    except BadDataSet:
        return Comparison(Level.UIDS if _uids_match(ours, theirs) else Level.NONE, undecodable=True)
    my_pixels, other_pixels = find_pixels(mine, ours.transfer_syntax), find_pixels(other, theirs.transfer_syntax)
    match = _match(my_pixels, other_pixels)
    tags = compare_attributes(mine, other)
    coercible = COERCIBLE | _described_by_the_encoding(match, my_pixels, other_pixels)
    differing = [_written(tag) for tag in tags if tag not in coercible]
    coerced = tuple(_written(tag) for tag in tags if tag in coercible)
    if match in (PixelMatch.DIFFERENT, PixelMatch.UNDECODABLE):
        differing.append(_written(PIXEL_DATA))
        level = Level.UIDS
    elif differing:
        level = Level.PIXELS if match is PixelMatch.EQUAL else Level.UIDS
    else:
        level = Level.ATTRIBUTES
    return Comparison(level, tuple(differing), coerced, match is PixelMatch.UNDECODABLE)


def pixels_equal(ours: StoredInstance, theirs: StoredInstance) -> PixelMatch:
    """Compare the pixels alone: as bytes where both are coded alike, else decoded, frame by frame."""
    try:
        ours, theirs = _inflated(ours), _inflated(theirs)
        mine, other = _taken_apart(ours), _taken_apart(theirs)
    except BadDataSet:
        return PixelMatch.UNDECODABLE
    return _match(find_pixels(mine, ours.transfer_syntax), find_pixels(other, theirs.transfer_syntax))


def _written(tag: int) -> str:
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def _data_sets_equal(ours: StoredInstance, theirs: StoredInstance) -> bool:
    return ours.transfer_syntax == theirs.transfer_syntax and ranges_equal(
        ours.source, (ours.prefix_size, ours.source.size), theirs.source, (theirs.prefix_size, theirs.source.size)
    )


def _uids(instance: StoredInstance) -> tuple[str, str]:
    head = scan_head(instance.source, instance.transfer_syntax, instance.prefix_size)
    return head.sop_class, head.sop_instance


def _uids_match(ours: StoredInstance, theirs: StoredInstance) -> bool:
    try:
        return _uids(ours) == _uids(theirs)
    except BadDataSet:
        return False


def _inflated(instance: StoredInstance) -> StoredInstance:
    """Replace a deflated data set by what it inflates to. One that is longer than the limit ends there."""
    if not encoding_of(instance.transfer_syntax).deflated:
        return instance
    data = inflate(instance.source, instance.prefix_size, _INFLATED_BYTES_MAX)
    return StoredInstance(MemorySource(data), instance.transfer_syntax)


def _taken_apart(instance: StoredInstance) -> DecodedSet:
    opening = instance.source.read(instance.prefix_size, 8)
    encoding = settle_explicit(encoding_of(instance.transfer_syntax), opening)
    return DecodedSet(instance.source, encoding, read_tree(instance.source, instance.prefix_size, encoding))


def _described_by_the_encoding(match: PixelMatch, ours: Pixels | None, theirs: Pixels | None) -> frozenset[int]:
    """Return tags that only say how equal pixels are coded, and so change when they are coded anew."""
    if match is not PixelMatch.EQUAL or ours is None or theirs is None:
        return frozenset()
    tags = {PLANAR_CONFIGURATION}
    if ours.colour == theirs.colour:
        tags.add(PHOTOMETRIC_INTERPRETATION)
    return frozenset(tags)


def _match(ours: Pixels | None, theirs: Pixels | None) -> PixelMatch:
    if ours is None and theirs is None:
        return PixelMatch.ABSENT
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return PixelMatch.DIFFERENT
    try:
        if _coded_equal(ours, theirs):
            return PixelMatch.EQUAL
        if ours.colour != theirs.colour:
            return PixelMatch.DIFFERENT
        pairs = zip_longest(decoded_frames(ours), decoded_frames(theirs))
        bits = max(ours.bits_stored, theirs.bits_stored)
        same = all(_frames_equal(mine, other, bits) for mine, other in pairs)
    except Undecodable:
        return PixelMatch.UNDECODABLE
    return PixelMatch.EQUAL if same else PixelMatch.DIFFERENT


def _coded_equal(ours: Pixels, theirs: Pixels) -> bool:
    """Tell whether both are coded alike and to the same bytes."""
    alike = ours.encapsulated == theirs.encapsulated and (
        ours.transfer_syntax == theirs.transfer_syntax
        if ours.encapsulated
        else ours.side.encoding.big_endian == theirs.side.encoding.big_endian and ours.planar == theirs.planar
    )
    if not alike or ours.photometric != theirs.photometric or ours.bits_allocated != theirs.bits_allocated:
        return False
    mine, other = [(ours.start, ours.end)], [(theirs.start, theirs.end)]
    if ours.encapsulated:
        mine, other = fragments_of(ours)[1:], fragments_of(theirs)[1:]
    return len(mine) == len(other) and all(
        ranges_equal(ours.side.source, left, theirs.side.source, right) for left, right in zip(mine, other, strict=True)
    )


def _frames_equal(mine: Frame | None, other: Frame | None, bits_stored: int) -> bool:
    if mine is None or other is None or mine.dtype != other.dtype:
        return False
    if np.array_equal(mine, other):
        return True
    # A codec carries the stored bits only; the others may be filled with zeros or with the sign. Anything
    # else in them (an overlay of old) would be lost, and so counts.
    mask = mine.dtype.type((1 << bits_stored) - 1)
    return (
        not _stray_bits(mine, bits_stored)
        and not _stray_bits(other, bits_stored)
        and np.array_equal(mine & mask, other & mask)
    )


def _stray_bits(frame: Frame, bits_stored: int) -> bool:
    """Tell whether bits above the stored ones hold neither zeros nor the sign."""
    above = frame >> frame.dtype.type(bits_stored)
    sign = (frame >> frame.dtype.type(bits_stored - 1)) & frame.dtype.type(1)
    filled = sign * frame.dtype.type((1 << (frame.dtype.itemsize * 8 - bits_stored)) - 1)
    return not (np.array_equal(above, filled) or not above.any())
