"""Tables of patients, scheduled procedure steps and reports: as HL7 messages tell them, and as lists have them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table

from safelight.catalog.message_tables import message_schema
from safelight.catalog.schema import Instant

person_table = Table(
    "person",
    message_schema,
    Column("patient_id", String, primary_key=True),
    Column("issuer", String, primary_key=True),
    # JSON: DICOM keywords and their values.
    Column("attributes", String, nullable=False),
    # JSON: other identifiers, each with its issuer.
    Column("others", String, nullable=False),
    Column("in_house", Boolean, nullable=False),
    # When whoever told last said it, in the sender's own time; an older message does not overwrite.
    Column("told_at", String, nullable=False),
    Column("merged_into_id", String),
    Column("merged_into_issuer", String),
    Column("journal_position", BigInteger, nullable=False),
    Index("person_in_house", "in_house"),
)

step_table = Table(
    "step",
    message_schema,
    # Position of the message that first spoke of it, and which of its steps it was.
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("patient_id", String, nullable=False),
    Column("issuer", String, nullable=False),
    Column("state", String, nullable=False),
    Column("accession", String, nullable=False),
    Column("study", String, nullable=False),
    # The order's numbers without their namespaces.
    Column("placer", String, nullable=False),
    Column("filler", String, nullable=False),
    Column("modality", String, nullable=False),
    Column("station", String, nullable=False),
    Column("start_date", String, nullable=False),
    Column("start_time", String, nullable=False),
    Column("attributes", String, nullable=False),
    Column("told_at", String, nullable=False),
    Column("journal_position", BigInteger, nullable=False),
    Index("step_by_start", "state", "start_date", "start_time"),
    Index("step_by_patient", "patient_id", "issuer"),
    Index("step_by_accession", "accession"),
    Index("step_by_study", "study"),
    Index("step_by_placer", "placer"),
    Index("step_by_filler", "filler"),
)

step_name_table = Table(
    "step_name",
    message_schema,
    Column("kind", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("step", BigInteger, nullable=False),
    Index("step_name_by_step", "step"),
)

listing_table = Table(
    # A list of steps that somebody keeps: a RIS whose worklist is mirrored, or a nightly extract.
    "listing",
    message_schema,
    Column("source", String, primary_key=True),
    Column("way", String, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("journal_position", BigInteger, nullable=False),
)

listed_step_table = Table(
    "listed_step",
    message_schema,
    Column("source", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("patient_id", String, nullable=False),
    Column("issuer", String, nullable=False),
    Column("accession", String, nullable=False),
    Column("study", String, nullable=False),
    Column("placer", String, nullable=False),
    Column("filler", String, nullable=False),
    Column("modality", String, nullable=False),
    Column("station", String, nullable=False),
    Column("start_date", String, nullable=False),
    Column("start_time", String, nullable=False),
    # JSON: DICOM keywords and their values, of the patient and of the step.
    Column("patient", String, nullable=False),
    Column("attributes", String, nullable=False),
    Index("listed_step_by_start", "start_date", "start_time"),
    Index("listed_step_by_accession", "accession"),
    Index("listed_step_by_study", "study"),
    Index("listed_step_by_placer", "placer"),
    Index("listed_step_by_filler", "filler"),
    Index("listed_step_by_patient", "patient_id"),
)

report_table = Table(
    "report",
    message_schema,
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("patient_id", String, nullable=False),
    Column("issuer", String, nullable=False),
    Column("accession", String, nullable=False),
    Column("study", String, nullable=False),
    Column("filler", String, nullable=False),
    Column("status", String, nullable=False),
    Column("observed", String, nullable=False),
    Column("title", String, nullable=False),
    Index("report_by_accession", "accession"),
    Index("report_by_patient", "patient_id", "issuer"),
    Index("report_by_study", "study"),
)
