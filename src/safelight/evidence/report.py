"""The report for people: one HTML page, and the same as PDF."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from safelight.evidence import verify_bundle
from safelight.evidence.record import DrillRecord, Outcome, RecoveryRecord

OPEN_LISTED_MAX = 40


@dataclass(frozen=True, slots=True)
class TierLine:
    """One tier of the order."""

    name: str
    studies: int
    confirmed: int
    instances: int
    megabytes: float
    last_settled: timedelta | None
    """From the start of the recovery to the last study of the tier."""


def report_html(record: RecoveryRecord, *, with_identity: bool = False) -> str:
    """Return the page; it needs nothing from elsewhere. Studies stand under pseudonyms unless told otherwise."""
    environment = _environment()
    environment.filters["name"] = lambda study: (
        study if with_identity else verify_bundle.pseudonym(record.recovery, study)
    )
    outcomes = Counter(study.outcome for study in record.studies)
    not_confirmed = [study for study in record.studies if study.outcome is not Outcome.CONFIRMED]
    return environment.get_template("report.html.jinja").render(
        record=record,
        pseudonymous=not with_identity,
        tiers=_tiers(record),
        outcomes=outcomes,
        confirmed=outcomes[Outcome.CONFIRMED],
        not_confirmed=not_confirmed[:OPEN_LISTED_MAX],
        not_confirmed_count=len(not_confirmed),
        megabytes=sum(study.size_bytes for study in record.studies) / 1e6,
        instances=sum(study.instances for study in record.studies),
    )


def drill_html(record: DrillRecord) -> str:
    """Return the page of a drill that restored nothing; it needs nothing from elsewhere."""
    return _environment().get_template("drill.html.jinja").render(record=record)


def _environment() -> Environment:
    folder = files("safelight.evidence")
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "span": span_in_words,
        "seconds": lambda value: span_in_words(None if value is None else timedelta(seconds=value)),
        "moment": moment_in_words,
        "number": lambda value: f"{value:,}",
        "words": lambda code: code.replace("-", " "),
    }
    return environment


def report_pdf(html: str) -> bytes:
    """Return the page as PDF, with its fonts in it."""
    import logging

    from weasyprint import HTML

    logging.getLogger("fontTools").setLevel(logging.WARNING)
    written: Any = HTML(string=html).write_pdf(pdf_variant="pdf/ua-1")
    return bytes(written)


def span_in_words(span: timedelta | None) -> str:
    """Write a span as people say it."""
    if span is None:
        return "not known"
    seconds = span.total_seconds()
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def moment_in_words(moment: datetime | None) -> str:
    """Write an instant to the second, in UTC."""
    return "not known" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _tiers(record: RecoveryRecord) -> list[TierLine]:
    lines = []
    for name in dict.fromkeys(study.tier for study in record.studies):
        listed = [study for study in record.studies if study.tier == name]
        settled = [study.settled_at for study in listed if study.settled_at]
        lines.append(
            TierLine(
                name=name.replace("-", " "),
                studies=len(listed),
                confirmed=sum(study.outcome is Outcome.CONFIRMED for study in listed),
                instances=sum(study.instances for study in listed),
                megabytes=sum(study.size_bytes for study in listed) / 1e6,
                last_settled=max(settled) - record.times.started_at if settled else None,
            )
        )
    return lines
