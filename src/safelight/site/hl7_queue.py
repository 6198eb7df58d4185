"""What people do with queues of messages: look, hold, release, skip, replay; each act is a fact with a reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.catalog.message_facts import WRITTEN_HERE
from safelight.catalog.message_index import MessageIndex
from safelight.catalog.message_rows import DeliveryRow, DeliveryState, MessageRow, QueueTally
from safelight.core.clock import to_text
from safelight.core.errors import StateError
from safelight.core.progress import Report
from safelight.gateway.hl7.forwarding import is_for
from safelight.journal.kinds import FactKind
from safelight.site.hl7_destinations import Destination, UnknownDestination, read_destinations
from safelight.site.hl7_forwarding import DEAD_LETTER
from safelight.site.hl7_preview import Replayed, net_effect
from safelight.site.hl7_status import messages_looked_at
from safelight.site.home import Home
from safelight.site.moments import moment_told
from safelight.site.saying import signed

if TYPE_CHECKING:
    from safelight.site.opened import Site

REPLAYED_AT_ONCE: Final = 1000
SHOWN_MAX: Final = 1000


class MessageNotInQueue(StateError):
    """This message neither waits for that destination nor is a dead letter there."""

    code: ClassVar[str] = "gateway.hl7-not-in-queue"
    hint: ClassVar[str] = (
        "See what is: safelight gateway queue list DESTINATION. To send it again: gateway queue replay."
    )


class QueueNotHeld(StateError):
    """Nothing holds this queue: what waits goes out by itself."""

    code: ClassVar[str] = "gateway.hl7-queue-not-held"
    hint: ClassVar[str] = "There is nothing to release. To skip many: safelight gateway queue hold DESTINATION first."


def queues_document(home: Home) -> dict[str, Any]:
    """Return what `safelight gateway queue list --json` prints: every queue in numbers."""
    known = read_destinations(home.destinations)
    with messages_looked_at(home) as index:
        if index is None:
            return {"queues": [_queue_document(known[name], name, None) for name in sorted(known)]}
        names = sorted({*known, *index.destinations()})
        return {"queues": [_queue_document(known.get(name), name, index.queue(name)) for name in names]}


def queue_document(home: Home, name: str, state: str | None) -> dict[str, Any]:
    """Return one queue, message by message; without a state, what waits and what is dead."""
    known = read_destinations(home.destinations).get(name)
    with messages_looked_at(home) as index:
        if known is None and (index is None or name not in index.destinations()):
            raise UnknownDestination(name=name)
        if index is None:
            return {**_queue_document(known, name, None), "messages": []}
        states = [DeliveryState(state)] if state else [DeliveryState.DEAD, DeliveryState.WAITING]
        told = _queue_document(known, name, index.queue(name))
        rows = [row for one in states for row in index.deliveries(name, one, SHOWN_MAX)]
        return {**told, "messages": [_row_document(row) for row in rows]}


def hold(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Let nothing more go to a destination; what comes is kept for it in order.

    Raises:
        NotSigned: a reason or a name is missing.
    """
    del report
    name, signature = _destination(site, told).name, _signature(told)
    waiting = site.messages.index.open_deliveries([name])[DeliveryState.WAITING]
    recorded = _recorded(site, told, FactKind.HL7_HELD, {"destination": name, **signature})
    return {"destination": name, "held": True, "waiting": waiting, **recorded}


def release(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Let one message through, or everything again.

    Raises:
        NotSigned: a reason or a name is missing.
        QueueNotHeld: nothing holds it.
        MessageNotInQueue: the message named does not wait there.
    """
    del report
    name, signature = _destination(site, told).name, _signature(told)
    index = site.messages.index
    tally = index.queue(name)
    if tally.hold is None:
        raise QueueNotHeld(destination=name)
    facts: dict[str, Any] = {"destination": name, **signature}
    if told.get("message") is not None or told.get("one"):
        row = _first_held(index, name) if told.get("message") is None else index.delivery(name, told["message"])
        if row is None or row.state is not DeliveryState.WAITING:
            raise MessageNotInQueue(destination=name, message=told.get("message"))
        facts |= {"message": row.message.position, "queued": row.queued}
    message = facts.get("message")
    waiting = tally.counts[DeliveryState.WAITING]
    recorded = _recorded(site, told, FactKind.HL7_RELEASED, facts)
    return {"destination": name, "held": message is not None, "message": message, "waiting": waiting, **recorded}


def skip(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Decide that a message, or all that wait from a point on, do not go to a destination; ``dry_run`` only looks.

    Raises:
        NotSigned: a reason or a name is missing.
        MessageNotInQueue: the message named is neither waiting nor a dead letter there.
        QueueNotHeld: many are named, and the queue goes on sending them.
    """
    del report
    name, signature = _destination(site, told).name, _signature(told)
    rows = _skippable(site.messages.index, name, told)
    named = {} if told.get("message") is None else {"message": told["message"], "state": str(rows[0].state)}
    if told.get("dry_run"):
        previewed = (Replayed(row.message, site.messages.raw(row.message.position), False) for row in rows)
        return {"destination": name, "dry_run": True, **net_effect(previewed), **named}
    position = None
    for start in range(0, len(rows), REPLAYED_AT_ONCE):
        facts = [
            {"destination": name, "queued": row.queued, "message": row.message.position, **signature}
            for row in rows[start : start + REPLAYED_AT_ONCE]
        ]
        position = site.messages.record_all([(FactKind.HL7_SKIPPED, one) for one in facts])[-1].position
    for row in rows:
        if row.state is DeliveryState.DEAD:
            subject = f"{name}/{row.message.position}"
            site.records.close_finding(DEAD_LETTER, subject, "somebody decided to skip it")
    return {
        "destination": name,
        "dry_run": False,
        "messages": len(rows),
        "message": None,
        "position": position,
        **named,
    }


def _skippable(index: MessageIndex, name: str, told: Mapping[str, Any]) -> list[DeliveryRow]:
    if told.get("message") is not None:
        row = index.delivery(name, told["message"])
        if row is None or row.state not in (DeliveryState.WAITING, DeliveryState.DEAD):
            raise MessageNotInQueue(destination=name, message=told["message"])
        return [row]
    tally = index.queue(name)
    if tally.hold is None:
        raise QueueNotHeld(destination=name)
    since, until, first = moment_told(told.get("since")), moment_told(told.get("until")), told.get("first")
    return [
        row
        for row in index.deliveries(name, DeliveryState.WAITING, tally.counts[DeliveryState.WAITING])
        if (since is None or row.message.received_at >= since)
        and (until is None or row.message.received_at <= until)
        and (first is None or row.message.position >= first)
        # Nobody else can have brought what was written here, and what was let through is on its way.
        and row.message.host != WRITTEN_HERE
        and not row.released
    ]


def replay(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Send messages to a destination again, in order; with ``dry_run``, say only what that would do there.

    Raises:
        NotSigned: a reason or a name is missing.
        MessageNotInQueue, BadMoment: what is to go is named wrongly.
    """
    del report
    destination, signature = _destination(site, told), _signature(told)
    chosen = list(_chosen(site.messages.index, destination, told))
    index, name = site.messages.index, destination.name
    if told.get("dry_run"):
        previewed = (
            Replayed(row, site.messages.raw(row.position), _was_delivered(index, name, row.position)) for row in chosen
        )
        return {"destination": name, "dry_run": True, **net_effect(previewed)}
    for start in range(0, len(chosen), REPLAYED_AT_ONCE):
        positions = [row.position for row in chosen[start : start + REPLAYED_AT_ONCE]]
        facts = {"destination": name, "messages": positions, **signature}
        site.messages.record(FactKind.HL7_REPLAYED, facts)
        for position in positions:
            site.records.close_finding(DEAD_LETTER, f"{name}/{position}", "sent again")
    return {"destination": name, "dry_run": False, "messages": len(chosen)}


def _signature(told: Mapping[str, Any]) -> dict[str, str]:
    reason, by = signed(told)
    return {"reason": reason, "by": by}


def _recorded(site: "Site", told: Mapping[str, Any], kind: FactKind, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Record an act; with ``dry_run``, only say that it would have been."""
    if told.get("dry_run"):
        return {"dry_run": True, "position": None}
    return {"dry_run": False, "position": site.messages.record(kind, facts).position}


def _chosen(index: MessageIndex, destination: Destination, told: Mapping[str, Any]) -> Iterator[MessageRow]:
    events: Sequence[str] = told.get("events") or ()
    if told.get("message") is not None:
        row = index.message(told["message"])
        if row is None or row.arrived != "message":
            raise MessageNotInQueue(destination=destination.name, message=told["message"])
        yield row
        return
    since, until, first = moment_told(told.get("since")), moment_told(told.get("until")), told.get("first")
    while rows := index.messages(since, first, until, REPLAYED_AT_ONCE):
        for row in rows:
            if row.duplicate_of is None and is_for(destination.events, row.event) and is_for(events, row.event):
                yield row
        first = rows[-1].position + 1


def _was_delivered(index: MessageIndex, destination: str, message: int) -> bool:
    row = index.delivery(destination, message)
    return row is not None and row.state is DeliveryState.DELIVERED


def _first_held(index: MessageIndex, name: str) -> DeliveryRow | None:
    rows = index.deliveries(name, DeliveryState.WAITING, SHOWN_MAX)
    return next((row for row in rows if not row.released), None)


def _destination(site: "Site", told: Mapping[str, Any]) -> Destination:
    known = read_destinations(site.home.destinations)
    if told["destination"] not in known:
        raise UnknownDestination(name=told["destination"])
    return known[told["destination"]]


def _queue_document(known: Destination | None, name: str, tally: QueueTally | None) -> dict[str, Any]:
    counts = {str(state): tally.counts[state] if tally else 0 for state in DeliveryState}
    held = tally.hold if tally else None
    return {
        "destination": name,
        "address": known.address if known else None,
        **counts,
        "oldest_waiting_at": to_text(tally.oldest_waiting_at) if tally and tally.oldest_waiting_at else None,
        "held": held is not None,
        "held_since": to_text(held.since) if held else None,
        "held_reason": held.reason if held else None,
        "held_by": held.by if held else None,
    }


def _row_document(row: DeliveryRow) -> dict[str, Any]:
    message = row.message
    return {
        "message": message.position,
        "state": str(row.state),
        "event": message.event,
        "sender": message.sender,
        "control_id": message.control_id,
        "digest": message.digest.hex(),
        "size_bytes": message.size_bytes,
        "received_at": to_text(message.received_at),
        "attempts": row.attempts,
        "code": row.code,
        "told": row.told,
        "released": row.released,
        "settled_at": to_text(row.settled_at) if row.settled_at else None,
    }
