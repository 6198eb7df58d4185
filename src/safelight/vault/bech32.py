"""Bech32 text: the alphabet in which age writes its keys.

Source: BIP 173, without its limit of 90 characters.
"""

from collections.abc import Iterable
from typing import Final

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_LENGTH: Final = 6


def encode(prefix: str, payload: bytes) -> str:
    """Write ``payload`` under a lower-case human-readable prefix."""
    values = _regroup(payload, 8, 5, pad=True)
    checksum = _polymod([*_expanded(prefix), *values, *([0] * _CHECKSUM_LENGTH)]) ^ 1
    values += [(checksum >> 5 * (5 - place)) & 31 for place in range(_CHECKSUM_LENGTH)]
    return prefix + "1" + "".join(_ALPHABET[value] for value in values)


def decode(text: str) -> tuple[str, bytes]:
    """Return the prefix in lower case and the payload.

    Raises:
        ValueError: the text mixes cases, holds a foreign character, or its checksum does not hold.
    """
    if text not in (text.lower(), text.upper()):
        raise ValueError("mixed case")
    prefix, mark, coded = text.lower().rpartition("1")
    if not mark or not prefix or len(coded) < _CHECKSUM_LENGTH or not prefix.isascii():
        raise ValueError("not bech32")
    values = [_ALPHABET.index(character) for character in coded]
    if _polymod([*_expanded(prefix), *values]) != 1:
        raise ValueError("checksum")
    return prefix, bytes(_regroup(values[:-_CHECKSUM_LENGTH], 5, 8, pad=False))


def _expanded(prefix: str) -> list[int]:
    return [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            if top >> place & 1:
                checksum ^= generator
    return checksum


def _regroup(values: Iterable[int], width: int, new_width: int, *, pad: bool) -> list[int]:
    pool = bits = 0
    regrouped = []
    for value in values:
        pool = pool << width | value
        bits += width
        while bits >= new_width:
            bits -= new_width
            regrouped.append(pool >> bits & (1 << new_width) - 1)
        pool &= (1 << bits) - 1
    if pad and bits:
        regrouped.append(pool << (new_width - bits) & (1 << new_width) - 1)
    elif not pad and (bits >= width or pool):
        raise ValueError("padding")
    return regrouped
