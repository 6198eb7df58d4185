"""Rules about declaring, coming back in the right order, and what must be ready for both."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from safelight.core.span import span_text
from safelight.findings.facts import Facts, Hit, Hits
from safelight.findings.rules_ownership import ARCHIVES

SHIFT: Final = timedelta(hours=8)
OPENED_DAYS: Final = 90
LATE_SHARE: Final = 0.05
"""One exam in twenty: the confidence with which services are asked to keep their limits."""


def r38(facts: Facts) -> Hits:
    """It is not clear who declares a downtime, and on what."""
    told = facts.single("declaration")
    if told is None or not told.has("criteria", "declarer"):
        yield Hit("declaration", "Nothing says on what signs, and by whom, a downtime is declared.")
        return
    if len(told["declarer"]) != 1:
        yield Hit("declaration", "More than one person declares: each may wait for the other.")
    if not told.has("successor"):
        yield Hit("declaration", "Nobody declares when the declarer cannot be reached.")
    if not told["radiology_can_trigger"]:
        yield Hit("declaration", "Radiology cannot demand a declaration.")
    if not told["slow_is_declarable"]:
        yield Hit("declaration", "A PACS that is unbearably slow cannot be declared away.")


def r39(facts: Facts) -> Hits:
    """IT brings systems back in another order than radiology needs."""
    ours, theirs = facts.order("restore_order_radiology"), facts.order("restore_order_it")
    if not ours or not theirs:
        yield Hit("restore_order", "One side has not said in which order systems come back.")
    both = [name for name in theirs if name in ours]
    wanted = [name for name in ours if name in theirs]
    if both != wanted:
        yield Hit("restore_order", f"IT: {', '.join(both)}. Radiology: {', '.join(wanted)}.")


def r40(facts: Facts) -> Hits:
    """Earlier images cannot be seen, are too old, or look like the usual system."""
    if not facts.each("priors"):
        yield Hit("priors", "There is no way to see earlier images while the PACS is away.")
    for one in facts.each("priors"):
        if one["age"] > one["age_tolerated"]:
            yield Hit(
                f"priors/{one.id}",
                f"{one.id} may be {span_text(one['age'])} old, {span_text(one['age_tolerated'])} is tolerable.",
            )
        if not one["marked"]:
            yield Hit(f"priors/{one.id}", f"{one.id} does not say clearly that it is not the usual system.")


def r41(facts: Facts) -> Hits:
    """The schedule is only in the system that is away, or nobody knows whether its export opens without it."""
    for what in ("schedule", "justification"):
        found = [one for one in facts.each("exports") if one["what"] == what]
        if not any(one["every"] <= one["rpo"] for one in found):
            yield Hit(f"exports:{what}", f"The {what} is not exported as often as it must be.")
        for one in found:
            if facts.older(one["opened_offline_on"], OPENED_DAYS):
                yield Hit(f"exports/{one.id}", f"Nobody opened {one.id} with the network off for {OPENED_DAYS} days.")


def r42(facts: Facts) -> Hits:
    """A restore would bring back what was corrected."""
    for system in facts.each("systems", *ARCHIVES):
        copies = [one for one in facts.each("copies") if one["of"] == system.id]
        if copies and not any("corrections" in one["holds"] for one in copies):
            what = f"No copy of {system['name']} holds rejections, merges, annotations and key images."
            yield Hit(f"systems/{system.id}", what)


def r43(facts: Facts) -> Hits:
    """There is not enough paper for a shift."""
    for what in ("forms", "labels", "media", "toner"):
        lasts = max((one["lasts"] for one in facts.each("supplies") if one["what"] == what), default=timedelta(0))
        if lasts < SHIFT:
            yield Hit(f"supplies:{what}", f"{what.capitalize()} for {span_text(lasts)}; a shift is 8 hours.")


def r44(facts: Facts) -> Hits:
    """Nobody can log in when the directory is away."""
    for one in facts.each("systems", "modality", "viewer", "pacs"):
        if facts.older(one["emergency_account_tested_on"], 365):
            yield Hit(f"systems/{one.id}", f"{one['name']}: login without the directory was not tried for a year.")


def r45(facts: Facts) -> Hits:
    """The door does not open."""
    needed = sorted({one["site"] for one in facts.each("systems")})
    for site in needed:
        ways = [one for one in facts.each("access") if one["site"] == site]
        if not any(not one["needs"] and one.has("it_holder", "radiology_holder") for one in ways):
            what = f"{site}: no way in that needs no system and that somebody of each side has."
            yield Hit(f"sites/{site}", what)


def r46(facts: Facts) -> Hits:
    """A company that holds our images owes us neither word, nor proof, nor a copy."""
    for one in facts.each("vendors"):
        if not one["business_associate"]:
            continue
        missing = [
            told
            for told, there in (
                ("a time for its notice", one.has("notice_within")),
                ("evidence of its own recovery within a year", not facts.older(one["recovery_evidence_on"], 365)),
                ("a copy of our data on exit", bool(one["exit_copy"])),
            )
            if not there
        ]
        if missing:
            yield Hit(f"vendors/{one.id}", f"{one['name']} owes us: {', '.join(missing)}.")


def r47(facts: Facts) -> Hits:
    """A neighbour's outage brings more than we can do, cannot be simulated, or we divert to where the same fails."""
    yield from _surge(facts)
    sites = {one.id: one for one in facts.each("sites")}
    for service in facts.clinical:
        if not service.has("divert_to"):
            continue
        there = sites[service["divert_to"]]
        for here in {facts.systems[name]["site"] for name in service["systems"]}:
            if there.id == here or there["power"] == sites[here]["power"] or there["fabric"] == sites[here]["fabric"]:
                what = f"{service['name']} is diverted to {there['name']}, which fails together with {here}."
                yield Hit(f"services/{service.id}", what, (service.id,))


def _surge(facts: Facts) -> Hits:
    surge = facts.surge
    if surge is None:
        yield Hit("surge", "The plan has no department to simulate a neighbour's outage with (impact/department.yaml).")
        return
    if surge.trouble:
        yield Hit("surge", f"A neighbour's outage cannot be simulated: {surge.trouble}")
    for station, load in surge.overloaded.items():
        yield Hit(
            f"surge:{station}", f"While a neighbour is away, {station} gets {load:.0%} of what it can do in a week."
        )
    for service in facts.clinical:
        told = surge.services.get(service.id)
        if told is not None and told.late > LATE_SHARE * told.exams:
            what = f"{service['name']}: while a neighbour is away, {told.late} of {told.exams} simulated exams wait "
            yield Hit(f"services/{service.id}", f"{what}beyond the limit that would not have.", (service.id,))


def r48(facts: Facts) -> Hits:
    """What was promised after a drill is late, or did not hold."""
    for one in facts.each("actions"):
        if one["done_on"] is None and one["due_on"] < facts.today:
            yield Hit(f"actions/{one.id}", f"Due on {one['due_on']}: {one['what']}")
        if one["reopened"]:
            yield Hit(f"actions/{one.id}", f"A drill showed that this was not solved: {one['what']}")


def r49(facts: Facts) -> Hits:
    """The recovery side is less safe than the usual one."""
    for one in facts.each("flows"):
        if one["path"] != "recovery":
            continue
        expired = one.has("certificate_expires_on") and one["certificate_expires_on"] < facts.today
        if not one["tls"] or not one["audited"] or expired:
            yield Hit(f"flows/{one.id}", f"{one.id}: no TLS, no audit, or its certificate has expired.")


def r50(facts: Facts) -> Hits:
    """Images that must stay longer are not known to restore and disposal."""
    tagged = {
        one["images"] for one in facts.each("retention") if one["tagged_in_restore"] and one["tagged_in_disposal"]
    }
    for images in ("mammography", "paediatric", "legal-hold"):
        if images not in tagged:
            yield Hit(f"retention:{images}", f"{images.capitalize()} images are not marked in restore and disposal.")


CHECKS: Final[dict[str, Callable[[Facts], Hits]]] = {
    "R38": r38,
    "R39": r39,
    "R40": r40,
    "R41": r41,
    "R42": r42,
    "R43": r43,
    "R44": r44,
    "R45": r45,
    "R46": r46,
    "R47": r47,
    "R48": r48,
    "R49": r49,
    "R50": r50,
}
