"""What a home says of its messages, without the help of `serve`, and in the same time however many came."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from safelight.catalog.errors import CatalogDamaged
from safelight.catalog.message_index import MessageIndex
from safelight.catalog.message_rows import DeliveryState
from safelight.core.clock import to_text
from safelight.protection.exposure import FeedWatch
from safelight.site.hl7_destinations import read_destinations
from safelight.site.home import Home


@contextmanager
def messages_looked_at(home: Home) -> Iterator[MessageIndex | None]:
    """Open the index of messages for reading; None where no message ever came, or `serve` is about to compute it."""
    if home.records is not None:
        yield home.records.message_index
        return
    try:
        index = MessageIndex.open(home.messages_index, read_only=True)
    except CatalogDamaged:
        yield None
        return
    try:
        yield index
    finally:
        index.close()


def messages_summary(home: Home) -> dict[str, int]:
    """Return what `safelight status --json` says of messages."""
    with messages_looked_at(home) as index:
        if index is None:
            return {"messages_received": 0, "messages_waiting": 0, "messages_dead": 0}
        counts = index.open_deliveries(read_destinations(home.destinations))
        return {
            "messages_received": sum(one.message_count for one in index.senders()),
            "messages_waiting": counts[DeliveryState.WAITING],
            "messages_dead": counts[DeliveryState.DEAD],
        }


def message_feeds(home: Home, silence: timedelta) -> list[FeedWatch]:
    """Watch whoever sends messages: one that falls silent is not known to be well."""
    with messages_looked_at(home) as index:
        senders = index.senders() if index is not None else []
    return [FeedWatch(f"HL7 {one.sender}", one.last_at, one.first_at, silence) for one in senders]


def senders_document(home: Home) -> list[dict[str, Any]]:
    """Return who sends messages, for the register of callers."""
    with messages_looked_at(home) as index:
        senders = index.senders() if index is not None else []
    return [
        {
            "sender": one.sender,
            "address": one.host,
            "messages": one.message_count,
            "first_seen": to_text(one.first_at),
            "last_seen": to_text(one.last_at),
        }
        for one in senders
    ]
