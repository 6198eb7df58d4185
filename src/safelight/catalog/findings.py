"""Findings, rejections, choices of versions, callers: the fold of journal facts that the catalog answers from."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Row, case, select, update

from safelight.catalog.caller import from_body
from safelight.catalog.callers import Sighted, keep_callers
from safelight.catalog.census_rows import CensusRun, end_census
from safelight.catalog.packs import expect_pack, pack, record_copy
from safelight.catalog.reading import chunks
from safelight.catalog.rows import CopyState, Finding, Rejection
from safelight.catalog.schema import choice_table, finding_table, rejection_table
from safelight.catalog.tallies import add_to_tallies, raise_tally
from safelight.core.clock import from_text
from safelight.core.database import insert_or_replace, insert_or_skip

GRAVEST_FIRST: Final = ("critical", "serious", "warning", "note")
"""How grave a finding may be."""
COPY_FACTS = {
    "copy-verified": CopyState.VERIFIED,
    "copy-healed": CopyState.VERIFIED,
    "copy-damaged": CopyState.DAMAGED,
    "copy-missing": CopyState.MISSING,
}


class Fact(Protocol):
    """A journal entry, as far as the catalog looks at it."""

    @property
    def position(self) -> int:
        """Where it stands."""

    @property
    def at(self) -> datetime:
        """When it was recorded."""

    @property
    def kind(self) -> str:
        """What happened."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The particulars."""


def apply(connection: Connection, fact: Fact) -> None:
    """Take a journal entry into account; in journal order, and harmless when repeated.

    Kinds that the catalog does not answer from are passed over.
    """
    told = fact.facts
    if fact.kind == "pack-sealed":
        expect_pack(connection, told["pack"], fact.position)
    elif fact.kind in COPY_FACTS:
        if pack(connection, told["pack"]) is not None:
            record_copy(connection, told["pack"], told["placement"], COPY_FACTS[fact.kind], fact.at)
    elif fact.kind == "finding-opened":
        particulars = {name: value for name, value in told.items() if name not in ("code", "subject", "severity")}
        finding = Finding(
            told["code"],
            told.get("subject", ""),
            told.get("severity", ""),
            particulars,
            fact.at,
            journal_position=fact.position,
        )
        open_finding(connection, finding)
    elif fact.kind == "finding-closed":
        because = told.get("because", "")
        close_finding(
            connection, told["code"], told.get("subject", ""), fact.at, because=because, journal_position=fact.position
        )
    elif fact.kind == "rejection-noted":
        note_rejections(connection, _rejections(fact))
    elif fact.kind == "version-chosen":
        row = {
            "journal_position": fact.position,
            "sop_instance": told["sop_instance"],
            "digest": bytes.fromhex(told["digest"]),
            "chosen_at": fact.at,
        }
        connection.execute(insert_or_replace(connection, choice_table), row)
    elif fact.kind == "callers-seen":
        keep_callers(connection, Sighted(tuple(from_body(one) for one in told["callers"])))
    elif fact.kind == "source-claimed":
        run = CensusRun(
            told["source"],
            told["run"],
            fact.at,
            told["complete"],
            told.get("studies", 0),
            told.get("not_covered", ""),
            told.get("whole", True),
            from_text(told["began_at"]) if told.get("began_at") else None,
            told.get("row_limit") or 0,
        )
        end_census(connection, run, (told["date_from"], told["date_to"]) if told.get("date_from") else None)
    raise_tally(connection, "journal_position", fact.position)


def open_finding(connection: Connection, finding: Finding) -> bool:
    """Open a finding, or refresh the facts of one that is open; return whether it was not open before."""
    before = connection.execute(
        select(finding_table).where(finding_table.c.code == finding.code, finding_table.c.subject == finding.subject)
    ).first()
    if before is not None and finding.journal_position and finding.journal_position <= before.journal_position:
        return False
    is_open = before is not None and before.closed_at is None
    row = {
        "code": finding.code,
        "subject": finding.subject,
        "severity": finding.severity,
        "facts": json.dumps(dict(finding.facts), sort_keys=True),
        "opened_at": before.opened_at if before is not None and is_open else finding.opened_at,
        "closed_at": None,
        "closed_because": "",
        "journal_position": finding.journal_position,
    }
    connection.execute(insert_or_replace(connection, finding_table), row)
    if not is_open:
        add_to_tallies(connection, {"findings_open": 1})
    return not is_open


def close_finding(
    connection: Connection, code: str, subject: str, at: datetime, *, because: str, journal_position: int
) -> bool:
    """Close a finding; return whether it was open."""
    statement = update(finding_table).where(
        finding_table.c.code == code, finding_table.c.subject == subject, finding_table.c.closed_at.is_(None)
    )
    if journal_position:
        statement = statement.where(finding_table.c.journal_position < journal_position)
    values = {"closed_at": at, "closed_because": because, "journal_position": journal_position}
    closed = connection.execute(statement.values(**values)).rowcount > 0
    if closed:
        add_to_tallies(connection, {"findings_open": -1})
    return closed


def findings(connection: Connection, *, open_only: bool, code: str | None, limit: int) -> list[Finding]:
    """Return findings, the gravest first, and of these the oldest."""
    statement = select(finding_table)
    if open_only:
        statement = statement.where(finding_table.c.closed_at.is_(None))
    if code is not None:
        statement = statement.where(finding_table.c.code == code)
    gravity = case(
        {severity: rank for rank, severity in enumerate(GRAVEST_FIRST)},
        value=finding_table.c.severity,
        else_=len(GRAVEST_FIRST),
    )
    ordered = statement.order_by(gravity, finding_table.c.opened_at, finding_table.c.code, finding_table.c.subject)
    return [_finding(row) for row in connection.execute(ordered.limit(limit))]


def note_rejections(connection: Connection, noted: Iterable[Rejection]) -> None:
    """Record that instances are withdrawn."""
    rows = [
        {
            "sop_instance": one.sop_instance,
            "note": one.note,
            "study": one.study,
            "reason": one.reason,
            "noted_at": one.noted_at,
            "journal_position": one.journal_position,
        }
        for one in noted
    ]
    if rows:
        connection.execute(insert_or_skip(connection, rejection_table), rows)


def rejections(connection: Connection, study: str | None, uids: Iterable[str] | None) -> list[Rejection]:
    """Return what was withdrawn of a study, or of some instances."""
    statement = select(
        rejection_table.c.sop_instance,
        rejection_table.c.study,
        rejection_table.c.note,
        rejection_table.c.reason,
        rejection_table.c.noted_at,
        rejection_table.c.journal_position,
    ).order_by(rejection_table.c.sop_instance, rejection_table.c.note)
    if study is not None:
        statement = statement.where(rejection_table.c.study == study)
    if uids is None:
        return [Rejection(*row) for row in connection.execute(statement)]
    found: list[Rejection] = []
    for chunk in chunks(uids):
        wanted = statement.where(rejection_table.c.sop_instance.in_(chunk))
        found.extend(Rejection(*row) for row in connection.execute(wanted))
    return found


def _rejections(fact: Fact) -> list[Rejection]:
    told = fact.facts
    return [
        Rejection(uid, told.get("study", ""), told["note"], told.get("reason", ""), fact.at, fact.position)
        for uid in told["instances"]
    ]


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        row.code,
        row.subject,
        row.severity,
        json.loads(row.facts),
        row.opened_at,
        row.closed_at,
        row.closed_because,
        row.journal_position,
    )
