"""Lists of scheduled steps that somebody else keeps: a RIS whose worklist is mirrored, a nightly extract.

A list is kept as its changes: each fact says which steps are new or other than before, and which are gone.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from sqlalchemy import Connection, delete, select

from safelight.catalog.findings import Fact
from safelight.catalog.order_changes import PatientName
from safelight.catalog.order_tables import listed_step_table, listing_table
from safelight.catalog.order_working_set import FILLER, PLACER, START
from safelight.catalog.reading import chunks
from safelight.core.clock import from_text
from safelight.core.database import insert_or_replace

LISTING_KINDS: Final = ("worklist-mirrored", "worklist-imported")
IN_FACT_MAX: Final = 500
"""A longer change is said in several facts, committed together."""


class ListingWay(StrEnum):
    """How a list comes here. Where two lists have a step, the first of these ways counts."""

    MIRROR = "mirror"
    """Asked for at the RIS."""
    IMPORT = "import"
    """Read from a file."""


@dataclass(frozen=True, slots=True, repr=False)
class ListedStep:
    """One scheduled procedure step of a list; attributes by DICOM keyword, dates and times as they came."""

    patient: PatientName
    of_patient: Mapping[str, str]
    attributes: Mapping[str, str]

    @property
    def names_itself(self) -> bool:
        """Whether it says whose it is, and which: without that it cannot be told from others."""
        return bool(self.patient.patient_id and any(self.attributes.get(name) for name in (*_IDENTITY, STUDY)))

    @property
    def identity(self) -> str:
        """The same for the same step of the same list at every look.

        Without the study, which some systems invent anew at each query, where anything else tells steps apart.
        """
        told = [self.attributes.get(name, "") for name in _IDENTITY]
        if not any(told):
            told.append(self.attributes.get(STUDY, ""))
        text = "\\".join((self.patient.patient_id, *told))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_body(self) -> dict[str, Any]:
        """Return it as it stands in a fact."""
        patient = {"patient_id": self.patient.patient_id, "issuer": self.patient.issuer}
        return {**patient, "patient": dict(self.of_patient), "attributes": dict(self.attributes)}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_body` wrote."""
        return cls(PatientName(body["patient_id"], body["issuer"]), body["patient"], body["attributes"])


STUDY: Final = "StudyInstanceUID"
_IDENTITY: Final = ("AccessionNumber", "RequestedProcedureID", "ScheduledProcedureStepID")


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it is known."""

    source: str
    way: ListingWay
    as_of: datetime
    """When it was known to be so."""
    journal_position: int


@dataclass(frozen=True, slots=True)
class ListingChange:
    """What a newer edition of a list changes."""

    listed: Mapping[str, ListedStep]
    """By key: new, or other than before."""
    gone: Sequence[str]
    count: int
    """Steps of the newer edition."""

    def to_bodies(self, source: str, as_of: str, more: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what the facts say that make it durable: at least one, since the list was seen to be so."""
        listed = [{"key": key, **step.to_body()} for key, step in self.listed.items()]
        parts = [listed[at : at + IN_FACT_MAX] for at in range(0, len(listed), IN_FACT_MAX)] or [[]]
        common = {"source": source, "as_of": as_of, "count": self.count, **more}
        last = len(parts) - 1
        return [
            {**common, "listed": part, "gone": list(self.gone) if number == last else [], "is_whole": number == last}
            for number, part in enumerate(parts)
        ]


def keyed(steps: Iterable[ListedStep]) -> dict[str, ListedStep]:
    """Give each step of a list its key; steps that say the same of themselves are told apart by what else they say."""
    found: dict[str, ListedStep] = {}
    for step in sorted(steps, key=lambda one: json.dumps(one.to_body(), sort_keys=True)):
        identity, number = step.identity, 0
        while (key := f"{identity}-{number}" if number else identity) in found:
            if found[key].to_body() == step.to_body():
                break
            number += 1
        found[key] = step
    return found


def change_of(before: Mapping[str, ListedStep], now: Mapping[str, ListedStep]) -> ListingChange:
    """Compare two editions of a list."""
    listed = {key: step for key, step in now.items() if key not in before or before[key].to_body() != step.to_body()}
    return ListingChange(listed, sorted(before.keys() - now.keys()), len(now))


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
