"""Finding studies the way people ask: by patient, name, accession number, date, modality."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, or_, select

from safelight.catalog.description import folded_search
from safelight.catalog.errors import BadSearch
from safelight.catalog.rows import DaySize, SeriesRow, StudyRow
from safelight.catalog.schema import former_table, name_table, patient_table, series_table, study_table
from safelight.core.clock import day_from_text
from safelight.core.names import Personal

LIMIT_MAX: Final = 10_000
READ_STUDIES: Final = 500
FORMER_MAX: Final = 10_000
_NOT_TOLD: Final = frozenset(
    ("key", "patient_key", "decided", "described_by", "withdrawn_count", "withdrawn_series_count")
)
NONE_BEFORE: Final[Mapping[str, set[int]]] = MappingProxyType({})
_ESCAPE: Final = "\x1b"


@dataclass(frozen=True, slots=True, repr=False)
class StudySearch:
    """What to look for; everything given must hold.

    Texts may contain ``*`` (any letters) and ``?`` (one letter). Names are compared without regard to
    case, accents and width, and from their beginning: ``SMITH`` finds Smith^John and not Smithers.
    """

    patient_id: str | None = None
    name: str | None = None
    accession: str | None = None
    study: str | None = None
    modality: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    limit: int = 100
    offset: int = 0


def find(connection: Connection, search: StudySearch) -> list[StudyRow]:
    """Return matching studies, newest study date first."""
    return [study_row(row) for row in connection.execute(search_statement(search, _known_before(connection, search)))]


def search_statement(search: StudySearch, known_before: Mapping[str, set[int]] = NONE_BEFORE) -> Select[Any]:
    """Return the query that answers a search; ``known_before`` are studies that a former number or name means.

    Raises:
        BadSearch: a date is none, or a limit is out of range.
    """
    if not 1 <= search.limit <= LIMIT_MAX or search.offset < 0:
        raise BadSearch(limit=search.limit, offset=search.offset)
    statement = _studies()
    if search.study:
        statement = statement.where(like(study_table.c.study, search.study))
    if search.accession:
        fits = like(study_table.c.accession, search.accession)
        statement = statement.where(_or_before(fits, known_before.get("accession")))
    if search.patient_id:
        fits = like(patient_table.c.patient_id, search.patient_id)
        statement = statement.where(_or_before(fits, known_before.get("patient_id")))
    if search.name:
        named = select(name_table.c.study_key).where(_named(name_table.c.folded, folded_search(search.name)))
        statement = statement.where(_or_before(study_table.c.key.in_(named), known_before.get("name")))
    if search.date_from:
        statement = statement.where(study_table.c.study_date >= read_date(search.date_from))
    if search.date_to:
        # A time after the date, as some put it there, still belongs to the day.
        statement = statement.where(study_table.c.study_date < read_date(search.date_to) + "~")
    if search.date_from or search.date_to:
        statement = statement.where(study_table.c.study_date != "")
    if search.modality:
        of_study = series_table.c.study_key == study_table.c.key
        statement = statement.where(exists().where(of_study, series_table.c.modality == search.modality.upper()))
    ordered = statement.order_by(study_table.c.study_date.desc(), study_table.c.study_time.desc(), study_table.c.key)
    return ordered.limit(search.limit).offset(search.offset)


def read_date(text: str) -> str:
    """Read ``YYYYMMDD`` or ``YYYY-MM-DD``.

    Raises:
        BadSearch: it is neither, or the calendar has no such day.
    """
    plain = text.replace("-", "")
    if day_from_text(plain) is None:
        raise BadSearch(date=text)
    return plain


def all_studies(connection: Connection, after: int) -> list[tuple[int, StudyRow]]:
    """Return the next studies with their keys, in no order that means anything."""
    statement = _studies().add_columns(study_table.c.key).where(study_table.c.key > after)
    return [
        (row[-1], study_row(row))
        for row in connection.execute(statement.order_by(study_table.c.key).limit(READ_STUDIES))
    ]


def day_sizes(connection: Connection, first: str, last: str) -> list[DaySize]:
    """Return what is held of each day between two, these included."""
    day = func.substr(study_table.c.study_date, 1, 8)
    statement = (
        select(day, func.count(), func.sum(study_table.c.bytes))
        .where(study_table.c.study_date >= read_date(first), study_table.c.study_date < read_date(last) + "~")
        .group_by(day)
        .order_by(day)
    )
    return [DaySize(*row) for row in connection.execute(statement)]


def studies_size(connection: Connection) -> int:
    """Return the bytes of all studies, whatever their date; every study is looked at."""
    return int(connection.execute(select(func.coalesce(func.sum(study_table.c.bytes), 0))).scalar_one())


def received_since(connection: Connection, moment: datetime, limit: int) -> list[StudyRow]:
    """Return studies of which something was received at or after a moment, the oldest receipt first."""
    statement = _studies().where(study_table.c.last_received_at >= moment)
    return [
        study_row(row) for row in connection.execute(statement.order_by(study_table.c.last_received_at).limit(limit))
    ]


def series_of(connection: Connection, study: str) -> list[SeriesRow]:
    """Return the series of a study by their number and UID."""
    source = series_table.join(study_table, study_table.c.key == series_table.c.study_key)
    statement = (
        select(
            study_table.c.study,
            series_table.c.series,
            series_table.c.modality,
            series_table.c.series_number,
            series_table.c.description,
            series_table.c.body_part,
            series_table.c.instance_count,
            series_table.c.version_count,
            series_table.c.packed_count,
            series_table.c.bytes,
        )
        .select_from(source)
        .where(study_table.c.study == study)
        .order_by(series_table.c.series)
    )
    return [_series_row(row) for row in connection.execute(statement)]


def study_row(row: Row[Any]) -> StudyRow:
    """Read a row of the query for studies."""
    return StudyRow(
        study=row.study,
        patient_id=Personal(row.patient_id),
        issuer=row.issuer,
        patient_name=Personal(row.patient_name),
        birth_date=Personal(row.birth_date),
        sex=row.sex,
        study_date=row.study_date,
        study_time=row.study_time,
        accession=row.accession,
        study_id=row.study_id,
        description=row.description,
        referring=Personal(row.referring),
        modalities=tuple(part for part in row.modalities.split("\\") if part),
        series=row.series_count,
        instances=row.instance_count,
        versions=row.version_count,
        packed=row.packed_count,
        bytes=row.bytes,
        first_received_at=row.first_received_at,
        last_received_at=row.last_received_at,
    )


def _series_row(row: Sequence[Any]) -> SeriesRow:
    return SeriesRow(*row)


def one_study(connection: Connection, study: str) -> StudyRow | None:
    """Return the study of this UID."""
    row = connection.execute(_studies().where(study_table.c.study == study)).first()
    return None if row is None else study_row(row)


def _studies() -> Select[Any]:
    columns = [column for column in study_table.columns if column.name not in _NOT_TOLD]
    of_patient = (patient_table.c.patient_id, patient_table.c.issuer, patient_table.c.birth_date, patient_table.c.sex)
    source = study_table.join(patient_table, patient_table.c.key == study_table.c.patient_key)
    return select(*columns, *of_patient).select_from(source)


def _parts(pattern: str) -> Iterator[str]:
    for letter in pattern:
        if letter == "*":
            yield "%"
        elif letter == "?":
            yield "_"
        else:
            yield _ESCAPE + letter if letter in ("%", "_", _ESCAPE) else letter


def like(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """Match a pattern, letting the index find what begins as it does."""
    if "*" not in pattern and "?" not in pattern:
        return column == pattern
    matches = column.like("".join(_parts(pattern)), escape=_ESCAPE)
    start = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return matches & begins(column, start) if start else matches


def begins(column: ColumnElement[str], start: str) -> ColumnElement[bool]:
    """Match what begins with a text."""
    return (column >= start) & (column < start + "\U0010ffff")


def _named(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """Match a name; one without wildcards must end where it ends, or where a component does."""
    if "*" in pattern or "?" in pattern:
        return like(column, pattern)
    return or_(column == pattern, begins(column, pattern + "^"))


def _known_before(connection: Connection, search: StudySearch) -> dict[str, set[int]]:
    """Return the studies that were known by what is asked for until a decision, of which there are few."""
    told = former_table.c
    asked = {
        "accession": like(told.told, search.accession) if search.accession else None,
        "patient_id": like(told.told, search.patient_id) if search.patient_id else None,
        "name": _named(told.told, folded_search(search.name)) if search.name else None,
    }
    found = {}
    for what, fits in asked.items():
        if fits is not None:
            keys = select(told.study_key).where(told.what == what, fits).limit(FORMER_MAX)
            found[what] = set(connection.execute(keys).scalars())
    return found


def _or_before(fits: ColumnElement[bool], known_before: set[int] | None) -> ColumnElement[bool]:
    """Let what was known before be found as well; the usual query keeps its index."""
    return or_(fits, study_table.c.key.in_(known_before)) if known_before else fits
