"""Folding facts about messages into the index; in journal order, and harmless when repeated."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from sqlalchemy import Connection, delete, select, update

from safelight.catalog.findings import Fact
from safelight.catalog.listed_steps import LISTING_KINDS, apply_listing
from safelight.catalog.message_rows import DeliveryState
from safelight.catalog.message_tables import about_table, delivery_table, hold_table, message_table, sender_table
from safelight.core.clock import from_text
from safelight.core.database import insert_or_replace, insert_or_skip

SENDERS_MAX: Final = 1000
WRITTEN_HERE: Final = "reconciliation"
"""Stands in place of the host of messages that we wrote: they are no feed that may fall silent."""
MESSAGE_KINDS: Final = (
    "hl7-received",
    "hl7-delivered",
    "hl7-refused",
    "hl7-held",
    "hl7-released",
    "hl7-skipped",
    "hl7-replayed",
    *LISTING_KINDS,
)


class ChainedFact(Fact, Protocol):
    """A journal entry with its place in the chain."""

    @property
    def hash(self) -> bytes:
        """Hash of this entry and all before it."""


def apply_all(connection: Connection, facts: Sequence[ChainedFact]) -> None:
    """Take facts into account; what was taken into account before is passed over."""
    known, _ = journal_place(connection)
    facts = [fact for fact in facts if fact.position > known]
    received = [fact for fact in facts if fact.kind == "hl7-received"]
    if received:
        connection.execute(insert_or_skip(connection, message_table), [_message(fact) for fact in received])
        waiting = [
            _waiting(destination, fact.position, fact.position)
            for fact in received
            for destination in fact.facts.get("to", [])
        ]
        if waiting:
            connection.execute(insert_or_skip(connection, delivery_table), waiting)
        _note_senders(connection, received)
    for fact in facts:
        _apply(connection, fact)
    if facts:
        last = facts[-1]
        connection.execute(
            update(about_table)
            .where(about_table.c.journal_position < last.position)
            .values(journal_position=last.position, journal_hash=last.hash)
        )


def _apply(connection: Connection, fact: Fact) -> None:
    told = fact.facts
    if fact.kind == "hl7-delivered":
        values = {"attempts": told["attempt"], "code": told["code"], "settled_at": fact.at}
        _settle(connection, told, DeliveryState.DELIVERED, values)
    elif fact.kind == "hl7-refused":
        values = {"attempts": told["attempt"], "code": told["code"], "told": told.get("error", "")}
        if told["final"]:
            _settle(connection, told, DeliveryState.DEAD, values | {"settled_at": fact.at})
        else:
            connection.execute(update(delivery_table).where(*_row(told)).values(**values))
    elif fact.kind == "hl7-skipped":
        _settle(connection, told, DeliveryState.SKIPPED, {"told": told["reason"], "settled_at": fact.at})
    elif fact.kind == "hl7-held":
        row = {"destination": told["destination"], "since": fact.at, "reason": told["reason"], "by": told["by"]}
        connection.execute(insert_or_replace(connection, hold_table), row)
    elif fact.kind == "hl7-released":
        _release(connection, told)
    elif fact.kind == "hl7-replayed":
        rows = [_waiting(told["destination"], fact.position, message) for message in told["messages"]]
        connection.execute(insert_or_skip(connection, delivery_table), rows)
    elif fact.kind in LISTING_KINDS:
        apply_listing(connection, fact)


def _message(fact: Fact) -> dict[str, Any]:
    told = fact.facts
    patients = told.get("patients")
    return {
        "position": fact.position,
        "sequence": told["sequence"],
        "received_at": from_text(told["received_at"]),
        "arrived": told["arrived"],
        "host": told["host"],
        "sender": told.get("sender", ""),
        "event": told.get("event", ""),
        "control_id": told.get("control_id", ""),
        "digest": bytes.fromhex(told["digest"]),
        "size_bytes": told["size_bytes"],
        "duplicate_of": told.get("duplicate_of"),
        "patients": None if patients is None else json.dumps(patients),
    }


def _note_senders(connection: Connection, received: Sequence[Fact]) -> None:
    """Count messages by whoever made them; names are the senders' own, so only so many are kept."""
    by_sender: dict[str, list[Fact]] = {}
    for fact in received:
        if fact.facts["arrived"] == "message" and fact.facts["host"] != WRITTEN_HERE:
            by_sender.setdefault(fact.facts.get("sender", ""), []).append(fact)
    known = {row.sender: row for row in connection.execute(select(sender_table))}
    rows = []
    for sender, facts in by_sender.items():
        moments = [from_text(fact.facts["received_at"]) for fact in facts]
        before = known.get(sender)
        if before is None and len(known) >= SENDERS_MAX:
            continue
        rows.append(
            {
                "sender": sender,
                "host": facts[-1].facts["host"],
                "first_at": before.first_at if before is not None else min(moments),
                "last_at": max(moments) if before is None else max(before.last_at, *moments),
                "message_count": len(facts) + (before.message_count if before is not None else 0),
            }
        )
    if rows:
        connection.execute(insert_or_replace(connection, sender_table), rows)


def _waiting(destination: str, queued: int, message: int) -> dict[str, Any]:
    return {
        "destination": destination,
        "queued": queued,
        "message": message,
        "state": DeliveryState.WAITING,
        "released": False,
        "attempts": 0,
        "code": "",
        "told": "",
        "settled_at": None,
    }


def _row(told: Mapping[str, Any]) -> tuple[Any, ...]:
    table = delivery_table.c
    return (
        table.destination == told["destination"],
        table.queued == told["queued"],
        table.message == told["message"],
    )


def _settle(connection: Connection, told: Mapping[str, Any], state: DeliveryState, values: Mapping[str, Any]) -> None:
    connection.execute(update(delivery_table).where(*_row(told)).values(state=state, **values))


def _release(connection: Connection, told: Mapping[str, Any]) -> None:
    if told.get("message") is not None:
        connection.execute(update(delivery_table).where(*_row(told)).values(released=True))
        return
    connection.execute(delete(hold_table).where(hold_table.c.destination == told["destination"]))


def journal_place(connection: Connection) -> tuple[int, bytes]:
    """Return up to where the journal was taken into account, and the hash of the entry there."""
    row = connection.execute(select(about_table.c.journal_position, about_table.c.journal_hash)).one()
    return int(row[0]), row[1]
