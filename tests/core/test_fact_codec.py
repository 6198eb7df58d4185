from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import Any, ClassVar

import pytest

from safelight.core.fact_codec import from_body, to_body

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)


class Level(IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Row:
    WRITTEN_AS_ROW: ClassVar = True
    name: str
    level: Level
    more: str = ""


@dataclass(frozen=True)
class Told:
    at: datetime


@dataclass(frozen=True)
class Whole:
    at: datetime
    told: tuple[Told, ...] = ()
    rows: tuple[Row, ...] = ()
    words: tuple[str, ...] = ()
    counts: Mapping[str, int] | None = None
    one: Told | None = None
    on: datetime | None = None
    day: date | None = None


WHOLE = Whole(NOW, (Told(NOW),), (Row("a", Level.LOW, "b"),), ("x",), {"y": 1}, Told(NOW), NOW, date(2026, 3, 2))
BODY: dict[str, Any] = {
    "at": "2026-03-02T03:00:00.000000Z",
    "told": [{"at": "2026-03-02T03:00:00.000000Z"}],
    "rows": [["a", 1, "b"]],
    "words": ["x"],
    "counts": {"y": 1},
    "one": {"at": "2026-03-02T03:00:00.000000Z"},
    "on": "2026-03-02T03:00:00.000000Z",
    "day": "2026-03-02",
}


def test_a_fact_is_written_field_by_field_and_comes_back_as_it_was() -> None:
    assert to_body(WHOLE) == BODY
    assert from_body(Whole, BODY) == WHOLE
    assert from_body(Whole, {"at": BODY["at"], "on": None}) == Whole(NOW)


def test_an_old_entry_without_a_later_field_is_read_with_its_default() -> None:
    assert from_body(Whole, {"at": BODY["at"], "rows": [["a", 1]]}).rows == (Row("a", Level.LOW),)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"at": "yesterday"},
        {"at": BODY["at"], "stranger": 1},
        {"at": BODY["at"], "rows": [["a", 1, "b", "too long"]]},
        {"at": BODY["at"], "rows": [["a", 9, "b"]]},
        {"at": BODY["at"], "rows": [["a"]]},
    ],
)
def test_what_no_fact_wrote_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_body(Whole, body)
