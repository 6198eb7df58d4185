"""Bar codes: symbols as the standard has them, and read back from a printed sheet."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from safelight.downtime.code128 import CHECK, START_B, START_C, SWITCH_TO_C, code128_symbols, code128_widths
from safelight.downtime.code128_table import PATTERNS, STOP
from safelight.downtime.labels import labels_html, labels_pdf
from safelight.downtime.number import Block, NumberFor, Numbers, Range


def _read(widths: list[int]) -> str:
    """Read bars and spaces as a scanner does: patterns to symbols, the check symbol, the code sets."""
    assert "".join(map(str, widths[-7:])) == STOP
    patterns = ["".join(map(str, widths[at : at + 6])) for at in range(0, len(widths) - 7, 6)]
    *symbols, check = [PATTERNS.index(pattern) for pattern in patterns]
    assert (symbols[0] + sum(place * symbol for place, symbol in enumerate(symbols))) % CHECK == check
    in_pairs, text = symbols[0] == START_C, ""
    for symbol in symbols[1:]:
        if symbol == SWITCH_TO_C and not in_pairs:
            in_pairs = True
        else:
            text += f"{symbol:02d}" if in_pairs else chr(symbol + 32)
    return text


def test_every_pattern_is_eleven_modules_wide_and_its_bars_are_even() -> None:
    assert len(set(PATTERNS)) == len(PATTERNS) == 106
    for pattern in PATTERNS:
        widths = [int(width) for width in pattern]
        assert (len(widths), sum(widths), sum(widths[::2]) % 2) == (6, 11, 0)
    assert sum(map(int, STOP)) == 13


def test_the_symbols_are_those_of_known_bar_codes() -> None:
    # Worked by hand: value of each character times its place, modulo 103.
    assert code128_symbols("PJJ123C") == [START_B, 48, 42, 42, 17, 18, 19, 35, 55]
    assert code128_symbols("123456") == [START_C, 12, 34, 56, 44]


@pytest.mark.parametrize(
    "text", ["A", "DT0001", "DT-00012345", "1", "12", "123", "1234", "12345", "X99", "~ !", "D1T0001"]
)
def test_what_was_written_is_read_back(text: str) -> None:
    assert _read(code128_widths(text)) == text


@pytest.mark.parametrize("text", ["", "ä", "a\n"])
def test_what_has_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        code128_symbols(text)


def _page(file: Path, dots_per_inch: int) -> np.ndarray:
    """Return the first page in grey: 0 is black."""
    command = ["/usr/bin/pdftoppm", "-gray", "-r", str(dots_per_inch), "-f", "1", "-l", "1", "-singlefile", str(file)]
    image = subprocess.run(command, check=True, capture_output=True).stdout
    _, size, _, pixels = image.split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


def _scanned(row: np.ndarray) -> list[int]:
    """Return the widths of bars and spaces of one label's row, in modules."""
    black = row < 128
    edges = np.flatnonzero(np.diff(black)) + 1
    runs = np.diff(edges)
    # The first bar of a start symbol is two modules wide.
    return [round(float(run) / (float(runs[0]) / 2)) for run in runs]


def test_a_scanner_reads_every_label_of_a_printed_page(tmp_path: Path) -> None:
    numbers = Numbers({1: Range(1, NumberFor.ACCESSION, "DT-", 1, 99999, 5)}, {}, {1: 1})
    block = Block(1, 1, 1, 30, "main & <north>", "CT1")
    file = tmp_path / "labels.pdf"
    file.write_bytes(labels_pdf(labels_html(numbers, block)))
    page = _page(file, 600)
    dots = 600 / 25.4
    read = []
    for line in range(7):
        y = round((15 + line * 38.1 + 3 + 5 + 7) * dots)
        for column in range(3):
            left = round((7.2 + column * 66) * dots)
            read.append(_read(_scanned(page[y, left : left + round(63.5 * dots)])))
    assert read == [f"DT-{number:05d}" for number in range(1, 22)]


def test_the_names_of_site_and_device_are_text_and_nothing_else() -> None:
    numbers = Numbers({1: Range(1, NumberFor.PATIENT, "P", 1, 9, 1)}, {}, {1: 1})
    html = labels_html(numbers, Block(1, 1, 1, 1, "<script>", "<b>"), each=2)
    assert "<script>" not in html
    assert html.count("P1</div>") == 2
