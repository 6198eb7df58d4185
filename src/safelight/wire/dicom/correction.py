"""Writing a data set anew with other attributes or UIDs; whatever is not meant stays as it was, pixels byte for byte.

Only what stands before the pixels is decoded. What was before is kept in the Original Attributes Sequence.
Source: PS3.3 C.12.1.1.9 (Original Attributes), PS3.4 B.4.1.3 (coercion).
"""

import struct
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from pydicom import config
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from safelight.core.instance import ByteSource, MemorySource
from safelight.wire.dicom.dataset import deflate, inflate
from safelight.wire.dicom.elements import BadDataSet, encoding_of, settle_explicit
from safelight.wire.dicom.tree import read_tree

HEADER_BYTES_MAX: Final = 64 * 2**20
INFLATED_BYTES_MAX: Final = 512 * 2**20
PIXEL_GROUP: Final = 0x7FE0
UNICODE: Final = "ISO_IR 192"
OWN_UIDS: Final = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
"""By what an instance is named; what they were before is noted with all else that was changed."""
_PIECE_BYTES: Final = 2**20
_FAILURES: Final = (AttributeError, LookupError, NotImplementedError, TypeError, ValueError, OSError, struct.error)


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to be different, why, and since when."""

    attributes: Mapping[str, str]
    """By DICOM keyword; an empty value empties the attribute."""
    at: datetime
    system: str
    """Who corrects: goes into Modifying System."""
    uids: Mapping[str, str] = field(default_factory=dict)
    """UIDs that are replaced wherever they stand, in every reference too."""
    request: Mapping[str, str] = field(default_factory=dict)
    """What the items of the Request Attributes Sequence say from now on, by keyword, where they say anything of it."""
    removed: tuple[str, ...] = ()
    """Attributes that go, by keyword."""


@dataclass(frozen=True, slots=True)
class _Corrected:
    """What was written anew, and behind it the pixels where they lie: they may be more than memory holds."""

    header: bytes
    source: ByteSource
    pixels_at: int

    @property
    def size(self) -> int:
        return len(self.header) + self.source.size - self.pixels_at

    def read(self, offset: int, length: int) -> bytes | memoryview:
        behind = offset - len(self.header)
        if behind >= 0:
            return self.source.read(self.pixels_at + behind, length)
        start = self.header[offset : offset + length]
        return start + bytes(self.source.read(self.pixels_at, length - len(start)))


def corrected(source: ByteSource, transfer_syntax: str, correction: Correction, start: int = 0) -> ByteSource:
    """Return the data set from ``start`` on as it is after the correction, in the same transfer syntax.

    The same data set and correction always give the same bytes. Pixels stay where they are until they are read.

    Raises:
        BadDataSet: it cannot be taken apart, or what is to be written cannot be.
    """
    if encoding_of(transfer_syntax).deflated:
        plain = _corrected(_inflated(source, start), 0, transfer_syntax, correction)
        return MemorySource(deflate(bytes(plain.read(0, plain.size))))
    return _corrected(source, start, transfer_syntax, correction)


def mentions(source: ByteSource, transfer_syntax: str, uids: Iterable[str]) -> bool:
    """Say whether one of these UIDs stands anywhere in a data set, or one that begins with it.

    Raises:
        BadDataSet: it is deflated, and too long to be inflated.
    """
    plain = _inflated(source, 0) if encoding_of(transfer_syntax).deflated else source
    sought = [uid.encode() for uid in uids]
    # So much more of each piece that a UID is whole in one of them.
    overlap = max(map(len, sought), default=0)
    for offset in range(0, plain.size, _PIECE_BYTES):
        piece = bytes(plain.read(offset, _PIECE_BYTES + overlap))
        if any(one in piece for one in sought):
            return True
    return False


def _inflated(source: ByteSource, start: int) -> ByteSource:
    whole = inflate(source, start, INFLATED_BYTES_MAX)
    if len(whole) >= INFLATED_BYTES_MAX:
        raise BadDataSet(offset=start, why="too long to be inflated")
    return MemorySource(whole)


def _corrected(source: ByteSource, start: int, transfer_syntax: str, correction: Correction) -> _Corrected:
    encoding = settle_explicit(encoding_of(transfer_syntax), source.read(start, 8))
    end = start
    for tag, attribute in read_tree(source, start, encoding).items():
        if tag >> 16 >= PIXEL_GROUP:
            break
        end = attribute.end
    if end - start > HEADER_BYTES_MAX:
        raise BadDataSet(offset=start, why="too much before the pixels to be decoded")
    is_implicit, is_little = not encoding.explicit, not encoding.big_endian
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            # Warnings about a peer's values are no business of our log: they quote the values.
            warnings.simplefilter("ignore")
            header = read_dataset(DicomBytesIO(bytes(source.read(start, end - start))), is_implicit, is_little)
            _correct(header, correction)
            written = DicomBytesIO()
            written.is_implicit_VR, written.is_little_endian = is_implicit, is_little
            # As they are, without being decoded: whatever had to be written in another set was decoded above.
            header.set_original_encoding(is_implicit, is_little, convert_encodings(header.get("SpecificCharacterSet")))
            write_dataset(written, header)
    except _FAILURES as error:
        raise BadDataSet(offset=start, why=f"cannot be corrected: {type(error).__name__}") from error
    return _Corrected(bytes(written.getvalue()), source, end)


def _correct(header: Dataset, correction: Correction) -> None:
    before = Dataset()
    if correction.uids:
        for name in OWN_UIDS:
            if str(header.get(name, "")) in correction.uids:
                setattr(before, name, header[name].value)
        _replace_uids(header, correction.uids)
    changes = {name: value for name, value in correction.attributes.items() if _text(header, name) != value}
    _make_room_for(header, [*changes.values(), *correction.request.values()])
    for name, value in changes.items():
        tag = tag_for_keyword(name)
        assert tag is not None, name
        if tag in header:
            before[tag] = header[tag]
        header.add_new(tag, dictionary_VR(tag), value)
    for name in correction.removed:
        if name in header:
            tag = tag_for_keyword(name)
            assert tag is not None, name
            before[tag] = header[tag]
            del header[tag]
    for item in header.get("RequestAttributesSequence") or []:
        for name, value in correction.request.items():
            if name in item:
                setattr(item, name, value)
    if before:
        _note_original(header, before, correction)


def _text(header: Dataset, name: str) -> str | None:
    value = header.get(name)
    return None if value is None else str(value)


def _note_original(header: Dataset, before: Dataset, correction: Correction) -> None:
    item = Dataset()
    item.SourceOfPreviousValues = ""
    item.AttributeModificationDateTime = f"{correction.at.astimezone(UTC):%Y%m%d%H%M%S.%f}+0000"
    item.ModifyingSystem = correction.system[:64]
    item.ReasonForTheAttributeModification = "CORRECT"
    item.ModifiedAttributesSequence = Sequence([before])
    header.OriginalAttributesSequence = Sequence([*(header.get("OriginalAttributesSequence") or []), item])


def _make_room_for(header: Dataset, texts: list[str]) -> None:
    """Write everything in Unicode where the data set's own character set lacks a letter."""
    names = header.get("SpecificCharacterSet") or ""
    listed = [names] if isinstance(names, str) else [str(one) for one in names]
    if all(text.isascii() for text in texts) or UNICODE in listed:
        return
    header.decode()
    header.SpecificCharacterSet = UNICODE
    _rewrite_texts(header)


def _rewrite_texts(data_set: Dataset) -> None:
    """Have every text encoded again: it was decoded by the character set of before."""
    for element in data_set:
        if element.VR == "SQ":
            for item in element.value:
                if "SpecificCharacterSet" in item:
                    item.SpecificCharacterSet = UNICODE
                _rewrite_texts(item)
        elif element.VR == "PN" and element.value:
            several = [element.value] if element.VM == 1 else list(element.value)
            plain = [str(one) for one in several]
            element.value = plain[0] if len(plain) == 1 else plain


def _replace_uids(data_set: Dataset, uids: Mapping[str, str]) -> None:
    for tag in list(data_set.keys()):
        raw: Any = data_set.get_item(tag)
        vr = raw.VR
        if vr is None or vr == "UN":
            try:
                vr = dictionary_VR(tag)
            except KeyError:
                continue
        if vr == "SQ":
            for item in data_set[tag].value:
                _replace_uids(item, uids)
        elif vr == "UI":
            element = data_set[tag]
            if element.VM > 1:
                element.value = [UID(uids.get(str(one), str(one))) for one in element.value]
            elif str(element.value) in uids:
                element.value = UID(uids[str(element.value)])
