"""A plan before the rules: its facts, its estimates, the four values of each objective, and what all rules say."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from safelight.core.span import span_text
from safelight.findings.assessment import Assessment, Finding, assess
from safelight.findings.facts import Estimated, EstimatedLoss, Facts, ServiceImpact, SignedVersion, Surge
from safelight.findings.requirement import judged, requirement_packs
from safelight.findings.rule import built_in
from safelight.plan.document import tables
from safelight.plan.errors import Place
from safelight.plan.estimate import Estimate, Measured, Part, estimates, measurements, service_estimate
from safelight.plan.loss import Loss, keeps_data, losses, service_loss
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
    lost = _losses(plan, records.figures)
    return Facts(tables(plan), today, unsigned, tuple(told), impact or {}, surge, tuple(signed), lost)


def _losses(plan: Plan, on_record: OnRecord) -> dict[tuple[str, str], EstimatedLoss]:
    """Return what may be lost of each system, in the disruptions for which IT says what it can do."""
    told = {}
    for disruption in {one.disruption for system in plan.systems for one in system.capabilities}:
        for name, loss in losses(plan, disruption, on_record).items():
            if loss.loses is not None:
                told[name, str(disruption)] = EstimatedLoss(loss.loses, loss.source)
    return told


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
    own = folder.rules()
    return assess(facts, (*built_in(), *own.usable), own.unusable)


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
        lost = losses(plan, disruption, on_record)
        whole = estimates(plan, disruption, on_record, complete=True) if on_record.asked else {}
        for service in plan.services:
            if any(one.disruption == disruption for one in service.tolerances):
                row = _four(plan, service, disruption, found, lost, measured, on_record)
                complete = service_estimate(plan, service.systems, whole).takes if whole else None
                rows.append({**row, "complete": _told(complete)})
    return rows


def _four(
    plan: Plan,
    service: Service,
    disruption: Disruption,
    found: Mapping[str, Estimate],
    lost: Mapping[str, Loss],
    measured: Mapping[str, Measured],
    on_record: OnRecord,
) -> dict[str, Any]:
    tolerance = next(one for one in service.tolerances if one.disruption == disruption)
    estimate = service_estimate(plan, service.systems, found)
    known = {one.id: one for one in plan.systems}
    claims = [one for name in service.systems for one in known[name].capabilities if one.disruption == disruption]
    with_data = [name for name in service.systems if keeps_data(plan, known[name])]
    drilled = {name: measured[name] for name in service.systems if name in measured}
    work = work_recovery(service, on_record)
    rto = {
        "tolerance": tolerance.rto,
        "capability": _worst(one.rto for one in claims),
        "estimate": estimate.takes,
        "measurement": _worst_of_all(drilled[name].rto if name in drilled else None for name in service.systems),
    }
    rpo = {
        "rpo_tolerance": tolerance.rpo,
        "rpo_capability": _worst(one.rpo for one in claims),
        "rpo_estimate": service_loss(service.systems, lost),
        "rpo_measurement": _worst_of_all(drilled[name].rpo if name in drilled else None for name in with_data),
    }
    caught_up = estimate.takes + work.takes if estimate.takes is not None else None
    over = [name for name, span in rto.items() if _longer(span, tolerance.rto)]
    over += ["caught-up"] if _longer(caught_up, tolerance.mtd) else []
    over += [name.replace("_", "-") for name, span in rpo.items() if _longer(span, tolerance.rpo)]
    parts = (*estimate.path, Part("", WORK_RECOVERY, work.takes, work.source))
    return {
        "service": service.id,
        "name": service.name,
        "kind": str(service.kind),
        "disruption": str(disruption),
        **{name: _told(span) for name, span in {"mtd": tolerance.mtd, **rto, **rpo, "caught_up": caught_up}.items()},
        "beyond_tolerance": over,
        "path": [
            {"system": one.system, "what": one.what, "takes": span_text(one.takes), "source": one.source}
            for one in parts
        ],
        "losses": [
            {"system": name, "loses": _told(lost[name].loses), "source": lost[name].source} for name in service.systems
        ],
        "unknown": list(estimate.unknown),
        "measured": [_drilled(name, one) for name, one in drilled.items()],
    }


def _told(span: timedelta | None) -> str | None:
    return None if span is None else span_text(span)


def _worst(spans: Iterable[timedelta | None]) -> timedelta | None:
    """Return the longest of those that were said."""
    return max((one for one in spans if one is not None), default=None)


def _worst_of_all(spans: Iterable[timedelta | None]) -> timedelta | None:
    """Return the longest; what was not said of one was not said of all."""
    told = list(spans)
    return None if None in told else _worst(told)


def _drilled(system: str, one: Measured) -> dict[str, Any]:
    return {
        "system": system,
        "rto": _told(one.rto),
        "rpo": _told(one.rpo),
        "on": one.on.isoformat(),
        "drill": one.drill,
    }


def _longer(span: timedelta | None, bound: timedelta | None) -> bool:
    return span is not None and bound is not None and span > bound


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
