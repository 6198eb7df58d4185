"""Which column of an extract holds what, as data, changeable for one source."""

import codecs
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Self

from safelight.core.errors import UsageError
from safelight.core.table_file import TableForm


class BadExtractMapping(UsageError):
    """The mapping of an extract's columns names a key, column, form or character set that there is none of."""

    code: ClassVar[str] = "gateway.bad-extract-mapping"
    hint: ClassVar[str] = "Compare extract_mapping.toml of this home with docs/operating.md, mend the named line."


@dataclass(frozen=True, slots=True)
class ExtractMapping:
    """How the extracts of one source are read."""

    form: TableForm
    date_formats: tuple[str, ...]
    time_formats: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    """By keyword: headings, folded."""
    values: Mapping[str, Mapping[str, str]]
    """By keyword: what stands for what."""
    fixed: Mapping[str, str]

    @classmethod
    def read(cls, own: str, source: str) -> Self:
        """Read the usual mapping and what a hospital changed in it for a source, as TOML.

        Raises:
            BadExtractMapping: it means nothing.
        """
        try:
            changed = tomllib.loads(own)
        except tomllib.TOMLDecodeError as error:
            raise BadExtractMapping(why=str(error)) from error
        usual = _usual()
        for unknown in set(changed) - {"source"}:
            raise BadExtractMapping(section=unknown)
        told = changed.get("source", {})
        mine = told.get(source, {}) if isinstance(told, dict) else None
        if not isinstance(mine, dict):
            raise BadExtractMapping(source=source, why="a table is expected")
        for key, value in mine.items():
            if key not in usual or isinstance(value, dict) != isinstance(usual[key], dict):
                raise BadExtractMapping(source=source, key=key)
        return cls(**_told(usual, mine))


def heading(text: str) -> str:
    """Return a heading as it is compared."""
    return re.sub(r"[\W_]+", "", text.casefold())


@cache
def _usual() -> dict[str, Any]:
    text = files("safelight.gateway.schedule").joinpath("extract_mapping.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _told(usual: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        name: {**told, **mine.get(name, {})} if isinstance(told, dict) else told for name, told in usual.items()
    }
    document |= {name: told for name, told in mine.items() if not isinstance(told, dict)}
    for unknown in document["columns"].keys() - usual["columns"].keys():
        raise BadExtractMapping(column=unknown)
    for unknown in (document["values"].keys() | document["fixed"].keys()) - usual["columns"].keys():
        raise BadExtractMapping(value=unknown)
    try:
        codecs.lookup(document["charset"])
        return {
            "form": TableForm(
                document["charset"],
                _one_of(document["delimiter"], ("", ",", ";", "\t", "|")),
                _text(document["sheet"]),
            ),
            "date_formats": _texts(document["date_formats"]),
            "time_formats": _texts(document["time_formats"]),
            "columns": {name: tuple(map(heading, _texts(texts))) for name, texts in document["columns"].items()},
            "values": {
                name: {_text(key).casefold(): _text(value) for key, value in told.items()}
                for name, told in document["values"].items()
            },
            "fixed": {name: _text(value) for name, value in document["fixed"].items()},
        }
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise BadExtractMapping(why=str(error)) from error


def _texts(told: object) -> tuple[str, ...]:
    if not isinstance(told, list):
        raise TypeError(f"a list of texts is expected, not {type(told).__name__}")
    return tuple(map(_text, told))


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError(f"a text is expected, not {type(told).__name__}")
    return told


def _one_of(told: object, known: tuple[str, ...]) -> str:
    if told not in known:
        raise ValueError("a delimiter is a comma, semicolon, tabulator or |")
    return str(told)
