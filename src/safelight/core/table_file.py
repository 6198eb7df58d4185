"""The lines of a table in a file, CSV or XLSX. Nothing in a file makes reading it grow past the limits."""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import ClassVar, Final

from safelight.core.errors import UsageError

FILE_BYTES_MAX: Final = 64 * 2**20
UNPACKED_BYTES_MAX: Final = 128 * 2**20
"""Of all parts of an XLSX file together, as they say themselves and as they come out."""
PARTS_MAX: Final = 1000
LINES_MAX: Final = 200_000
COLUMNS_MAX: Final = 256
CELL_CHARACTERS_MAX: Final = 4096
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_DELIMITERS: Final = ",;\t|"


class TableUnreadable(UsageError):
    """The file holds no table that can be read, or a larger one than can be."""

    code: ClassVar[str] = "core.table-unreadable"
    hint: ClassVar[str] = "Save it as CSV or XLSX; of an extract name character set and sheet in extract_mapping.toml."


@dataclass(frozen=True, slots=True)
class TableForm:
    """What a file does not say of itself."""

    charset: str = "utf-8"
    delimiter: str = ""
    """Found out from the file where it is empty."""
    sheet: str = ""
    """The first one where it is empty."""


@dataclass(frozen=True, slots=True, repr=False)
class Line:
    """One line of a table; its cells are None where it could not be read."""

    number: int
    """As a spreadsheet or editor counts it, from 1."""
    cells: Sequence[str] | None


def read_lines(content: bytes, form: TableForm) -> Iterator[Line]:
    """Give the lines of a file.

    Raises:
        TableUnreadable: it is none, or too large.
    """
    if len(content) > FILE_BYTES_MAX:
        raise TableUnreadable(size_bytes=len(content), size_bytes_max=FILE_BYTES_MAX)
    if content.startswith(_OLE):
        raise TableUnreadable(why="the old XLS format, or a file with a password")
    lines = _sheet(content, form) if content.startswith(_ZIP) else _text(content, form)
    for line in lines:
        if line.number > LINES_MAX:
            raise TableUnreadable(lines_max=LINES_MAX)
        yield line


def _text(content: bytes, form: TableForm) -> Iterator[Line]:
    if b"\0" in content[:4096] and not form.charset.lower().startswith("utf-16"):
        raise TableUnreadable(why="bytes that stand in no text")
    try:
        # A byte that stands in no text of this set spoils its own line only.
        text = content.decode(form.charset, errors="surrogateescape").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise TableUnreadable(charset=form.charset) from error
    csv.field_size_limit(CELL_CHARACTERS_MAX)
    delimiter = form.delimiter or _delimiter(text)
    lines = list(io.StringIO(text, newline=""))
    width = 0
    start = 0
    while start < len(lines):
        reader = csv.reader((lines[place] for place in range(start, len(lines))), delimiter=delimiter)
        beginning = start
        while (record := _next(reader)) is not None:
            number, cells = beginning + 1, record.cells
            is_one_line = reader.line_num == number - start
            width = width or len(cells)
            if record.is_broken or not (is_one_line or len(cells) == width):
                # A quote that nobody closed has taken in what follows: only the line that has it is lost.
                yield Line(number, None)
                break
            is_readable = len(cells) <= COLUMNS_MAX and all(_is_text(cell) for cell in cells)
            yield Line(number, cells if is_readable else None)
            beginning = start + reader.line_num
        else:
            return
        start = beginning + 1


@dataclass(frozen=True, slots=True, repr=False)
class _Record:
    cells: Sequence[str]
    is_broken: bool = False


def _next(reader: Iterator[list[str]]) -> _Record | None:
    try:
        cells = next(reader, None)
    except csv.Error:
        return _Record((), is_broken=True)
    return None if cells is None else _Record(cells)


def _is_text(cell: str) -> bool:
    return not any("\udc80" <= one <= "\udcff" or "\x80" <= one <= "\x9f" or one == "\ufffd" for one in cell)


def _delimiter(text: str) -> str:
    """Return what most often stands between the first words of the file, outside of quotes."""
    beginning = text[:20_000].split('"')[::2]
    counts = {one: sum(part.count(one) for part in beginning) for one in _DELIMITERS}
    return max(_DELIMITERS, key=lambda one: counts[one])


def _sheet(content: bytes, form: TableForm) -> Iterator[Line]:
    _judge_parts(content)
    # Imported here: it is slow to load, and most extracts are text.
    from openpyxl import load_workbook

    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheet = book[form.sheet] if form.sheet else book.worksheets[0]
        # What a sheet says of its own size may be a million lines.
        sheet.reset_dimensions()
        for number, row in enumerate(sheet.iter_rows(values_only=True, max_col=COLUMNS_MAX), 1):
            yield Line(number, [_cell(value) for value in row])
    except Exception as error:  # The library raises whatever its parser meets.
        if isinstance(error, TableUnreadable):
            raise
        raise TableUnreadable(why=type(error).__name__, sheet=form.sheet) from error


def _judge_parts(content: bytes) -> None:
    """Unpack every part once, counting and not keeping it: what a part says of its own size may be a lie."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            listed = parts.infolist()
            if len(listed) > PARTS_MAX or sum(part.file_size for part in listed) > UNPACKED_BYTES_MAX:
                raise TableUnreadable(why="it would unpack to too much", size_bytes_max=UNPACKED_BYTES_MAX)
            left = UNPACKED_BYTES_MAX
            for part in listed:
                with parts.open(part) as opened:
                    while piece := opened.read(2**20):
                        left -= len(piece)
                        if left < 0:
                            raise TableUnreadable(why="it unpacks to too much", size_bytes_max=UNPACKED_BYTES_MAX)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise TableUnreadable(why=type(error).__name__) from error


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time(0) else f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, time):
        return f"{value:%H:%M:%S}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)[:CELL_CHARACTERS_MAX]
