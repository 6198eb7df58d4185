"""Tables of the index of messages: what came, to whom it goes, and how far each destination is."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

from safelight.catalog.schema import Instant

FORMAT: Final = 5

message_schema = MetaData()

about_table = Table(
    "about",
    message_schema,
    Column("format", Integer, nullable=False),
    Column("journal_position", BigInteger, nullable=False),
    # Of the entry at that position: a journal that was restored may have others there.
    Column("journal_hash", LargeBinary, nullable=False),
    # Up to where messages are folded into patients, steps and reports, and by which mapping.
    Column("folded", BigInteger, nullable=False),
    Column("mapping", String, nullable=False),
)

message_table = Table(
    "message",
    message_schema,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("arrived", String, nullable=False),
    Column("host", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("event", String, nullable=False),
    Column("control_id", String, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    # The message of the same name and content that came before.
    Column("duplicate_of", BigInteger),
    # JSON: the patient identifiers that keep messages in order; null where nobody can tell.
    Column("patients", String),
    Index("message_by_control_id", "control_id", "sender", "position"),
    Index("message_by_time", "received_at"),
    Index("message_by_sequence", "sequence"),
)

sender_table = Table(
    # Who sends messages: what a new interface has to be told, and whose silence is a sign.
    "sender",
    message_schema,
    Column("sender", String, primary_key=True),
    Column("host", String, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("message_count", BigInteger, nullable=False),
)

delivery_table = Table(
    # One row for each message and destination, and one more for each replay.
    "delivery",
    message_schema,
    Column("destination", String, primary_key=True),
    # Position of the fact that queued it: its receipt, or a replay.
    Column("queued", BigInteger, primary_key=True, autoincrement=False),
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String, nullable=False),
    # Let through while its destination is held.
    Column("released", Boolean, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("told", String, nullable=False),
    Column("settled_at", Instant),
    Index("delivery_by_state", "destination", "state", "queued", "message"),
    Index("delivery_by_message", "message"),
)

hold_table = Table(
    "hold",
    message_schema,
    Column("destination", String, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("reason", String, nullable=False),
    Column("by", String, nullable=False),
)
