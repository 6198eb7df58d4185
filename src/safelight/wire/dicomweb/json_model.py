"""The DICOM JSON model, written from a data set's own bytes without decoding what nobody asks for.

Source: PS3.18 annex F.
"""

import base64
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from safelight.wire.dicom.attributes import DecodedSet, little_endian, settled_vr
from safelight.wire.dicom.element_table import SPECIFIC_CHARACTER_SET, VR_TEXT
from safelight.wire.dicom.tree import Attribute, Tree, read_items

INLINE_BYTES_MAX: Final = 1024
TEXT_BYTES_MAX: Final = 256 * 1024
UNICODE: Final = "ISO_IR 192"
_BINARY: Final = frozenset(b"OB OD OF OL OV OW UN".split())
_NUMBERS: Final = {
    b"FL": "f",
    b"FD": "d",
    b"SS": "h",
    b"US": "H",
    b"SL": "l",
    b"UL": "L",
    b"SV": "q",
    b"UV": "Q",
}
_ONE_TEXT: Final = frozenset(b"LT ST UT UR".split())
_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
# Numbers that a JSON reader of binary floating point gives back exactly.
_EXACT_MAX: Final = 2**53

Element = dict[str, Any]
BulkAddress = Callable[[str], str]
"""Where the value is to be had whose path is given: tags and item numbers with dots between."""


def data_set_json(side: DecodedSet, address: BulkAddress) -> dict[str, Element]:
    """Return a data set in the DICOM JSON model, in Unicode; long binary values by their address."""
    with warnings.catch_warnings():
        # Warnings about a peer's values are no business of our log: they quote the values.
        warnings.simplefilter("ignore")
        return _Writer(side, address).attributes(side.tree, (), "")


def element_of_text(vr: str, text: str) -> Element:
    """Return an attribute whose values are known as text, with backslashes between them."""
    values = _text_values(vr.encode("ascii"), text)
    return {"vr": vr} if all(one is None for one in values) else {"vr": vr, "Value": values}


def find_value(side: DecodedSet, path: str) -> Attribute | None:
    """Return the attribute that a path of `BulkAddress` leads to; None where it leads nowhere."""
    tree: Tree | None = side.tree
    found: Attribute | None = None
    for place, step in enumerate(path.split(".")):
        try:
            if place % 2 == 0:
                found = tree.get(int(step, 16)) if tree is not None else None
                tree = None
            else:
                items = _items(side, found)
                tree = items[int(step)] if items else None
        except (ValueError, IndexError):
            return None
    return found if tree is None else None


def _items(side: DecodedSet, attribute: Attribute | None) -> Sequence[Tree] | None:
    if attribute is None:
        return None
    return attribute.items if attribute.items is not None else read_items(side.source, attribute)


@dataclass(frozen=True, slots=True)
class _Writer:
    side: DecodedSet
    address: BulkAddress

    def attributes(self, tree: Tree, charset: tuple[str, ...], path: str) -> dict[str, Element]:
        charset = self._charset(tree) or charset
        document = {}
        for tag, attribute in sorted(tree.items()):
            if tag & 0xFFFF:
                name, vr = f"{tag:08X}", settled_vr(self.side, tree, tag, attribute)
                document[name] = self._element(tag, attribute, vr or b"UN", charset, path + name)
        return document

    def _element(self, tag: int, attribute: Attribute, vr: bytes, charset: tuple[str, ...], path: str) -> Element:
        if attribute.items is not None:
            items = [self.attributes(item, charset, f"{path}.{place}.") for place, item in enumerate(attribute.items)]
            return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        if tag == SPECIFIC_CHARACTER_SET:
            return {"vr": "CS", "Value": [UNICODE]}
        length = attribute.end - attribute.start
        told: Element = {"vr": vr.decode("ascii", errors="replace")}
        if length == 0:
            return told
        if attribute.encapsulated or length > (INLINE_BYTES_MAX if vr in _BINARY else TEXT_BYTES_MAX):
            return {**told, "BulkDataURI": self.address(path)}
        value = little_endian(self.side, attribute, vr)
        if vr in _BINARY:
            return {**told, "InlineBinary": base64.b64encode(value).decode("ascii")}
        values = _values(vr, value, charset)
        return told if all(one is None for one in values) else {**told, "Value": values}

    def _charset(self, tree: Tree) -> tuple[str, ...]:
        attribute = tree.get(SPECIFIC_CHARACTER_SET)
        if attribute is None or attribute.items is not None:
            return ()
        value = bytes(self.side.source.read(attribute.start, min(attribute.end - attribute.start, 256)))
        names = [name.strip() for name in value.decode("ascii", errors="replace").rstrip("\0 ").split("\\")]
        try:
            return tuple(convert_encodings(names))
        except LookupError:
            return ()


def _values(vr: bytes, value: bytes, charset: tuple[str, ...]) -> list[Any]:
    if vr in _NUMBERS:
        return _numbers(vr, value)
    if vr == b"AT":
        pairs = Struct("<HH").iter_unpack(value[: len(value) - len(value) % 4])
        return [f"{group:04X}{element:04X}" for group, element in pairs]
    return _text_values(vr, _text(vr, value, charset))


def _text_values(vr: bytes, text: str) -> list[Any]:
    if vr in _ONE_TEXT:
        return [text.rstrip(" ")]
    parts = [one.strip(" ") for one in text.split("\\")]
    if vr == b"PN":
        return [_name(one) for one in parts]
    if vr in (b"DS", b"IS"):
        return [_number(vr, one) for one in parts]
    return [one or None for one in parts]


def _numbers(vr: bytes, value: bytes) -> list[Any]:
    layout = Struct("<" + _NUMBERS[vr])
    whole = value[: len(value) - len(value) % layout.size]
    return [_jsonable(one) for (one,) in layout.iter_unpack(whole)]


def _jsonable(number: float) -> float | str:
    """Write what JSON numbers cannot hold as text. Source: PS3.18 sections F.2.3.1 and F.2.2."""
    if isinstance(number, float) and not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("inf" if number > 0 else "-inf")
    return number if abs(number) <= _EXACT_MAX or isinstance(number, float) else str(number)


def _number(vr: bytes, text: str) -> float | str | None:
    """Read a decimal or integer string; what is none is left out, since readers give up on the whole document."""
    try:
        number = int(text) if vr == b"IS" else float(text)
    except ValueError:
        return None
    return _jsonable(number) if math.isfinite(number) else None


def _text(vr: bytes, value: bytes, charset: tuple[str, ...]) -> str:
    if (vr in VR_TEXT and not value.isascii()) or b"\x1b" in value:
        try:
            text = str(decode_bytes(value, charset or ("iso8859",), PN_DELIMS if vr == b"PN" else TEXT_VR_DELIMS))
        except (LookupError, ValueError):
            text = value.decode("latin-1")
    else:
        text = value.decode("latin-1")
    return text.rstrip("\0")


def _name(text: str) -> dict[str, str] | None:
    groups = {name: group for name, group in zip(_NAME_GROUPS, text.split("="), strict=False) if group}
    return groups or None
