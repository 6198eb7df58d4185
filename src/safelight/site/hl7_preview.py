"""What a replay would do, before it is done: the state in which it would leave orders and patients at a receiver."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from safelight.catalog.message_rows import MessageRow
from safelight.wire.hl7.header import UnreadableHeader
from safelight.wire.hl7.message import Message


@dataclass(frozen=True, slots=True)
class Replayed:
    """A message that would be sent again."""

    row: MessageRow
    raw: bytes
    delivered_before: bool


def net_effect(messages: Iterable[Replayed]) -> dict[str, Any]:
    """Return in numbers what remains when all of these were received in order.

    Of several messages about one order the last decides; so an order that was placed and cancelled
    within the replay ends cancelled.
    """
    by_event: Counter[str] = Counter()
    orders: dict[str, str] = {}
    patients: set[str] = set()
    delivered = merges = 0
    for one in messages:
        by_event[one.row.event] += 1
        delivered += one.delivered_before
        patients.update(one.row.patients or ())
        merges += one.row.event in ("ADT^A34", "ADT^A40", "ADT^A47")
        orders.update(_orders(one.raw))
    return {
        "messages": by_event.total(),
        "by_event": dict(sorted(by_event.items())),
        "delivered_before": delivered,
        "patients": len(patients),
        "merges": merges,
        "orders": len(orders),
        "orders_end_as": dict(sorted(Counter(orders.values()).items())),
    }


def _orders(raw: bytes) -> dict[str, str]:
    """Return the last control code and status of each order that a message speaks of."""
    try:
        message = Message(raw)
    except UnreadableHeader:
        return {}
    found = {}
    for segment in message.all("ORC"):
        name = segment.field(2).component() or segment.field(3).component()
        if name:
            found[name] = "_".join(filter(None, (segment.field(1).component(), segment.field(5).component())))
    return found
