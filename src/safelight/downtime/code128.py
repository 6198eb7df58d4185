"""Bar codes that every hand scanner reads: Code 128 for printable ASCII.

Source: ISO/IEC 15417, code sets B and C.
"""

from collections.abc import Sequence
from typing import Final

from safelight.downtime.code128_table import PATTERNS, STOP

START_B: Final = 104
START_C: Final = 105
SWITCH_TO_B: Final = 100
SWITCH_TO_C: Final = 99
CHECK: Final = 103
QUIET_MODULES: Final = 10
DIGITS_WORTH_A_SWITCH: Final = 4


def code128_symbols(text: str) -> list[int]:
    """Return the symbols of a text, with start and check symbol and without the stop.

    Raises:
        ValueError: a character has no symbol in code set B.
    """
    if not text or not all(" " <= character <= "~" for character in text):
        raise ValueError("not printable ASCII")
    head, tail = _split(text)
    symbols = [START_B, *(ord(character) - 32 for character in head)] if head or not tail else [START_C]
    if tail:
        symbols += [SWITCH_TO_C] if head else []
        symbols += [int(tail[at : at + 2]) for at in range(0, len(tail), 2)]
    check = (symbols[0] + sum(place * symbol for place, symbol in enumerate(symbols[1:], 1))) % CHECK
    return [*symbols, check]


def code128_widths(text: str) -> list[int]:
    """Return the widths of bars and spaces in turn, in modules, beginning with a bar."""
    patterns = [*(PATTERNS[symbol] for symbol in code128_symbols(text)), STOP]
    return [int(width) for pattern in patterns for width in pattern]


def code128_svg(text: str, height_modules: int = 40) -> str:
    """Draw a text, with the quiet zones that a scanner needs."""
    widths = code128_widths(text)
    total = sum(widths) + 2 * QUIET_MODULES
    bars = "".join(f'<rect x="{x}" y="0" width="{width}" height="{height_modules}"/>' for x, width in _bars(widths))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height_modules}" '
        f'preserveAspectRatio="none" shape-rendering="crispEdges" role="img" aria-label="bar code">{bars}</svg>'
    )


def _split(text: str) -> tuple[str, str]:
    """Divide a text into what is written character by character, and an even number of digits at its end."""
    digits = len(text) - len(text.rstrip("0123456789"))
    digits -= digits % 2
    if digits < DIGITS_WORTH_A_SWITCH:
        return text, ""
    return text[: len(text) - digits], text[len(text) - digits :]


def _bars(widths: Sequence[int]) -> list[tuple[int, int]]:
    bars, x = [], QUIET_MODULES
    for place, width in enumerate(widths):
        if place % 2 == 0:
            bars.append((x, width))
        x += width
    return bars
