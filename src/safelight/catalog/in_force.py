"""What describes a study and its patient: the earliest version that a decision chose, else the earliest received.

What an instance says is kept for every version, so that a decision, and taking it back, can be followed from
catalog and journal alone, in whatever order a rebuild meets packs and facts.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, delete, select, update

from safelight.catalog.description import Description, folded_names
from safelight.catalog.reading import chunks, next_key
from safelight.catalog.rows import StudyRow
from safelight.catalog.schema import (
    choice_table,
    description_table,
    former_table,
    name_table,
    patient_table,
    study_table,
    version_table,
)
from safelight.catalog.tallies import add_to_tallies
from safelight.catalog.versions import choices
from safelight.core.names import Personal

_TOLD: Final = tuple(column.name for column in description_table.columns if column.name not in ("key", "study_key"))
Name = tuple[Any, ...]
_version, _said = version_table.c, description_table.c


def description_keys(connection: Connection, wanted: Iterable[Name]) -> dict[Name, int]:
    """Return the key of each description; made where it is new."""
    wanted = dict.fromkeys(wanted)
    keys: dict[Name, int] = {}
    columns = [_said.key, _said.study_key, *(_said[name] for name in _TOLD)]
    for chunk in chunks(dict.fromkeys(name[0] for name in wanted)):
        for key, *name in connection.execute(select(*columns).where(_said.study_key.in_(chunk))):
            keys[tuple(name)] = key
    fresh = [name for name in wanted if name not in keys]
    if fresh:
        free = next_key(connection, description_table)
        keys |= {name: free + number for number, name in enumerate(fresh)}
        names = ("study_key", *_TOLD)
        connection.execute(
            description_table.insert(), [{"key": keys[name], **dict(zip(names, name, strict=True))} for name in fresh]
        )
    return keys


def description_name(study_key: int, said: Description) -> Name:
    """Return what tells one description from another."""
    return study_key, *(getattr(said, name) for name in _TOLD)


def follow_choices(connection: Connection, instances: Iterable[str], study_keys: Iterable[int] = ()) -> None:
    """Describe anew the studies of instances of which a decision chose a version, and of these those so described."""
    studies: dict[int, None] = {}
    for some in chunks(dict.fromkeys(study_keys)):
        settled = select(study_table.c.key).where(study_table.c.key.in_(some), study_table.c.decided.is_(True))
        studies |= dict.fromkeys(connection.execute(settled).scalars())
    for chunk in chunks(dict.fromkeys(instances)):
        chosen = select(choice_table.c.sop_instance).where(choice_table.c.sop_instance.in_(chunk))
        held = select(_version.study_key).where(_version.sop_instance.in_(chosen), _version.study_key.is_not(None))
        studies |= dict.fromkeys(connection.execute(held.distinct()).scalars())
    for study_key in studies:
        _describe(connection, study_key)


def _describe(connection: Connection, study_key: int) -> None:
    columns = (_version.sop_instance, _version.received_at, _version.digest, _version.description_key)
    here = select(*columns).where(_version.study_key == study_key, _version.opaque.is_(False))
    versions = connection.execute(here.order_by(_version.received_at, _version.digest)).all()
    held = {row.digest for row in versions}
    latest = choices(connection, {row.sop_instance for row in versions})
    chosen = {uid: digest for uid, digest in latest.items() if digest in held}
    moments = {row.sop_instance: row.received_at for row in versions if chosen.get(row.sop_instance) == row.digest}
    decided = [row for row in versions if chosen.get(row.sop_instance) == row.digest]
    in_force = [row for row in versions if row.sop_instance not in chosen or chosen[row.sop_instance] == row.digest]
    before = [row for row in versions if row.sop_instance in moments and row.received_at < moments[row.sop_instance]]
    first = (decided or in_force)[0]
    said = {row.key: row for row in connection.execute(select(description_table).where(_said.study_key == study_key))}
    known_by = _known_by(said[key] for key in {row.description_key for row in in_force})
    former = _known_by(said[key] for key in {row.description_key for row in before}) - known_by
    _renew_names(connection, study_key, known_by, former)
    _describe_by(connection, study_key, said[first.description_key], first, decided=bool(decided))
    earliest = {"first_received_at": versions[0].received_at}
    connection.execute(update(study_table).where(study_table.c.key == study_key).values(**earliest))


def _known_by(told: Iterable[Any]) -> set[tuple[str, str]]:
    known: set[tuple[str, str]] = set()
    for said in told:
        known |= {("patient_id", said.patient_id), ("accession", said.accession)}
        known |= {("name", folded) for folded in folded_names(said.patient_name)}
    return known


def _renew_names(
    connection: Connection, study_key: int, known_by: set[tuple[str, str]], former: set[tuple[str, str]]
) -> None:
    for table in (name_table, former_table):
        connection.execute(delete(table).where(table.c.study_key == study_key))
    names = [{"folded": told, "study_key": study_key} for what, told in sorted(known_by) if what == "name"]
    past = [{"what": what, "told": told, "study_key": study_key} for what, told in sorted(former) if told]
    for table, rows in ((name_table, names), (former_table, past)):
        if rows:
            connection.execute(table.insert(), rows)


def _describe_by(connection: Connection, study_key: int, said: Any, first: Any, *, decided: bool) -> None:
    before = connection.execute(select(study_table.c.patient_key).where(study_table.c.key == study_key)).scalar_one()
    named = (patient_table.c.patient_id == said.patient_id, patient_table.c.issuer == said.issuer)
    patient_key = connection.execute(select(patient_table.c.key).where(*named)).scalar()
    rank = {"decided": decided, "described_at": first.received_at, "described_by": first.digest}
    if patient_key is None:
        patient_key = next_key(connection, patient_table)
        of_patient = {name: getattr(said, name) for name in ("patient_id", "issuer", "birth_date", "sex")}
        connection.execute(patient_table.insert().values(key=patient_key, name=said.patient_name, **of_patient, **rank))
        add_to_tallies(connection, {"patients": 1})
    told = ("patient_name", "study_date", "study_time", "accession", "study_id", "referring")
    of_study = {**{name: getattr(said, name) for name in told}, "description": said.study_description}
    connection.execute(
        update(study_table).where(study_table.c.key == study_key).values(patient_key=patient_key, **of_study, **rank)
    )
    describe_patients(connection, {before, patient_key})


def as_received(connection: Connection, rows: Iterable[StudyRow]) -> list[StudyRow]:
    """Return studies as the earliest received of their instances describe them, whatever was decided since."""
    source = study_table.join(version_table, _version.study_key == study_table.c.key).join(
        description_table, _said.key == _version.description_key
    )
    earliest = select(description_table).select_from(source).order_by(_version.received_at, _version.digest).limit(1)
    answer = []
    for row in rows:
        here = (study_table.c.study == row.study, study_table.c.decided.is_(True))
        said = connection.execute(earliest.where(*here)).first()
        answer.append(row if said is None else _said_by(row, said))
    return answer


def _said_by(row: StudyRow, said: Any) -> StudyRow:
    return replace(
        row,
        patient_id=Personal(said.patient_id),
        issuer=said.issuer,
        patient_name=Personal(said.patient_name),
        birth_date=Personal(said.birth_date),
        sex=said.sex,
        study_date=said.study_date,
        study_time=said.study_time,
        accession=said.accession,
        study_id=said.study_id,
        description=said.study_description,
        referring=Personal(said.referring),
    )


def describe_patients(connection: Connection, patient_keys: Iterable[int]) -> None:
    """Describe patients by what describes their studies, decisions first; one who has no study any more goes."""
    source = study_table.join(version_table, _version.digest == study_table.c.described_by).join(
        description_table, _said.key == _version.description_key
    )
    rank = (study_table.c.decided, study_table.c.described_at, study_table.c.described_by)
    columns = (_said.patient_name.label("name"), _said.birth_date, _said.sex, *rank)
    order = (study_table.c.decided.desc(), *rank[1:])
    for key in patient_keys:
        found = select(*columns).select_from(source).where(study_table.c.patient_key == key).order_by(*order).limit(1)
        best = connection.execute(found).first()
        here = patient_table.c.key == key
        if best is not None:
            connection.execute(update(patient_table).where(here).values(**best._mapping))
        elif connection.execute(delete(patient_table).where(here)).rowcount:
            add_to_tallies(connection, {"patients": -1})
