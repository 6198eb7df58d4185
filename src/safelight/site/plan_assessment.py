"""A plan before the rules: its facts, its estimates, the four values of each objective, and what all rules say."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from safelight.core.span import span_text
from safelight.findings.assessment import Assessment, Finding, assess
from safelight.findings.facts import Estimated, Facts, ServiceImpact, SignedVersion, Surge
from safelight.findings.requirement import judged, requirement_packs
from safelight.findings.rule import built_in
from safelight.plan.document import tables
from safelight.plan.errors import Place
from safelight.plan.estimate import Estimate, Measured, Part, estimates, measurements, service_estimate
from safelight.plan.model import Plan
from safelight.plan.objectives import Service
from safelight.plan.on_record import OnRecord, work_recovery
from safelight.plan.signature import Signature, agreement
from safelight.plan.words import Disruption, Side
from safelight.site.drill_measured import with_drills
from safelight.site.plan_folder import PlanFolder
from safelight.site.plan_records import NO_RECORDS, PlanRecords
from safelight.site.plan_surge import surge_of

WORK_RECOVERY: Final = "work recovery, before all is as usual"
"""The last part of a path: it counts against MTD, and not against RTO."""


def facts_of(
    plan: Plan,
    today: date,
    signatures: Iterable[Signature] = (),
    *,
    impact: Mapping[str, ServiceImpact] | None = None,
    surge: Surge | None = None,
    records: PlanRecords = NO_RECORDS,
    signed: Iterable[SignedVersion] = (),
) -> Facts:
    """Return a plan as rules see it, with what drills on record measured."""
    # What was signed is the plan as it is written.
    agreed = agreement(plan, signatures)
    plan = with_drills(plan, records.drills)
    told = []
    for disruption in {one.disruption for service in plan.services for one in service.tolerances}:
        found = estimates(plan, disruption, records.figures)
        for service in plan.services:
            takes = service_estimate(plan, service.systems, found).takes
            work = work_recovery(service, records.figures).takes
            told.append(Estimated(service.id, str(disruption), takes, work))
    unsigned = {str(side): agreed.missing(side) for side in Side}
    return Facts(tables(plan), today, unsigned, tuple(told), impact or {}, surge, tuple(signed))


def assessment_of(
    folder: PlanFolder,
    plan: Plan,
    today: date,
    impact: Mapping[str, ServiceImpact] | None = None,
    records: PlanRecords = NO_RECORDS,
) -> Assessment:
    """Ask all rules, ours and the site's, of the plan that was read from a folder and of what lies beside it."""
    surge = surge_of(folder.path, plan)
    signatures = folder.signatures()
    signed = [SignedVersion(one.version, one.on, folder.keeps(one)) for one in signatures]
    facts = facts_of(plan, today, signatures, impact=impact, surge=surge, records=records, signed=signed)
    return assess(facts, (*built_in(), *folder.rules()))


def assessment_document(told: Assessment, places: Mapping[str, Place]) -> dict[str, Any]:
    """Return an assessment for programs."""
    return {
        "open": told.counts,
        "rifts": len(told.rifts),
        "services": [
            {
                "service": one.service,
                "first_blocking": _finding(one.first, places) if one.first else None,
                "first_breach_minutes": one.first_breach / timedelta(minutes=1) if one.first_breach else None,
                "simulated": one.simulated,
            }
            for one in told.services
        ],
        "findings": [_finding(one, places) for one in told.findings],
        "broken_rules": [{"rule": rule, "trouble": trouble} for rule, trouble in told.broken],
        "requirements": requirements_document(told),
    }


def requirements_document(told: Assessment) -> list[dict[str, Any]]:
    """Return how a plan stands to what laws and standards ask for, source by source."""
    return [
        {
            "pack": pack.id,
            "source": pack.source,
            "edition": pack.edition,
            "date": pack.date or None,
            "requirements": [
                {
                    "ref": one.requirement.ref,
                    "text": one.requirement.text,
                    "standing": str(one.standing),
                    "verified": str(one.requirement.verified),
                    "rules": list(one.requirement.rules),
                    "check": one.requirement.check or None,
                    "says": list(one.says),
                    "beyond": one.requirement.beyond or None,
                    "found_by": list(one.found_by),
                    "parts": list(one.reads),
                }
                for one in judged(pack, told, built_in())
            ],
        }
        for pack in requirement_packs()
    ]


def objectives_document(plan: Plan, records: PlanRecords = NO_RECORDS) -> list[dict[str, Any]]:
    """Return tolerance, capability, estimate and measurement of each objective, service by service."""
    plan, on_record = with_drills(plan, records.drills), records.figures
    rows = []
    disruptions = dict.fromkeys(one.disruption for service in plan.services for one in service.tolerances)
    for disruption in disruptions:
        found, measured = estimates(plan, disruption, on_record), measurements(plan, disruption)
        whole = estimates(plan, disruption, on_record, complete=True) if on_record.asked else {}
        for service in plan.services:
            if any(one.disruption == disruption for one in service.tolerances):
                row = _four(plan, service, disruption, found, measured, on_record)
                complete = service_estimate(plan, service.systems, whole).takes if whole else None
                rows.append({**row, "complete": span_text(complete) if complete is not None else None})
    return rows


def _four(
    plan: Plan,
    service: Service,
    disruption: Disruption,
    found: Mapping[str, Estimate],
    measured: Mapping[str, Measured],
    on_record: OnRecord,
) -> dict[str, Any]:
    tolerance = next(one for one in service.tolerances if one.disruption == disruption)
    estimate = service_estimate(plan, service.systems, found)
    known = {one.id: one for one in plan.systems}
    claims = [one for name in service.systems for one in known[name].capabilities if one.disruption == disruption]
    rto = max((one.rto for one in claims if one.rto is not None), default=None)
    rpo = max((one.rpo for one in claims if one.rpo is not None), default=None)
    shown = [measured[name].rto for name in service.systems if name in measured]
    whole = len(shown) == len(service.systems) and bool(shown)
    measurement = max((one for one in shown if one is not None), default=None) if whole else None
    work = work_recovery(service, on_record)
    caught_up = estimate.takes + work.takes if estimate.takes is not None else None
    told = {
        "service": service.id,
        "name": service.name,
        "kind": str(service.kind),
        "disruption": str(disruption),
        "mtd": tolerance.mtd,
        "tolerance": tolerance.rto,
        "capability": rto,
        "estimate": estimate.takes,
        "measurement": measurement,
        "rpo_tolerance": tolerance.rpo,
        "rpo_capability": rpo,
        "caught_up": caught_up,
    }
    over = [name for name in ("capability", "estimate", "measurement") if _longer(told[name], tolerance.rto)]
    over += ["caught-up"] if _longer(caught_up, tolerance.mtd) else []
    over += ["rpo"] if _longer(rpo, tolerance.rpo) else []
    parts = (*estimate.path, Part("", WORK_RECOVERY, work.takes, work.source))
    path = [
        {"system": one.system, "what": one.what, "takes": span_text(one.takes), "source": one.source} for one in parts
    ]
    spans = {name: span_text(one) if isinstance(one, timedelta) else one for name, one in told.items()}
    drilled = [_drilled(name, measured[name]) for name in service.systems if name in measured]
    return {**spans, "beyond_tolerance": over, "path": path, "unknown": list(estimate.unknown), "measured": drilled}


def _drilled(system: str, one: Measured) -> dict[str, Any]:
    rto, rpo = (None if span is None else span_text(span) for span in (one.rto, one.rpo))
    return {"system": system, "rto": rto, "rpo": rpo, "on": one.on.isoformat(), "drill": one.drill}


def _longer(span: Any, bound: timedelta | None) -> bool:
    return isinstance(span, timedelta) and bound is not None and span > bound


def _finding(one: Finding, places: Mapping[str, Place]) -> dict[str, Any]:
    place = places.get(one.subject)
    return {
        "rule": one.rule.id,
        "title": one.rule.title,
        "kind": str(one.rule.kind),
        "severity": str(one.rule.severity),
        "subject": one.subject,
        "what": one.what,
        "where": str(place) if place else None,
        "services": list(one.services),
        "state": str(one.state),
        "owner": one.owner or None,
        "until": one.until.isoformat() if one.until else None,
        "why": one.why or None,
        "it": one.rule.it,
        "radiology": one.rule.radiology,
        "sources": [{"text": source.text, "verified": str(source.verified)} for source in one.rule.sources],
    }
