"""Made-up sides of a reconciliation: one exam, its study, an order, a target."""

from datetime import UTC, datetime
from typing import Any

from safelight.core.names import Personal
from safelight.reconciliation.sides import Exam, HeldStudy, Order, Patient, TargetLook, TargetStudy

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
RITA = Patient(Personal("4711"), "H", Personal("Real^Rita"), "19700102", "F")
TEMP = Patient(Personal("DP01"), "", Personal("REAL^RITA"), "19700102", "F")
UNNAMED = Patient(Personal("DP01"), "", Personal("UNIDENTIFIED^DP01"))
TEMPORARY = frozenset({"DP01", "DP02", "DT01", "DT02"})


def exam(accession: str = "DT01", patient: Patient = RITA, **told: Any) -> Exam:
    """Return an exam of a CT."""
    return Exam(accession, f"2.25.{accession[-1]}", patient, "CT", "head", "CT1", AT, **told)


def study(of: Exam, **told: Any) -> HeldStudy:
    """Return what the modality made of an exam, by what stood on the worklist."""
    asked: dict[str, Any] = {
        "study": of.study,
        "patient": of.patient,
        "accession": of.accession,
        "modalities": frozenset({"CT"}),
        "stations": frozenset({"CT1"}),
        "started": "20260301101500",
        "instances": frozenset({"1", "2"}),
    }
    return HeldStudy(**{**asked, **told})


def order(key: int = 1, accession: str = "RA1", patient: Patient = RITA, **told: Any) -> Order:
    """Return an order of a CT."""
    asked: dict[str, Any] = {
        "placer": f"P{key}",
        "filler": f"F{key}",
        "study": f"1.2.{key}",
        "modalities": frozenset({"CT"}),
        "stations": frozenset(),
        "started": "20260301100000",
        "procedure": "head",
    }
    return Order(key=key, accession=accession, patient=patient, **{**asked, **told})


def look(*studies: TargetStudy, at: datetime = AT) -> TargetLook:
    """Return a look at a target that has these."""
    return TargetLook("PACS@10.0.0.5:104", at, {one.study: one for one in studies})


def there(of: HeldStudy, patient: Patient | None = None, accession: str | None = None, **told: Any) -> TargetStudy:
    """Return a study as the target has it."""
    number = of.accession if accession is None else accession
    return TargetStudy(of.study, patient or of.patient, number, **{"instance_count": len(of.instances), **told})
