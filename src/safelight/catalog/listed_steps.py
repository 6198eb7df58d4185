"""Lists of scheduled steps that somebody else keeps: a RIS whose worklist is mirrored, a nightly extract.

A list is kept as its changes: each fact says which steps are new or other than before, and which are gone.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select

from safelight.catalog.findings import Fact
from safelight.catalog.listed_step import STUDY, ListedStep, ListingWay
from safelight.catalog.order_changes import FILLER, PLACER, START, PatientName
from safelight.catalog.order_tables import listed_step_table, listing_table
from safelight.catalog.reading import chunks
from safelight.core.clock import from_text
from safelight.core.database import insert_or_replace

LISTING_KINDS: Final = ("worklist-mirrored", "worklist-imported")


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it is known."""

    source: str
    way: ListingWay
    as_of: datetime
    """When it was known to be so."""
    journal_position: int


def apply_listing(connection: Connection, fact: Fact) -> None:
    """Take a change of a list into account."""
    told = fact.facts
    source = told["source"]
    for gone in chunks(told["gone"]):
        connection.execute(
            delete(listed_step_table).where(listed_step_table.c.source == source, listed_step_table.c.key.in_(gone))
        )
    rows = [_row(source, one["key"], ListedStep.from_body(one)) for one in told["listed"]]
    if rows:
        connection.execute(insert_or_replace(connection, listed_step_table), rows)
    if told["is_whole"]:
        way = ListingWay.MIRROR if fact.kind == LISTING_KINDS[0] else ListingWay.IMPORT
        row = {
            "source": source,
            "way": way.value,
            "as_of": from_text(told["as_of"]),
            "journal_position": fact.position,
        }
        connection.execute(insert_or_replace(connection, listing_table), row)


def listings(connection: Connection) -> list[Listing]:
    """Return the lists that are known, in the order in which they count."""
    found = [
        Listing(row.source, ListingWay(row.way), row.as_of, row.journal_position)
        for row in connection.execute(select(listing_table).order_by(listing_table.c.source))
    ]
    return sorted(found, key=lambda one: list(ListingWay).index(one.way))


def listed(connection: Connection, source: str) -> dict[str, ListedStep]:
    """Return the steps of a list by their keys."""
    table = listed_step_table.c
    rows = connection.execute(select(listed_step_table).where(table.source == source).order_by(table.key))
    return {row.key: step_of(row) for row in rows}


def listed_counts(connection: Connection) -> dict[str, int]:
    """Return how many steps each list has; one without any is not there."""
    table = listed_step_table.c
    rows = connection.execute(select(table.source, func.count().label("steps")).group_by(table.source))
    return {row.source: row.steps for row in rows}


def step_of(row: Any) -> ListedStep:
    """Read a row of the table."""
    name = PatientName(row.patient_id, row.issuer)
    return ListedStep(name, json.loads(row.patient), json.loads(row.attributes))


def _row(source: str, key: str, step: ListedStep) -> dict[str, Any]:
    told = step.attributes
    return {
        "source": source,
        "key": key,
        "patient_id": step.patient.patient_id,
        "issuer": step.patient.issuer,
        "accession": told.get("AccessionNumber", ""),
        "study": told.get(STUDY, ""),
        "placer": told.get(PLACER, ""),
        "filler": told.get(FILLER, ""),
        "modality": told.get("Modality", ""),
        "station": told.get("ScheduledStationAETitle", ""),
        "start_date": told.get(START[0], ""),
        "start_time": told.get(START[1], ""),
        "patient": json.dumps(dict(step.of_patient), ensure_ascii=False, sort_keys=True),
        "attributes": json.dumps(dict(told), ensure_ascii=False, sort_keys=True),
    }
