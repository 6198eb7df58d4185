"""Asking for patients, studies, series and instances by DICOM attributes, as C-FIND and C-MOVE do.

First the keys of what matches are looked up, by index; then the rows of some keys at a time, so that neither a
long answer nor a slow asker holds much memory or a transaction open.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
)

from safelight.catalog.description import fold
from safelight.catalog.reading import chunks
from safelight.catalog.rows import VersionRow
from safelight.catalog.schema import (
    encoding_table,
    name_table,
    patient_table,
    series_table,
    study_table,
    version_table,
)
from safelight.catalog.search import begins, like
from safelight.catalog.versions import current, select_versions, version_row
from safelight.core.query import Between, Exactly, Like, Match, OneOf, QueryLevel, Selection

PATIENT_NAME: Final = 0x00100010
REFERRING: Final = 0x00080090
MODALITIES: Final = 0x00080061
SOP_CLASSES: Final = 0x00080062
_STUDY_TIME: Final = 0x00080030

_patient, _study, _series, _version = patient_table.c, study_table.c, series_table.c, version_table.c

_OF_PATIENT: Final[Mapping[int, ColumnElement[Any]]] = {
    0x00100020: _patient.patient_id,
    0x00100021: _patient.issuer,
    0x00100030: _patient.birth_date,
    0x00100040: _patient.sex,
}
_OF_STUDY: Final[Mapping[int, ColumnElement[Any]]] = {
    0x00080020: _study.study_date,
    _STUDY_TIME: _study.study_time,
    0x00080050: _study.accession,
    REFERRING: _study.referring,
    0x00081030: _study.description,
    PATIENT_NAME: _study.patient_name,
    0x0020000D: _study.study,
    0x00200010: _study.study_id,
}
_OF_SERIES: Final[Mapping[int, ColumnElement[Any]]] = {
    0x00080060: _series.modality,
    0x0008103E: _series.description,
    0x00180015: _series.body_part,
    0x0020000E: _series.series,
    0x00200011: _series.series_number,
}
_OF_IMAGE: Final[Mapping[int, ColumnElement[Any]]] = {
    0x00080016: encoding_table.c.sop_class,
    0x00080018: _version.sop_instance,
    0x00083002: encoding_table.c.transfer_syntax,
    0x00200013: _version.instance_number,
}
_of_patient = study_table.alias()


def _counted(count: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    """Count over the studies of the patient at hand."""
    counted = select(func.coalesce(count, 0)).where(_of_patient.c.patient_key == _patient.key, *conditions)
    return counted.correlate(patient_table).scalar_subquery()


def _joined(values: ColumnElement[str]) -> ColumnElement[Any]:
    """Give several values as one of DICOM's, empty where there are none."""
    return func.coalesce(func.aggregate_strings(values, "\\"), "")


def _classes_of_study(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    here = select(_version.encoding_key).where(_version.study_key == _study.key, *conditions).correlate(study_table)
    classes = select(_joined(encoding_table.c.sop_class))
    return classes.where(encoding_table.c.key.in_(here)).scalar_subquery()


_shown_series = series_table.alias()
_is_shown: Final = _shown_series.c.withdrawn_count < _shown_series.c.instance_count
_told_modalities = (
    select(_shown_series.c.modality)
    .where(_shown_series.c.study_key == _study.key, _is_shown, _shown_series.c.modality != "")
    .correlate(study_table)
    .distinct()
    .order_by(_shown_series.c.modality)
    .subquery()
)
_modalities_shown: Final = case(
    (_study.withdrawn_series_count == 0, _study.modalities),
    else_=select(_joined(_told_modalities.c.modality)).scalar_subquery(),
)
# Computed for the asker; no standard has them matched.
_COUNTS_OF_PATIENT: Final[Mapping[int, ColumnElement[Any]]] = {
    0x00201200: _counted(func.count()),
    0x00201202: _counted(func.sum(_of_patient.c.series_count)),
    0x00201204: _counted(func.sum(_of_patient.c.instance_count)),
}
_COUNTS_OF_STUDY: Final[Mapping[int, ColumnElement[Any]]] = {
    SOP_CLASSES: _classes_of_study(),
    0x00201206: _study.series_count,
    0x00201208: _study.instance_count,
}
_COUNTS_OF_SERIES: Final[Mapping[int, ColumnElement[Any]]] = {0x00201209: _series.instance_count}
# The same without what rejection notes withdrew.
_shown_to_patient: Final = _of_patient.c.withdrawn_count < _of_patient.c.instance_count
_SHOWN_COUNTS: Final[Mapping[int, ColumnElement[Any]]] = {
    0x00201200: _counted(func.count(), _shown_to_patient),
    0x00201202: _counted(func.sum(_of_patient.c.series_count - _of_patient.c.withdrawn_series_count)),
    0x00201204: _counted(func.sum(_of_patient.c.instance_count - _of_patient.c.withdrawn_count)),
    MODALITIES: _modalities_shown,
    SOP_CLASSES: _classes_of_study(_version.withdrawn.is_(False)),
    0x00201206: _study.series_count - _study.withdrawn_series_count,
    0x00201208: _study.instance_count - _study.withdrawn_count,
    0x00201209: _series.instance_count - _series.withdrawn_count,
}
_SHOWN: Final[Mapping[QueryLevel, ColumnElement[bool]]] = {
    QueryLevel.PATIENT: exists().where(_of_patient.c.patient_key == _patient.key, _shown_to_patient),
    QueryLevel.STUDY: _study.withdrawn_count < _study.instance_count,
    QueryLevel.SERIES: _series.withdrawn_count < _series.instance_count,
    QueryLevel.IMAGE: _version.withdrawn.is_(False),
}

_patients_joined: Final = patient_table
_studies_joined: Final = study_table.join(patient_table, _patient.key == _study.patient_key)
_series_joined: Final = series_table.join(_studies_joined, _study.key == _series.study_key)
_images_joined: Final = (
    version_table.join(encoding_table, encoding_table.c.key == _version.encoding_key)
    .join(series_table, _series.key == _version.series_key)
    .join(_studies_joined, _study.key == _version.study_key)
)
_SOURCE: Final[Mapping[QueryLevel, FromClause]] = {
    QueryLevel.PATIENT: _patients_joined,
    QueryLevel.STUDY: _studies_joined,
    QueryLevel.SERIES: _series_joined,
    QueryLevel.IMAGE: _images_joined,
}
_KEY: Final[Mapping[QueryLevel, ColumnElement[int]]] = {
    QueryLevel.PATIENT: _patient.key,
    QueryLevel.STUDY: _study.key,
    QueryLevel.SERIES: _series.key,
    QueryLevel.IMAGE: _version.key,
}
_ORDER: Final[Mapping[QueryLevel, tuple[ColumnElement[Any], ...]]] = {
    QueryLevel.PATIENT: (_patient.key,),
    QueryLevel.STUDY: (_study.study_date.desc(), _study.study_time.desc(), _study.key),
    QueryLevel.SERIES: (_series.key,),
    QueryLevel.IMAGE: (_version.series_key, _version.key),
}
_INDEXED: Final = frozenset((0x00080018, 0x00080020, 0x00080050, PATIENT_NAME, 0x00100020, 0x0020000D, 0x0020000E))
_AT_STUDY: Final = {**_OF_PATIENT, **_OF_STUDY, MODALITIES: _study.modalities}
_MATCHED: Final[Mapping[QueryLevel, Mapping[int, ColumnElement[Any]]]] = {
    QueryLevel.PATIENT: {**_OF_PATIENT, PATIENT_NAME: _patient.name},
    QueryLevel.STUDY: _AT_STUDY,
    QueryLevel.SERIES: {**_AT_STUDY, **_OF_SERIES},
    QueryLevel.IMAGE: {**_AT_STUDY, **_OF_SERIES, **_OF_IMAGE},
}
_COUNTS_AT_STUDY: Final = {**_COUNTS_OF_PATIENT, **_COUNTS_OF_STUDY}
_GIVEN: Final[Mapping[QueryLevel, Mapping[int, ColumnElement[Any]]]] = {
    QueryLevel.PATIENT: {**_MATCHED[QueryLevel.PATIENT], **_COUNTS_OF_PATIENT},
    QueryLevel.STUDY: {**_MATCHED[QueryLevel.STUDY], **_COUNTS_AT_STUDY},
    QueryLevel.SERIES: {**_MATCHED[QueryLevel.SERIES], **_COUNTS_AT_STUDY, **_COUNTS_OF_SERIES},
    QueryLevel.IMAGE: {**_MATCHED[QueryLevel.IMAGE], **_COUNTS_AT_STUDY, **_COUNTS_OF_SERIES},
}


def matched_at(level: QueryLevel) -> frozenset[int]:
    """Return the attributes that `level_keys` can match."""
    return frozenset(_MATCHED[level])


def given_at(level: QueryLevel) -> frozenset[int]:
    """Return the attributes that `level_rows` can give."""
    return frozenset(_GIVEN[level])


def level_keys(connection: Connection, selection: Selection, limit: int) -> list[int]:
    """Return keys of what matches, at most ``limit``: studies newest first, of each instance the current version."""
    level = selection.level
    if level is QueryLevel.IMAGE:
        return [key for key, _ in _current_images(connection, selection, limit)]
    statement = keys_statement(selection).limit(limit)
    return list(connection.execute(statement).scalars())


def level_versions(connection: Connection, selection: Selection, limit: int) -> list[VersionRow]:
    """Return the current version of each instance that matches."""
    return [version for _, version in _current_images(connection, selection, limit)]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what matches."""

    keys: tuple[int, ...]
    """For `level_rows`."""
    versions: tuple[VersionRow, ...]
    """At the level of instances, those in force, in the same order."""
    is_more: bool


def level_page(connection: Connection, selection: Selection, offset: int, limit: int) -> Page:
    """Return at most ``limit`` of what matches after the first ``offset``, and whether more follows."""
    end = offset + limit
    reach = end + 1
    statement = keys_statement(selection)
    if selection.level is not QueryLevel.IMAGE:
        keys = list(connection.execute(statement.limit(reach - offset).offset(offset)).scalars())
        return Page(tuple(keys[:limit]), (), len(keys) > limit)
    while True:
        keys = list(connection.execute(statement.limit(reach)).scalars())
        found = _in_force(connection, keys)
        if len(found) > end or len(keys) < reach:
            break
        # Versions that are not in force fell out: what follows them is to be seen too.
        reach *= 2
    wanted = found[offset:end]
    return Page(tuple(key for key, _ in wanted), tuple(version for _, version in wanted), len(found) > end)


def level_rows(
    connection: Connection, level: QueryLevel, tags: Sequence[int], keys: Sequence[int], *, hides_withdrawn: bool
) -> list[tuple[str, ...]]:
    """Return the values of attributes of what lies under these keys, in their order; empty where there is none."""
    given = _GIVEN[level]
    shown = _SHOWN_COUNTS if hides_withdrawn else {}
    columns = [_as_text(shown.get(tag, given[tag])) for tag in tags]
    key = _KEY[level]
    found: dict[int, tuple[str, ...]] = {}
    for chunk in chunks(keys):
        for row in connection.execute(select(key, *columns).select_from(_SOURCE[level]).where(key.in_(chunk))):
            found[row[0]] = row[1:]
    return [found[one] for one in keys if one in found]


def keys_statement(selection: Selection) -> Select[Any]:
    """Return the query for the keys of what matches."""
    level = selection.level
    statement = select(_KEY[level]).select_from(_SOURCE[level])
    for tag, match in selection.matches.items():
        statement = statement.where(_condition(selection, tag, match))
    if selection.hides_withdrawn:
        statement = statement.where(_SHOWN[level])
    if selection.matches and not _INDEXED & selection.matches.keys():
        # Everything must be looked at: in the order in which it lies, since by date each row is a jump.
        return statement.order_by(_KEY[level])
    return statement.order_by(*_ORDER[level])


def _current_images(connection: Connection, selection: Selection, limit: int) -> list[tuple[int, VersionRow]]:
    return _in_force(connection, list(connection.execute(keys_statement(selection).limit(limit)).scalars()))


def _in_force(connection: Connection, keys: Sequence[int]) -> list[tuple[int, VersionRow]]:
    """Return of each instance the version in force, in the order of the keys."""
    by_digest: dict[bytes, int] = {}
    rows: list[VersionRow] = []
    for chunk in chunks(keys):
        for row in connection.execute(select_versions(_version.key).where(_version.key.in_(chunk))):
            version = version_row(row)
            by_digest[version.digest] = row[-1]
            rows.append(version)
    place = {key: number for number, key in enumerate(keys)}
    chosen = [(by_digest[version.digest], version) for version in current(connection, rows, None)]
    return sorted(chosen, key=lambda one: place[one[0]])


def _as_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(column, String) if isinstance(column.type, BigInteger) or column.type.python_type is int else column


def _condition(selection: Selection, tag: int, match: Match) -> ColumnElement[bool]:
    level = selection.level
    if tag == PATIENT_NAME:
        return _name_condition(level, match)
    if tag == MODALITIES:
        return _modality_condition(match, hides_withdrawn=selection.hides_withdrawn)
    if tag == REFERRING:
        return _plain(func.lower(_study.referring), match, str.lower)
    column = _MATCHED[level][tag]
    if tag == _STUDY_TIME and isinstance(match, Exactly):
        # Fractions of a second may follow.
        return begins(column, match.value)
    return _plain(column, match, str)


def _plain(column: ColumnElement[str], match: Match, read: Callable[[str], str]) -> ColumnElement[bool]:
    if isinstance(match, Exactly):
        return column == read(match.value)
    if isinstance(match, OneOf):
        return column.in_([read(value) for value in match.values])
    if isinstance(match, Like):
        return like(column, read(match.pattern))
    # What has no date or time is in no range. A time behind a date still belongs to the day.
    condition = column >= (match.low or " ")
    return condition & (column < match.high + "~") if match.high else condition


def _modality_condition(match: Match, *, hides_withdrawn: bool) -> ColumnElement[bool]:
    wanted = _plain(_shown_series.c.modality, match, str.upper)
    here = exists().where(_shown_series.c.study_key == _study.key, wanted)
    return here.where(_is_shown) if hides_withdrawn else here


def _name_condition(level: QueryLevel, match: Match) -> ColumnElement[bool]:
    """Match every component group that is asked for, whatever case, accents and width; nothing fuzzier.

    Source: PS3.4 section C.2.2.2.1 and C.2.2.2.4.
    """
    if isinstance(match, OneOf):
        return or_(*(_name_condition(level, Exactly(value)) for value in match.values))
    if isinstance(match, Between):
        return false()
    asked = match.pattern if isinstance(match, Like) else match.value
    groups = [group for part in asked.split("=") if (group := fold(part).rstrip("^ ")) and group != "*"]
    named = [select(name_table.c.study_key).where(like(name_table.c.folded, group)) for group in groups]
    if level is not QueryLevel.PATIENT:
        return and_(true(), *(_study.key.in_(studies) for studies in named))
    return and_(
        true(),
        *(
            _patient.key.in_(select(_of_patient.c.patient_key).where(_of_patient.c.key.in_(studies)))
            for studies in named
        ),
    )
