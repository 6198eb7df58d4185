"""Character sets of messages: what MSH-18 names, and what to make of bytes that do not fit it.

Source: HL7 v2 table 0211. Senders leave MSH-18 empty, or name a set in which they do not write.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_CODECS: Final = {
    "": "ascii",
    "ASCII": "ascii",
    "ISO_IR 6": "ascii",
    **{f"8859/{number}": f"iso8859-{number}" for number in (*range(1, 12), 13, 14, 15, 16)},
    **{f"ISO-8859-{number}": f"iso8859-{number}" for number in (*range(1, 12), 13, 14, 15, 16)},
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_2",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    # Names of DICOM's, which some senders write here.
    "ISO_IR 192": "utf-8",
    "ISO_IR 100": "iso8859-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
}


class Doubt(StrEnum):
    """Why a text may not be what the sender meant."""

    NONE = ""
    MISSING = "missing"
    """No character set is named, and there are bytes outside of ASCII."""
    UNKNOWN = "unknown"
    """A set is named that nobody here knows."""
    WRONG = "wrong"
    """The bytes are not of the set that is named."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, the codec that gave it, and whether to trust it."""

    text: str
    codec: str
    doubt: Doubt


def codec_of(name: str) -> str | None:
    """Return the codec of a name in MSH-18, or None."""
    return _CODECS.get(" ".join(name.upper().split()))


def decode(raw: bytes, named: str, assumed: str = "") -> Decoded:
    """Decode a message: as named, else as is assumed of this sender, else as UTF-8, else byte by byte.

    Every byte sequence gives a text; a doubt says when it is a guess.
    """
    codec = codec_of(named)
    doubt = Doubt.NONE
    if codec is None:
        doubt = Doubt.UNKNOWN
    else:
        try:
            return Decoded(raw.decode(codec), codec, Doubt.NONE)
        except UnicodeDecodeError:
            doubt = Doubt.WRONG if named.strip() else Doubt.MISSING
    for guess in (codec_of(assumed) if assumed else None, "utf-8", "cp1252"):
        if guess is None:
            continue
        try:
            return Decoded(raw.decode(guess), guess, doubt)
        except UnicodeDecodeError:
            continue
    return Decoded(raw.decode("latin-1"), "latin-1", doubt)
