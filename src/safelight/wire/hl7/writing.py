"""Writing messages of our own: corrections, reports and status that go out after a downtime."""

from collections.abc import Sequence
from typing import Final

from safelight.wire.hl7.header import STANDARD, Delimiters

Component = str | Sequence[str]
FieldValue = str | Sequence[Component]

_LINE: Final = ".br"


def escape(text: str, marks: Delimiters = STANDARD) -> str:
    """Write a text so that no character of it is taken for a delimiter or the end of a segment."""
    mark = marks.escape.decode()
    letters = {
        marks.escape.decode(): "E",
        marks.field.decode(): "F",
        marks.component.decode(): "S",
        marks.repetition.decode(): "R",
        marks.subcomponent.decode(): "T",
    }
    told = []
    for character in text.replace("\r\n", "\n").replace("\r", "\n"):
        if character == "\n":
            told.append(mark + _LINE + mark)
        elif character in letters:
            told.append(mark + letters[character] + mark)
        elif ord(character) < 0x20:
            told.append(f"{mark}X{ord(character):02X}{mark}")
        else:
            told.append(character)
    return "".join(told)


def write_field(value: FieldValue, marks: Delimiters = STANDARD) -> str:
    """Write a field: a text, or a list of components, each a text or a list of subcomponents."""
    if isinstance(value, str):
        return escape(value, marks)
    told = [
        escape(one, marks)
        if isinstance(one, str)
        else marks.subcomponent.decode().join(escape(part, marks) for part in one)
        for one in value
    ]
    return marks.component.decode().join(told).rstrip(marks.component.decode())


def write_segment(name: str, values: Sequence[FieldValue], marks: Delimiters = STANDARD) -> str:
    """Write a segment from the values of its fields 1 and on; empty ones at its end are left out."""
    mark = marks.field.decode()
    return mark.join([name, *(write_field(value, marks) for value in values)]).rstrip(mark)


def write_message(header: Sequence[FieldValue], segments: Sequence[tuple[str, Sequence[FieldValue]]]) -> bytes:
    """Write a message in UTF-8; ``header`` holds MSH-3 and on, and MSH-18 is set."""
    fields = [*header, *([""] * max(0, 16 - len(header)))]
    fields[15] = "UNICODE UTF-8"
    first = "|".join(["MSH", STANDARD.encoding.decode(), *(write_field(value) for value in fields)])
    lines = [first, *(write_segment(name, values) for name, values in segments)]
    return ("\r".join(lines) + "\r").encode()
