"""Compare the attributes of two data sets by meaning: how they are written does not count."""

import warnings
from dataclasses import dataclass
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from safelight.core.instance import ByteSource, MemorySource
from safelight.wire.dicom.dataset import inflate
from safelight.wire.dicom.element_table import (
    EXTENDED_OFFSETS,
    PIXEL_DATA,
    PIXEL_GROUP,
    PIXEL_REPRESENTATION,
    SPECIFIC_CHARACTER_SET,
    VR_TEXT,
    VR_WORD_SIZE,
)
from safelight.wire.dicom.elements import BadDataSet, Encoding, encoding_of, settle_explicit
from safelight.wire.dicom.tree import Attribute, Tree, read_items, read_tree

COERCIBLE: Final = frozenset(
    {
        SPECIFIC_CHARACTER_SET,
        0x00080054,  # Retrieve AE Title
        0x00080056,  # Instance Availability
        0x00081190,  # Retrieve URL
        0x00201206,  # Number of Study Related Series
        0x00201208,  # Number of Study Related Instances
        0x00201209,  # Number of Series Related Instances
        0x00880130,  # Storage Media File-set ID
        0x00880140,  # Storage Media File-set UID
        0x01000410,  # SOP Instance Status
        0x01000420,  # SOP Authorization DateTime
        0x01000424,  # SOP Authorization Comment
        0x01000426,  # Authorization Equipment Certification Number
        0x04000561,  # Original Attributes Sequence
    }
)
"""Attributes by which an archive says where and how it holds an instance, and in which character set.

They may differ in an equal instance and are then listed as coerced. Whatever says whose image it is, of what and
when, is never among them.
"""

INFLATED_BYTES_MAX: Final = 256 * 2**20
_TRAILING_PADDING: Final = 0xFFFCFFFC
_PLACES_OF_PIXELS: Final = frozenset(range(EXTENDED_OFFSETS, PIXEL_DATA + 1))
_CHUNK: Final = 1024 * 1024
_STRINGS: Final = frozenset(b"AE AS CS DA DS DT IS TM UI UR".split())
_PADDING: Final = b"\0 "


@dataclass(frozen=True, slots=True)
class DecodedSet:
    """A data set taken apart: its bytes and its attributes in them."""

    source: ByteSource
    encoding: Encoding
    tree: Tree


def read_set(source: ByteSource, transfer_syntax: str, start: int = 0) -> DecodedSet:
    """Take the data set apart that begins at ``start`` and ends with the source.

    Raises:
        BadDataSet: it cannot be followed to its end, or is deflated and longer than we inflate.
    """
    encoding = encoding_of(transfer_syntax)
    if encoding.deflated:
        inflated = inflate(source, start, INFLATED_BYTES_MAX)
        if len(inflated) == INFLATED_BYTES_MAX:
            raise BadDataSet(offset=start, why="too long to be inflated")
        source, start = MemorySource(inflated), 0
    encoding = settle_explicit(encoding, source.read(start, 8))
    return DecodedSet(source, encoding, read_tree(source, start, encoding))


def compare_attributes(ours: DecodedSet, theirs: DecodedSet) -> tuple[int, ...]:
    """Return the top-level tags whose values differ, in order; pixel data, group lengths and padding are left out.

    Written differently but equal: padding, lengths of sequences, byte order, VR UN for a known one, and the same
    text in another character set.

    Source: PS3.5 sections 6.2, 6.2.2 and 7.5.
    """
    with warnings.catch_warnings():
        # Warnings about a peer's values are no business of our log: they quote the values.
        warnings.simplefilter("ignore")
        return _Comparer(ours, theirs).differing(ours.tree, theirs.tree, ((), ()))


Charsets = tuple[tuple[str, ...], tuple[str, ...]]


class _Comparer:
    """Two data sets side by side."""

    def __init__(self, ours: DecodedSet, theirs: DecodedSet) -> None:
        self._ours = ours
        self._theirs = theirs

    def differing(self, ours: Tree, theirs: Tree, inherited: Charsets) -> tuple[int, ...]:
        charsets = (
            _charset(self._ours, ours) or inherited[0],
            _charset(self._theirs, theirs) or inherited[1],
        )
        tags = sorted(tag for tag in ours.keys() | theirs.keys() if not _left_out(tag))
        return tuple(tag for tag in tags if not self._equal(ours.get(tag), theirs.get(tag), charsets))

    def _equal(self, ours: Attribute | None, theirs: Attribute | None, charsets: Charsets) -> bool:
        if ours is None or theirs is None:
            return False
        if ours.items is None and theirs.items is None:
            return self._values_equal(ours, theirs, charsets)
        our_items = read_items(self._ours.source, ours) if ours.items is None else ours.items
        their_items = read_items(self._theirs.source, theirs) if theirs.items is None else theirs.items
        if our_items is None or their_items is None or len(our_items) != len(their_items):
            return False
        return not any(
            self.differing(mine, other, charsets) for mine, other in zip(our_items, their_items, strict=True)
        )

    def _values_equal(self, ours: Attribute, theirs: Attribute, charsets: Charsets) -> bool:
        same_order = self._ours.encoding.big_endian == self._theirs.encoding.big_endian
        lengths = sorted((ours.end - ours.start, theirs.end - theirs.start))
        if lengths[1] > _CHUNK and same_order and lengths[0] % 2 == 0:
            return ranges_equal(
                self._ours.source, (ours.start, ours.end), self._theirs.source, (theirs.start, theirs.end)
            )
        vr = ours.vr or theirs.vr
        mine = little_endian(self._ours, ours, vr)
        other = little_endian(self._theirs, theirs, theirs.vr or vr)
        if mine == other:
            return True
        if vr in VR_TEXT:
            return _text(mine, vr, charsets[0]) == _text(other, theirs.vr or vr, charsets[1])
        if vr in _STRINGS or not vr:
            return _strings(mine) == _strings(other)
        # A value of odd length gets one pad byte, which a writer may have left out.
        short, long = sorted((mine, other), key=len)
        return len(short) % 2 == 1 and long == short + b"\0"


def _left_out(tag: int) -> bool:
    return tag & 0xFFFF == 0 or tag == _TRAILING_PADDING or (tag >> 16 == PIXEL_GROUP and tag in _PLACES_OF_PIXELS)


def _charset(side: DecodedSet, tree: Tree) -> tuple[str, ...]:
    attribute = tree.get(SPECIFIC_CHARACTER_SET)
    if attribute is None or attribute.items is not None:
        return ()
    value = bytes(side.source.read(attribute.start, min(attribute.end - attribute.start, 256)))
    names = [name.strip() for name in value.decode("ascii", errors="replace").rstrip("\0 ").split("\\")]
    return tuple(convert_encodings(names))


def little_endian(side: DecodedSet, attribute: Attribute, vr: bytes) -> bytes:
    """Return the bytes of a value of this VR in little endian order."""
    value = bytes(side.source.read(attribute.start, attribute.end - attribute.start))
    size = VR_WORD_SIZE.get(vr, 1)
    if not side.encoding.big_endian or size == 1 or len(value) % size:
        return value
    return b"".join(value[place : place + size][::-1] for place in range(0, len(value), size))


def _strings(value: bytes) -> list[bytes]:
    return [each.strip(_PADDING) for each in value.rstrip(_PADDING).split(b"\\")]


def _text(value: bytes, vr: bytes, charset: tuple[str, ...]) -> object:
    """Return text so that equal meaning is equal; bytes that cannot be decoded stand for themselves."""
    try:
        text = decode_bytes(value, charset or ("iso8859",), PN_DELIMS if vr == b"PN" else TEXT_VR_DELIMS)
    except (LookupError, ValueError):
        return value.rstrip(_PADDING)
    text = text.rstrip("\0 ")
    if vr in (b"LT", b"ST", b"UT"):
        return text
    values = [each.strip(" ") for each in text.split("\\")]
    if vr != b"PN":
        return values
    # Trailing delimiters of a name may be left out. Source: PS3.5 section 6.2.1.1.
    return ["=".join(group.rstrip("^ ") for group in each.split("=")).rstrip("=") for each in values]


_FOLLOWS_PIXELS: Final = frozenset(
    (0x00280106, 0x00280107, 0x00280108, 0x00280109, 0x00280110, 0x00280111, 0x00280120, 0x00280121, 0x00221452)
)
"""Attributes of VR ``US or SS``. Source: PS3.6."""


def settled_vr(side: DecodedSet, tree: Tree, tag: int, attribute: Attribute) -> bytes:
    """Return the VR of an attribute; where none is written and the dictionary leaves a choice, as ``tree`` says."""
    vr = attribute.vr
    if tag not in _FOLLOWS_PIXELS or vr != b"US" or side.encoding.explicit:
        return vr
    representation = tree.get(PIXEL_REPRESENTATION)
    is_signed = representation is not None and little_endian(side, representation, b"US")[:2] == b"\1\0"
    return b"SS" if is_signed else vr


def ranges_equal(ours: ByteSource, mine: tuple[int, int], theirs: ByteSource, other: tuple[int, int]) -> bool:
    """Tell whether two ranges hold the same bytes, a piece at a time."""
    length = mine[1] - mine[0]
    if other[1] - other[0] != length:
        return False
    return all(
        # Copies, since two views are compared byte by byte and not in one go.
        bytes(ours.read(mine[0] + place, min(_CHUNK, length - place)))
        == bytes(theirs.read(other[0] + place, min(_CHUNK, length - place)))
        for place in range(0, length, _CHUNK)
    )
