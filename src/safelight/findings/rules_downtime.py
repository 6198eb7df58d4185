"""Rules about the hours and days without a system: who does what, with what, and how results get out."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from safelight.core.span import span_text
from safelight.findings.facts import Facts, Hit, Hits, ServiceImpact, Thing, known
from safelight.findings.rules_ownership import ARCHIVES, URGENT, used

PAIRED: Final = ("detect", "restore", "failback", "upgrade")
RESTORE_PROOF: Final = frozenset({"database", "retrieve", "report-view", "worklist"})


def r25(facts: Facts) -> Hits:
    """IT does something, and radiology does not know what to do meanwhile, or when."""
    procedures = {one.id: one for one in facts.each("procedures")}
    for one in facts.each("runbooks"):
        if one["side"] != "it" or one["phase"] not in PAIRED:
            continue
        if not one.has("paired_with"):
            yield Hit(f"runbooks/{one.id}", f"{one['name']}: no procedure says what radiology does meanwhile.")
        elif procedures[one["paired_with"]]["needs_trigger_from_it"] and not one["tells_radiology"]:
            yield Hit(
                f"runbooks/{one.id}", f"{one['paired_with']} waits for word from IT that {one['name']} never gives."
            )


def r26(facts: Facts) -> Hits:
    """Patients wait too long before the systems are back, or backlog or MTD are longer than what is tolerable."""
    for service in facts.each("services"):
        impact = facts.impact.get(service.id)
        for one in service.things("tolerances"):
            for told in facts.estimates:
                if (told.service, told.disruption) != (service.id, one["disruption"]) or one["mtd"] is None:
                    continue
                work = max(told.work_recovery, (impact.clears_after or timedelta(0)) if impact else timedelta(0))
                if told.takes is not None and told.takes + work > one["mtd"]:
                    back, caught = span_text(told.takes), span_text(work)
                    what = f"{one['disruption']}: back in {back}, caught up {caught} later, "
                    what += f"MTD {span_text(one['mtd'])}."
                    yield Hit(f"services/{service.id}", f"{service['name']}, {what}", (service.id,))
        if impact is not None:
            yield from _simulated(service, impact)


def _simulated(service: Thing, impact: ServiceImpact) -> Hits:
    """What a simulation shows of a service beside what it declares."""
    where, name, tolerances = f"services/{service.id}", service["name"], service.things("tolerances")
    if impact.clears_after is None or impact.utilisation >= 0.9:
        yield Hit(where, f"{name} has no capacity to catch up.", (service.id,))
    rtos = [one["rto"] for one in tolerances if one["rto"] is not None]
    if impact.first_breach is not None and rtos and impact.first_breach < min(rtos):
        what = f"{name}: a patient waits beyond the clinical limit after {span_text(impact.first_breach)}."
        yield Hit(where, what, (service.id,))
    for one in tolerances:
        if impact.does_not_stand is not None and one["mtd"] is not None and one["mtd"] >= impact.does_not_stand:
            what = f"{name}, {one['disruption']}: MTD {span_text(one['mtd'])} declared; "
            what += f"by simulation it does not stand {span_text(impact.does_not_stand)}."
            yield Hit(where, what, (service.id,))


def r27(facts: Facts) -> Hits:
    """A modality is full, or has deleted, before the archive is back."""
    for one in facts.each("systems", "modality"):
        if one["local_storage"] is None or one["local_storage"] < facts.header["planned_outage"]:
            yield Hit(f"systems/{one.id}", f"{one['name']} is full after {known(one['local_storage'])}.")
        if one["deletes_before_commitment"]:
            yield Hit(f"systems/{one.id}", f"{one['name']} deletes images before the archive has committed to them.")


def r28(facts: Facts) -> Hits:
    """There are no numbers for a downtime, too few, or some that are given out twice."""
    reserved = facts.each("reserved_numbers")
    hours = facts.header["planned_outage"] / timedelta(hours=1)
    exams = sum(service["exams_per_hour"] or 0 for service in facts.clinical) * hours
    for of in ("patient-id", "accession"):
        have = sum(one["last"] - one["first"] + 1 for one in reserved if one["of"] == of)
        if have < max(exams, 1):
            yield Hit(f"reserved_numbers:{of}", f"{have} reserved for {of}, about {exams:.0f} are needed.")
    for one in reserved:
        for live in facts.each("live_numbers"):
            same = (one["of"], one["prefix"]) == (live["of"], live["prefix"])
            if same and one["first"] <= live["last"] and live["first"] <= one["last"]:
                yield Hit(f"reserved_numbers/{one.id}", f"{one.id} overlaps {live.id}, which is given out every day.")


def r29(facts: Facts) -> Hits:
    """What would be used instead fails together with what it replaces."""
    instead = {one["instead_of"] for one in facts.each("fallbacks")}
    for one in facts.each("systems", "pacs", "dictation"):
        if one.id not in instead:
            yield Hit(
                f"systems/{one.id}", f"Nothing is named that is used instead of {one['name']}.", used(facts, one.id)
            )
    for one in facts.each("fallbacks"):
        common = facts.closure(one["needs"]) & facts.closure([one["instead_of"]])
        if common:
            what = f"{one['name']} needs {', '.join(sorted(common))}, as does {one['instead_of']}."
            yield Hit(f"fallbacks/{one.id}", what, used(facts, one["instead_of"]))


def r30(facts: Facts) -> Hits:
    """An urgent service does not know how results come, or who sends patients elsewhere."""
    for kind in URGENT:
        found = facts.each("services", kind)
        if not found:
            yield Hit(f"services:{kind}", f"The plan has no service of the kind {kind}.")
        for one in found:
            if not one.has("result_path", "divert_owner"):
                what = f"{one['name']}: no named way for results, or nobody who decides to divert."
                yield Hit(f"services/{one.id}", what, (one.id,))


def r31(facts: Facts) -> Hits:
    """The two sides have not rehearsed together, or not the hard parts."""
    recent = [one for one in facts.each("drills") if not facts.older(one["held_on"], 365)]
    joint = [one for one in recent if {"it", "radiology"} <= set(one["sides"])]
    if not joint:
        yield Hit("drills", "No drill of both sides in the last twelve months.")
        return
    went = {part for one in joint for part in one["proved"]}
    if missing := sorted({"reconcile", "failback", "night-shift"} - went):
        yield Hit("drills:parts", f"Joint drills of this year left out: {', '.join(missing)}.")
    needed = {one["vendor"] for one in facts.each("systems", *ARCHIVES) if one["vendor"]}
    if absent := sorted(needed - {name for one in joint for name in one["vendors"]}):
        yield Hit("drills:vendors", f"Vendors that took no part: {', '.join(absent)}.")


def r32(facts: Facts) -> Hits:
    """A time that nobody has measured, or that a drill or the age of the copies has disproved."""
    for system in facts.clinical_systems:
        for claim in system.things("capabilities"):
            where, service = f"systems/{system.id}", used(facts, system.id)
            named = f"{system['name']}, {claim['disruption']}"
            lost = facts.losses.get((system.id, str(claim["disruption"])))
            if lost is not None and claim.has("rpo") and lost.loses > claim["rpo"]:
                what = f"{named}: RPO {span_text(claim['rpo'])} claimed, {span_text(lost.loses)} estimated"
                yield Hit(where, f"{what}: {lost.because}.", service)
            if claim["rto"] is None:
                continue
            found = [
                (drill["held_on"], one)
                for drill in facts.each("drills")
                if drill["disruption"] == claim["disruption"]
                for one in drill.things("measured")
                if one["system"] == system.id
            ]
            last = {name: _last(found, name) for name in ("rto", "rpo")}
            if last["rto"] is None:
                yield Hit(where, f"{named}: RTO {span_text(claim['rto'])} was never measured.", service)
            day = max((day for day, _ in found), default=None)
            if day is not None and system.has("changed_on") and day < system["changed_on"]:
                yield Hit(where, f"{named}: measured on {day}, changed since.", service)
            for objective, measured in last.items():
                if measured is not None and claim.has(objective) and measured > claim[objective]:
                    what = f"{named}: {objective.upper()} {span_text(claim[objective])} claimed, "
                    what += f"{span_text(measured)} measured."
                    yield Hit(where, what, service)


def _last(found: Sequence[tuple[date, Thing]], objective: str) -> timedelta | None:
    """Return what the last drill that measured it says of an objective."""
    measured: list[tuple[date, timedelta]] = [(day, one[objective]) for day, one in found if one.has(objective)]
    return max(measured, key=lambda pair: pair[0])[1] if measured else None


def r33(facts: Facts) -> Hits:
    """Files came back; nobody looked whether a service did."""
    restores = [one for one in facts.each("drills") if one.kind in {"restore-sample", "restore-tier", "full"}]
    if not any(set(one["proved"]) >= RESTORE_PROOF for one in restores):
        yield Hit("drills", "No restore was tested through database, retrieve, report view and worklist.")


def r34(facts: Facts) -> Hits:
    """The vendor comes too late, or cannot be reached."""
    for one in facts.each("systems"):
        vendor = next((found for found in facts.each("vendors") if found.id == one["vendor"]), None)
        rto = facts.longest_rto(one.id)
        if vendor is None or one.id not in {system.id for system in facts.clinical_systems}:
            continue
        where = f"vendors/{vendor.id}"
        slowest = max((span for span in (vendor["response"], vendor["on_site"]) if span is not None), default=None)
        if slowest is None or (rto is not None and slowest > rto):
            what = f"{vendor['name']} comes within {known(slowest)}, {one['name']} is due in {known(rto)}."
            yield Hit(where, what, used(facts, one.id))
        if not vendor["out_of_hours"] or not vendor.has("emergency_number"):
            yield Hit(where, f"{vendor['name']} cannot be reached at night.", used(facts, one.id))
        if vendor.has("subcontractor") and not vendor.has("subcontractor_number"):
            yield Hit(where, f"{vendor['subcontractor']} comes for {vendor['name']}, and its number is not known.")


def r35(facts: Facts) -> Hits:
    """Somebody may touch PACS storage without the PACS administrator."""
    for one in facts.each("systems", *ARCHIVES):
        if not one["storage_change_needs_pacs_administrator"]:
            what = f"The storage of {one['name']} can be changed without the PACS administrator."
            yield Hit(f"systems/{one.id}", what, used(facts, one.id))


def r36(facts: Facts) -> Hits:
    """The plan is not at hand when it is needed."""
    lying = [one for one in facts.each("packs") if one["form"] != "online"]
    for one in lying:
        if one["version"] != facts.header["version"]:
            yield Hit(
                f"packs/{one.id}", f"Pack {one.id} is version {one['version']}; now it is {facts.header['version']}."
            )
    for site in facts.each("sites"):
        if site["radiology"] and site.id not in {one["site"] for one in lying}:
            yield Hit(
                f"sites/{site.id}", f"At {site['name']} the plan lies neither in print nor on an isolated laptop."
            )


def r37(facts: Facts) -> Hits:
    """Nobody can be told, because that needs what failed."""
    if not any(not one["needs"] for one in facts.each("channels")):
        yield Hit("channels", "Every way to reach people needs a system that may be away.")


CHECKS: Final[dict[str, Callable[[Facts], Hits]]] = {
    "R25": r25,
    "R26": r26,
    "R27": r27,
    "R28": r28,
    "R29": r29,
    "R30": r30,
    "R31": r31,
    "R32": r32,
    "R33": r33,
    "R34": r34,
    "R35": r35,
    "R36": r36,
    "R37": r37,
}
