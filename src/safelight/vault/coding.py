"""The words of a coded frame: by which codec it is stored, and which shape it has.

Apart from `codec`, since whoever only reads an index or a pack's name needs no codec loaded.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from safelight.core.errors import IntegrityError

_IMAGE_SIDE_MIN: Final = 32
"""Debian's ojph_expand 0.9.0 decodes an image of 16 x 16 or less to other values than OpenJPH and OpenJPEG do."""


class FrameDamaged(IntegrityError):
    """A stored frame does not decode to what its index entry says."""

    code: ClassVar[str] = "vault.frame-damaged"
    hint: ClassVar[str] = "Delete nothing. Run: safelight vault verify; then heal this pack from another placement."


class Profile(StrEnum):
    """What to spend: time (the default, HTJ2K) or space (JPEG-LS)."""

    DEFAULT = "default"
    SMALL = "small"


class Coding(StrEnum):
    """How a piece of pixel bytes is stored; the part before ``+`` is the member's file extension."""

    HTJ2K = "j2c"
    JPEG_LS = "jls"
    ZSTD = "zst"
    ZSTD_DELTA = "zst+delta"
    """Each byte minus the same byte of the frame before, modulo 256, then zstd."""
    ZSTD_SHUFFLE = "zst+shuffle"
    """All first bytes of the samples, then all second bytes, and so on, then zstd."""
    RAW = "raw"

    @property
    def extension(self) -> str:
        """The ending of the member's name."""
        return self.value.partition("+")[0]


@dataclass(frozen=True, slots=True)
class Picture:
    """The shape that every frame of one instance has."""

    rows: int
    columns: int
    samples: int
    sample_bytes: int
    signed: bool = False
    planar: bool = False
    colour_transform: bool = False
    """HTJ2K applies its reversible colour transform: right for RGB, wrong for samples already transformed."""

    @property
    def size(self) -> int:
        """Bytes of one frame."""
        return self.rows * self.columns * self.samples * self.sample_bytes

    @property
    def is_image(self) -> bool:
        """Whether the image codecs take it, and Debian's ``ojph_expand`` gives it back."""
        wide_enough = min(self.rows, self.columns) >= _IMAGE_SIDE_MIN
        return wide_enough and self.samples in (1, 3) and self.sample_bytes in (1, 2)
