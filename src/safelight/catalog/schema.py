"""The catalog's tables.

Keys that end in ``_key`` are numbers of this catalog alone: they never leave it, and a rebuilt
catalog has others.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)

from safelight.catalog.errors import CatalogDamaged
from safelight.core.clock import from_text, to_text

FORMAT: Final = 4

schema = MetaData()


class Instant(TypeDecorator[datetime]):
    """An instant as ISO 8601 text of fixed width, so that text order is time order."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write the instant."""
        del dialect
        return None if value is None else to_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read the instant.

        Raises:
            CatalogDamaged: it is none.
        """
        del dialect
        try:
            return None if value is None else from_text(value)
        except (ValueError, TypeError) as error:
            raise CatalogDamaged(error="an instant that is none") from error


def _key() -> Column[int]:
    return Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)


def _text(name: str) -> Column[str]:
    return Column(name, String, nullable=False, default="")


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=0)


about_table = Table("about", schema, Column("format", Integer, nullable=False))

tally_table = Table("tally", schema, Column("name", String, primary_key=True), Column("value", BigInteger))

patient_table = Table(
    "patient",
    schema,
    _key(),
    _text("patient_id"),
    _text("issuer"),
    _text("name"),
    _text("birth_date"),
    _text("sex"),
    # Whether a decision chose the version that describes the patient.
    Column("decided", Boolean, nullable=False, default=False),
    Column("described_at", Instant, nullable=False),
    Column("described_by", LargeBinary, nullable=False),
    UniqueConstraint("patient_id", "issuer"),
)

study_table = Table(
    "study",
    schema,
    _key(),
    Column("study", String, nullable=False, unique=True),
    Column("patient_key", BigInteger, nullable=False),
    _text("patient_name"),
    _text("study_date"),
    _text("study_time"),
    _text("accession"),
    _text("study_id"),
    _text("description"),
    _text("referring"),
    _text("modalities"),
    _number("series_count"),
    _number("instance_count"),
    _number("version_count"),
    _number("packed_count"),
    _number("bytes"),
    # Of the instances and series counted, those that rejection notes withdrew (a series: all of it).
    _number("withdrawn_count"),
    _number("withdrawn_series_count"),
    # Whether a decision chose the version that describes the study.
    Column("decided", Boolean, nullable=False, default=False),
    Column("described_at", Instant, nullable=False),
    Column("described_by", LargeBinary, nullable=False),
    Column("first_received_at", Instant, nullable=False),
    Column("last_received_at", Instant, nullable=False),
    Index("study_by_date", "study_date", "study_time"),
    Index("study_by_patient", "patient_key"),
    Index("study_by_accession", "accession"),
    Index("study_by_receipt", "last_received_at"),
)

description_table = Table(
    # What instances of a study say of it and its patient, each different saying once.
    "description",
    schema,
    _key(),
    Column("study_key", BigInteger, nullable=False),
    _text("patient_id"),
    _text("issuer"),
    _text("patient_name"),
    _text("birth_date"),
    _text("sex"),
    _text("study_date"),
    _text("study_time"),
    _text("accession"),
    _text("study_id"),
    _text("study_description"),
    _text("referring"),
    Index("description_by_study", "study_key"),
)

former_table = Table(
    # By what a study was known before a decision; people still look for it there.
    "former",
    schema,
    Column("what", String, primary_key=True),
    Column("told", String, primary_key=True),
    Column("study_key", BigInteger, primary_key=True),
    Index("former_by_study", "study_key"),
)

name_table = Table(
    # Every spelling of the patient's name that the instances of a study carry, folded for searching; not those
    # that a decision took out of force.
    "name",
    schema,
    Column("folded", String, primary_key=True),
    Column("study_key", BigInteger, primary_key=True),
    Index("name_by_study", "study_key"),
)

series_table = Table(
    "series",
    schema,
    _key(),
    Column("study_key", BigInteger, nullable=False),
    Column("series", String, nullable=False),
    _text("modality"),
    _text("series_number"),
    _text("description"),
    _text("body_part"),
    _number("instance_count"),
    _number("version_count"),
    _number("packed_count"),
    _number("bytes"),
    _number("withdrawn_count"),
    Column("described_at", Instant, nullable=False),
    Column("described_by", LargeBinary, nullable=False),
    UniqueConstraint("study_key", "series"),
    Index("series_by_uid", "series"),
)

encoding_table = Table(
    "encoding",
    schema,
    _key(),
    _text("sop_class"),
    _text("transfer_syntax"),
    UniqueConstraint("sop_class", "transfer_syntax"),
)

origin_table = Table(
    "origin",
    schema,
    _key(),
    _text("way"),
    _text("calling"),
    _text("called"),
    _text("sender"),
    UniqueConstraint("way", "calling", "called", "sender"),
)

version_table = Table(
    "version",
    schema,
    _key(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    _text("sop_instance"),
    Column("encoding_key", BigInteger, nullable=False),
    Column("origin_key", BigInteger, nullable=False),
    # Null when the data set names no study, or is opaque.
    Column("study_key", BigInteger),
    Column("series_key", BigInteger),
    Column("description_key", BigInteger),
    _number("size"),
    _text("instance_number"),
    Column("opaque", Boolean, nullable=False),
    Column("packed", Boolean, nullable=False),
    # Whether a rejection note withdrew the instance.
    Column("withdrawn", Boolean, nullable=False, default=False),
    Column("received_at", Instant, nullable=False),
    Index("version_by_series", "study_key", "series_key"),
    Index("version_by_instance", "sop_instance"),
)

landed_table = Table(
    "landed",
    schema,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    _number("size"),
    _number("prefix_size"),
    Column("version_key", BigInteger, nullable=False),
    Column("packed", Boolean, nullable=False),
    Column("received_at", Instant, nullable=False),
    Index("landed_by_age", "packed", "received_at"),
    Index("landed_by_version", "version_key"),
)

pack_table = Table(
    "pack",
    schema,
    _key(),
    Column("name", String, nullable=False, unique=True),
    _text("kind"),
    _number("size_bytes"),
    _number("raw_bytes"),
    _number("instance_count"),
    Column("sealed_at", Instant, nullable=False),
    Column("journal_position", BigInteger),
    # Of what the pack holds, the oldest receipt: what is lost in time if the pack is lost.
    Column("oldest_received_at", Instant, nullable=False),
    # Copies that are verified and whose referred packs are verified in the same placement.
    _number("copies_whole"),
    Index("pack_by_copies", "copies_whole", "oldest_received_at"),
)

reference_table = Table(
    "reference",
    schema,
    Column("pack_key", BigInteger, primary_key=True, autoincrement=False),
    Column("refers_to", String, primary_key=True),
    Index("reference_by_target", "refers_to"),
)

expected_table = Table(
    # Packs that the journal says were sealed and that nobody has recorded.
    "expected",
    schema,
    Column("name", String, primary_key=True),
    Column("journal_position", BigInteger, nullable=False),
)

holding_table = Table(
    "holding",
    schema,
    Column("pack_key", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("version_key", BigInteger, nullable=False),
    _number("size"),
    _number("prefix_size"),
    Column("prefix_digest", LargeBinary, nullable=False),
    Column("pixel_digest", LargeBinary),
    Column("refers_to", String),
    Index("holding_by_version", "version_key"),
    Index("holding_by_pixels", "pixel_digest"),
)

copy_table = Table(
    "copy",
    schema,
    Column("pack_key", BigInteger, primary_key=True, autoincrement=False),
    Column("placement", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("checked_at", Instant),
    Index("copy_by_check", "placement", "checked_at"),
    Index("copy_by_state", "placement", "state"),
)

finding_table = Table(
    "finding",
    schema,
    Column("code", String, primary_key=True),
    Column("subject", String, primary_key=True),
    _text("severity"),
    Column("facts", String, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    _text("closed_because"),
    _number("journal_position"),
    Index("finding_by_age", "closed_at", "opened_at"),
)

rejection_table = Table(
    "rejection",
    schema,
    Column("sop_instance", String, primary_key=True),
    Column("note", String, primary_key=True),
    _text("study"),
    _text("reason"),
    Column("noted_at", Instant, nullable=False),
    _number("journal_position"),
    Index("rejection_by_study", "study"),
)

choice_table = Table(
    "choice",
    schema,
    Column("journal_position", BigInteger, primary_key=True, autoincrement=False),
    Column("sop_instance", String, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("chosen_at", Instant, nullable=False),
    Index("choice_by_instance", "sop_instance"),
)

caller_table = Table(
    "caller",
    schema,
    Column("title", String, primary_key=True),
    Column("host", String, primary_key=True),
    _text("called"),
    # JSON: by the title that was called, how often each act was seen and when last.
    _text("called_acts"),
    _text("implementation_uid"),
    _text("implementation_version"),
    _text("sop_classes"),
    _text("transfer_syntaxes"),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    *(
        column
        for act in ("association", "echo", "store", "query", "retrieve", "commitment", "refusal", "abort")
        for column in (Column(f"last_{act}_at", Instant), _number(f"{act}_count"))
    ),
)

claim_table = Table(
    "claim",
    schema,
    Column("source", String, primary_key=True),
    Column("study", String, primary_key=True),
    _text("study_date"),
    _text("study_time"),
    _text("modalities"),
    _text("accession"),
    Column("series_count", BigInteger),
    Column("instance_count", BigInteger),
    _text("run"),
    Column("first_claimed_at", Instant, nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("gone_at", Instant),
    # What came of the last comparison, if there was one.
    Column("verdict", String),
    Column("verdict_claimed", BigInteger),
    Column("verdict_held", BigInteger),
    Column("verdict_missing", BigInteger),
    Column("verdict_by_name", Boolean),
    Index("claim_by_study", "study"),
    Index("claim_by_run", "source", "gone_at", "run"),
    Index("claim_by_date", "source", "study_date"),
)

series_claim_table = Table(
    "series_claim",
    schema,
    Column("source", String, primary_key=True),
    Column("study", String, primary_key=True),
    Column("series", String, primary_key=True),
    _text("modality"),
    Column("instance_count", BigInteger),
    Column("listed", Boolean, nullable=False),
)

instance_claim_table = Table(
    "instance_claim",
    schema,
    Column("source", String, primary_key=True),
    Column("study", String, primary_key=True),
    Column("series", String, primary_key=True),
    Column("sop_instance", String, primary_key=True),
)

census_table = Table(
    # Kept in step with every pack and claim: what one study is, seen from one source ("" for none).
    "census",
    schema,
    Column("study", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("claimed", BigInteger),
    _number("held"),
    _text("study_date"),
    Column("claimed_at", Instant),
    Index("census_by_outcome", "outcome", "claimed_at"),
    Index("census_by_date", "study_date", "outcome"),
)

census_run_table = Table(
    "census_run",
    schema,
    Column("source", String, primary_key=True),
    Column("run", String, primary_key=True),
    Column("ended_at", Instant, nullable=False),
    Column("complete", Boolean, nullable=False),
    _number("studies"),
    _text("not_covered"),
    Column("whole", Boolean, nullable=False),
    Column("began_at", Instant),
    _number("row_limit"),
    Index("census_run_by_age", "source", "complete", "ended_at"),
)
