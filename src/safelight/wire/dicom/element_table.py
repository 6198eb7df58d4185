"""Value representations, transfer syntaxes and tags that the data-set walker goes by."""

from typing import Final

from safelight.wire.dicom.uids import DEFLATED_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN

UNDEFINED_LENGTH: Final = 0xFFFFFFFF

VR_SHORT: Final = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
"""Explicit value representations with a 16-bit length. Source: PS3.5 section 7.1.2."""

VR_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Explicit value representations with two reserved bytes and a 32-bit length."""

VR_TEXT: Final = frozenset(b"LO LT PN SH ST UC UT".split())
"""Value representations that Specific Character Set governs. Source: PS3.5 section 6.1.2.2."""

VR_WORD_SIZE: Final = {
    **dict.fromkeys(b"AT OW SS US".split(), 2),
    **dict.fromkeys(b"FL OF OL SL UL".split(), 4),
    **dict.fromkeys(b"FD OD OV SV UV".split(), 8),
}
"""Bytes that change places between little and big endian. Source: PS3.5 section 7.3."""

DEFLATED: Final = frozenset(
    {
        DEFLATED_LITTLE_ENDIAN,
        "1.2.840.10008.1.2.4.95",
        "1.2.840.10008.1.2.4.205",
    }
)
"""Deflated Explicit VR Little Endian and the two JPIP Referenced syntaxes that deflate."""
GE_PRIVATE_SWAPPED: Final = "1.2.840.113619.5.2"
"""GE's private syntax: implicit little endian, but pixels big endian."""
IMPLICIT: Final = frozenset({IMPLICIT_LITTLE_ENDIAN, GE_PRIVATE_SWAPPED, "1.2.840.10008.1.20"})
"""The default syntax, GE's private one, and retired Papyrus 3."""

ITEM: Final = 0xFFFEE000
ITEM_DELIMITATION: Final = 0xFFFEE00D
SEQUENCE_DELIMITATION: Final = 0xFFFEE0DD
PIXEL_GROUP: Final = 0x7FE0
EXTENDED_OFFSETS: Final = 0x7FE00001
FLOAT_PIXEL_DATA: Final = 0x7FE00008
DOUBLE_PIXEL_DATA: Final = 0x7FE00009
PIXEL_DATA: Final = 0x7FE00010

SPECIFIC_CHARACTER_SET: Final = 0x00080005
SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018
MODALITY: Final = 0x00080060
STUDY: Final = 0x0020000D
SERIES: Final = 0x0020000E

SAMPLES_PER_PIXEL: Final = 0x00280002
PHOTOMETRIC_INTERPRETATION: Final = 0x00280004
PLANAR_CONFIGURATION: Final = 0x00280006
NUMBER_OF_FRAMES: Final = 0x00280008
ROWS: Final = 0x00280010
COLUMNS: Final = 0x00280011
BITS_ALLOCATED: Final = 0x00280100
BITS_STORED: Final = 0x00280101
PIXEL_REPRESENTATION: Final = 0x00280103

HEAD_TAGS: Final = frozenset(
    {
        SPECIFIC_CHARACTER_SET,
        0x00080008,  # Image Type
        SOP_CLASS,
        SOP_INSTANCE,
        0x00080020,  # Study Date
        0x00080021,  # Series Date
        0x00080022,  # Acquisition Date
        0x00080030,  # Study Time
        0x00080050,  # Accession Number
        MODALITY,
        0x00080070,  # Manufacturer
        0x00080080,  # Institution Name
        0x00080090,  # Referring Physician's Name
        0x00080201,  # Timezone Offset From UTC
        0x0008103E,  # Series Description
        0x00081030,  # Study Description
        0x00081090,  # Manufacturer's Model Name
        0x00100010,  # Patient's Name
        0x00100020,  # Patient ID
        0x00100021,  # Issuer of Patient ID
        0x00100030,  # Patient's Birth Date
        0x00100040,  # Patient's Sex
        0x00180015,  # Body Part Examined
        STUDY,
        SERIES,
        0x00200010,  # Study ID
        0x00200011,  # Series Number
        0x00200013,  # Instance Number
        NUMBER_OF_FRAMES,
        ROWS,
        COLUMNS,
    }
)
"""What `scan_head` keeps of a data set."""
HEAD_LAST: Final = max(HEAD_TAGS)
