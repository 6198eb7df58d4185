"""Coding of pixel bytes, piece by piece, so that every byte comes back.

A frame is coded so that it can stand as an encapsulated frame of HTJ2K Lossless
(1.2.840.10008.1.2.4.201) or JPEG-LS Lossless (1.2.840.10008.1.2.4.80): signed samples as signed for
HTJ2K, colour as it is. Codings whose name begins with ``zst`` are the exceptions that cannot.
Nothing is returned before it was decoded again and compared with what went in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import imagecodecs
import numpy as np
import numpy.typing as npt
import zstandard

from safelight.vault.coding import Coding, FrameDamaged, Picture, Profile

_Bytes = npt.NDArray[np.uint8]

_ZSTD_LEVEL: Final = 3
_ZSTD_MUST_GAIN: Final = 0.97
_SMALL_FRAME_BYTES: Final = 16 * 1024
"""Below this the fixed cost of an image codec may exceed what it gains, so zstd is tried too."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A piece as it will be stored, and the bytes that came out when it was decoded again."""

    coding: Coding
    stored: bytes | memoryview
    decoded: memoryview


def _flat(data: bytes | memoryview) -> _Bytes:
    return np.frombuffer(data, np.uint8)


def _same(one: _Bytes, other: _Bytes) -> bool:
    """Compare eight bytes at a time, which takes a quarter of the time."""
    if len(one) != len(other):
        return False
    cut = len(one) // 8 * 8
    words = np.array_equal(one[:cut].view(np.uint64), other[:cut].view(np.uint64))
    return words and np.array_equal(one[cut:], other[cut:])


def _shaped(flat: _Bytes, picture: Picture, *, signed: bool) -> npt.NDArray[np.integer]:
    """View the bytes of a frame as an array of samples, colours last."""
    samples = flat.view(np.dtype(f"<{'i' if signed else 'u'}{picture.sample_bytes}"))
    if picture.samples == 1:
        return samples.reshape(picture.rows, picture.columns)
    if picture.planar:
        by_colour = samples.reshape(picture.samples, picture.rows, picture.columns)
        return np.ascontiguousarray(by_colour.transpose(1, 2, 0))
    return samples.reshape(picture.rows, picture.columns, picture.samples)


def _flattened(array: npt.NDArray[np.integer], picture: Picture) -> _Bytes:
    """Undo `_shaped`."""
    if picture.samples > 1 and picture.planar:
        array = np.ascontiguousarray(array.transpose(2, 0, 1))
    return array.reshape(-1).view(np.uint8)


class Decoder:
    """Turns stored pieces back into pixel bytes. For one thread."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor()

    def decode(
        self,
        coding: Coding,
        stored: bytes | memoryview,
        length: int,
        picture: Picture | None,
        before: memoryview | None = None,
    ) -> memoryview:
        """Return the ``length`` bytes of a piece; ``before`` is the decoded piece before it, for a delta.

        Raises:
            FrameDamaged: the piece does not decode, or not to this length and shape.
        """
        if coding is Coding.RAW:
            plain = _flat(stored)
        elif coding in (Coding.HTJ2K, Coding.JPEG_LS):
            plain = self._decode_image(coding, stored, length, picture)
        else:
            plain = self._inflate(stored, length)
            if coding is Coding.ZSTD_DELTA:
                plain = _undo_delta(plain, before)
            elif coding is Coding.ZSTD_SHUFFLE:
                plain = _undo_shuffle(plain, picture)
        if len(plain) != length:
            raise FrameDamaged(coding=coding.value, length=length, found=len(plain))
        return plain.data

    def _inflate(self, stored: bytes | memoryview, length: int) -> _Bytes:
        try:
            if zstandard.frame_content_size(stored) != length:
                raise FrameDamaged(coding=Coding.ZSTD.value, length=length)
            return _flat(self._zstd.decompress(stored))
        except zstandard.ZstdError as error:
            raise FrameDamaged(coding=Coding.ZSTD.value, length=length) from error

    def _decode_image(self, coding: Coding, stored: bytes | memoryview, length: int, picture: Picture | None) -> _Bytes:
        if picture is None or picture.size != length or not picture.is_image:
            raise FrameDamaged(coding=coding.value, length=length)
        signed = picture.signed and coding is Coding.HTJ2K
        shape = (picture.rows, picture.columns, picture.samples)[: 2 if picture.samples == 1 else 3]
        out = np.empty(shape, np.dtype(f"<{'i' if signed else 'u'}{picture.sample_bytes}"))
        try:
            # Given the array to fill, the decoders refuse a stream of any other shape before they decode it.
            _DECODE[coding](stored, out)
        except (imagecodecs.Htj2kError, imagecodecs.JpeglsError, ValueError, RuntimeError, TypeError) as error:
            raise FrameDamaged(coding=coding.value, length=length) from error
        return _flattened(out, picture)


def _open_htj2k(stored: bytes | memoryview, out: npt.NDArray[np.integer]) -> None:
    imagecodecs.htj2k_decode(stored, planar=False, out=out)  # type: ignore[arg-type]


def _open_jpeg_ls(stored: bytes | memoryview, out: npt.NDArray[np.integer]) -> None:
    imagecodecs.jpegls_decode(stored, out=out)  # type: ignore[arg-type]


_DECODE: Final = {Coding.HTJ2K: _open_htj2k, Coding.JPEG_LS: _open_jpeg_ls}


def _undo_delta(plain: _Bytes, before: memoryview | None) -> _Bytes:
    if before is None or len(before) != len(plain):
        raise FrameDamaged(coding=Coding.ZSTD_DELTA.value, length=len(plain))
    return np.add(plain, _flat(before))


def _undo_shuffle(plain: _Bytes, picture: Picture | None) -> _Bytes:
    if picture is None or len(plain) % picture.sample_bytes:
        raise FrameDamaged(coding=Coding.ZSTD_SHUFFLE.value, length=len(plain))
    return np.ascontiguousarray(plain.reshape(picture.sample_bytes, -1).T).reshape(-1)


class Coder:
    """Codes pieces as small as the profile's time allows, each proven by decoding it. For one thread."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._zstd = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        self._decoder = Decoder()

    def code_bytes(self, piece: bytes | memoryview) -> Coded:
        """Code bytes of unknown meaning: zstd where it gains more than 3 %, else as they are."""
        plain = _flat(piece)
        stored = self._zstd.compress(plain.data)
        if len(stored) <= len(plain) * _ZSTD_MUST_GAIN:
            decoded = self._decoder.decode(Coding.ZSTD, stored, len(plain), None)
            if _same(_flat(decoded), plain):
                return Coded(Coding.ZSTD, stored, decoded)
        return Coded(Coding.RAW, plain.data, plain.data)

    def code_frame(self, piece: bytes | memoryview, picture: Picture) -> Coded:
        """Code one frame by itself and keep the smallest of what the profile tries."""
        plain = _flat(piece)
        encoded = [(coding, self._encoded(encode, plain, picture)) for coding, encode in self._candidates(picture)]
        for coding, stored in sorted(encoded, key=lambda one: len(one[1])):
            coded = self._proven(coding, stored, plain, picture)
            if coded is not None:
                return coded
        return self.code_bytes(piece)

    def code_delta(self, piece: bytes | memoryview, before: memoryview) -> Coded | None:
        """Code a frame as its difference from the one before."""
        plain = _flat(piece)
        stored = self._zstd.compress(np.subtract(plain, _flat(before)).data)
        decoded = self._decoder.decode(Coding.ZSTD_DELTA, stored, len(plain), None, before)
        return Coded(Coding.ZSTD_DELTA, stored, decoded) if _same(_flat(decoded), plain) else None

    def _candidates(self, picture: Picture) -> list[tuple[Coding, Callable[[_Bytes, Picture], bytes]]]:
        if not picture.is_image:
            if picture.sample_bytes > 1:
                return [(Coding.ZSTD_SHUFFLE, self._zstd_shuffle)]
            return [(Coding.ZSTD, self._zstd_plain)]
        chosen: list[tuple[Coding, Callable[[_Bytes, Picture], bytes]]] = []
        if self._profile is Profile.DEFAULT or picture.samples == 3:
            chosen.append((Coding.HTJ2K, _htj2k))
        if self._profile is Profile.SMALL:
            chosen.append((Coding.JPEG_LS, _jpeg_ls))
        if picture.sample_bytes == 1 or picture.size < _SMALL_FRAME_BYTES:
            chosen.append((Coding.ZSTD, self._zstd_plain))
        return chosen

    def _encoded(self, encode: Callable[[_Bytes, Picture], bytes], plain: _Bytes, picture: Picture) -> bytes:
        try:
            return encode(plain, picture)
        # A codec that fails, in whatever way, costs compression and never the instance; see _proven.
        except Exception:  # noqa: BLE001
            return b""

    def _proven(self, coding: Coding, stored: bytes, plain: _Bytes, picture: Picture) -> Coded | None:
        if not 0 < len(stored) < len(plain):
            return None
        try:
            decoded = self._decoder.decode(coding, stored, len(plain), picture)
        except FrameDamaged:
            return None
        return Coded(coding, stored, decoded) if _same(_flat(decoded), plain) else None

    def _zstd_plain(self, plain: _Bytes, picture: Picture) -> bytes:
        del picture
        return self._zstd.compress(plain.data)

    def _zstd_shuffle(self, plain: _Bytes, picture: Picture) -> bytes:
        return self._zstd.compress(np.ascontiguousarray(plain.reshape(-1, picture.sample_bytes).T).data)


def _aligned(plain: _Bytes, picture: Picture) -> _Bytes:
    # The codecs read samples, not bytes; a frame may begin at any address.
    return plain if not plain.ctypes.data % picture.sample_bytes else plain.copy()


def _htj2k(plain: _Bytes, picture: Picture) -> bytes:
    array = _shaped(_aligned(plain, picture), picture, signed=picture.signed)
    return bytes(imagecodecs.htj2k_encode(array, rgb=picture.colour_transform))


def _jpeg_ls(plain: _Bytes, picture: Picture) -> bytes:
    return bytes(imagecodecs.jpegls_encode(_shaped(_aligned(plain, picture), picture, signed=False)))
