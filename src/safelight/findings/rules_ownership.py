"""Rules about who is responsible, and whether both sides mean the same."""

from collections.abc import Callable
from typing import Final

from safelight.core.span import span_text
from safelight.findings.facts import Facts, Hit, Hits, Thing

IMAGING: Final = ("pacs", "ris", "worklist", "vna", "viewer", "dictation", "media-import", "dose", "ai-router")
ARCHIVES: Final = ("pacs", "vna")
URGENT: Final = ("stroke", "trauma", "ed", "icu", "or")
FAILING_ALONE: Final = ("directory", "dns", "time", "licence", "certificates", "key-store", "hypervisor")

SPOKEN: Final = {"it": "IT", "radiology": "radiology"}
"""How a side is called in a sentence."""


def r01(facts: Facts) -> Hits:
    """An imaging system that IT's own plan does not have."""
    for one in facts.each("systems", *IMAGING):
        if not one["in_it_plan"]:
            what = f"{one['name']} is not in IT's disaster-recovery plan{_whose(one)}."
            yield Hit(f"systems/{one.id}", what, used(facts, one.id))


def _whose(system: Thing) -> str:
    """Say who paid for a system and runs it: where that is radiology, IT may never have heard of it."""
    acts: dict[str, list[str]] = {side: [] for side in SPOKEN}
    for field, act in (("bought_by", "bought"), ("staffed_by", "staffs")):
        if system[field] is not None:
            acts[str(system[field])].append(act)
    told = [f"{SPOKEN[side]} {' and '.join(done)} it" for side, done in acts.items() if done]
    return f": {', '.join(told)}" if told else ""


def r02(facts: Facts) -> Hits:
    """Images outside the PACS without a copy."""
    copied = {one["of"] for one in facts.each("copies")}
    for one in facts.each("systems"):
        if one["holds_images"] and one.kind not in ARCHIVES and one.id not in copied:
            yield Hit(f"systems/{one.id}", f"{one['name']} holds images, and no copy of them is recorded.")


def r03(facts: Facts) -> Hits:
    """IT needs longer, or loses more, than a service can bear: one for patients, or one that competes for recovery."""
    for service in facts.each("services"):
        for tolerance in service.things("tolerances"):
            for name in service["systems"]:
                capability = facts.capability(name, tolerance["disruption"])
                for objective in ("rto", "rpo"):
                    able = capability[objective] if capability else None
                    if able is not None and tolerance[objective] is not None and able > tolerance[objective]:
                        what = f"{tolerance['disruption']}: IT says {objective.upper()} {span_text(able)}, "
                        what += f"{service['name']} bears "
                        yield Hit(f"systems/{name}", f"{what}{span_text(tolerance[objective])}.", (service.id,))


def r04(facts: Facts) -> Hits:
    """The two sides assume opposite things, or something that nobody has shown."""
    subjects: dict[str, dict[str, set[str]]] = {}
    for one in facts.each("assumptions"):
        subjects.setdefault(one["subject"].casefold(), {}).setdefault(one["side"], set()).add(
            one["position"].casefold()
        )
        if not one.has("evidence") or (one.has("expires_on") and one["expires_on"] < facts.today):
            yield Hit(f"assumptions/{one.id}", f"Assumed without evidence in force: {one['statement']}")
    for subject, sides in subjects.items():
        if len(sides) > 1 and len({frozenset(positions) for positions in sides.values()}) > 1:
            told = "; ".join(
                f"{SPOKEN[side]}: {', '.join(sorted(positions))}" for side, positions in sorted(sides.items())
            )
            yield Hit(f"assumptions:{subject}", f"The sides assume differently about {subject}: {told}.")


def r05(facts: Facts) -> Hits:
    """A system that one side does not own, that each side gives to the other, or that nobody says who runs."""
    for one in facts.each("systems"):
        if one.kind in IMAGING and not one.has("staffed_by"):
            what = f"Nobody says whose people run {one['name']} (`staffed_by`)."
            yield Hit(f"systems/{one.id}", what, used(facts, one.id))
        for field, side in (("it_owner", "it"), ("radiology_owner", "radiology")):
            if one.kind == "business" or (side == "radiology" and one.kind not in (*IMAGING, "modality")):
                continue
            if not one.has(field):
                yield Hit(
                    f"systems/{one.id}",
                    f"{one['name']} has no owner on the side of {SPOKEN[side]}.",
                    used(facts, one.id),
                )
            elif facts.people[one[field]]["side"] != side:
                what = f"{one['name']}: its owner for {SPOKEN[side]} speaks for the other side."
                yield Hit(f"systems/{one.id}", what, used(facts, one.id))


def r06(facts: Facts) -> Hits:
    """Recovery was planned without the PACS administrator."""
    roles = facts.each("roles", "pacs-administrator")
    holders = {one["person"] for one in roles} | {one["deputy"] for one in roles if one["deputy"]}
    for review in sorted(facts.each("reviews"), key=lambda one: one["at"])[-3:]:
        if not holders & set(review["attended"]):
            yield Hit(f"reviews/{review.id}", f"No PACS administrator took part on {review['at']:%Y-%m-%d}.")
    if not facts.each("reviews"):
        yield Hit("reviews", "There was no review of this plan yet.")
    if not any(facts.people[one]["on_committee"] for one in holders):
        yield Hit("roles", "No PACS administrator is a member of the downtime committee.")


def r07(facts: Facts) -> Hits:
    """Not signed by both sides as it stands."""
    for side, parts in sorted(facts.unsigned.items()):
        if parts:
            named = ", ".join(sorted(parts)[:3]) + (" ..." if len(parts) > 3 else "")
            yield Hit(f"signatures:{side}", f"{SPOKEN[side]} has not signed {len(parts)} parts as they are: {named}.")


def r08(facts: Facts) -> Hits:
    """A duty that hangs on one person, or on a number nobody tried."""
    for role in facts.each("roles", "pacs-administrator", "ris-administrator"):
        if not role.has("deputy", "deputy_trained_on"):
            yield Hit(f"roles/{role.id}", f"{role.id} has no trained deputy.")
    for role in facts.each("roles"):
        for name in filter(None, (role["person"], role["deputy"])):
            person = facts.people[name]
            if not person.has("office", "mobile"):
                yield Hit(f"people/{name}", f"{person['name']} lacks an office number or one outside it.")
            elif facts.older(person["verified_on"], 90):
                yield Hit(f"people/{name}", f"The numbers of {person['name']} were not tried for 90 days.")


def r09(facts: Facts) -> Hits:
    """An objective that is missing, or a zero that means nothing was said."""
    for service in facts.clinical:
        if not service.has("tolerances"):
            yield Hit(f"services/{service.id}", f"{service['name']} has no tolerance.", (service.id,))
        for one in service.things("tolerances"):
            missing = [name.upper() for name in ("mtd", "rto", "rpo") if one[name] is None]
            if missing or not one["mtd"]:
                what = f"{one['disruption']}: {', '.join(missing) or 'MTD is zero, which nothing can meet'}"
                yield Hit(f"services/{service.id}", f"{service['name']}, {what}: not set.", (service.id,))
    for system in facts.clinical_systems:
        told = {one["disruption"]: one for one in system.things("capabilities")}
        asked = {t["disruption"] for service in facts.users(system.id) for t in service.things("tolerances")}
        silent = sorted(asked - {name for name, one in told.items() if one.has("rto", "rpo")})
        if silent:
            what = f"IT has not said RTO and RPO of {system['name']} for: {', '.join(silent)}."
            yield Hit(f"systems/{system.id}", what, used(facts, system.id))


def r10(facts: Facts) -> Hits:
    """IT ranks a system below what its most urgent service needs."""
    for one in facts.clinical_systems:
        urgent = [service.id for service in facts.users(one.id) if service.kind in URGENT]
        if urgent and (one["tier"] is None or one["tier"] > 1):
            what = (
                f"{one['name']} is in tier {one['tier'] or '(none)'}, and {', '.join(urgent)} cannot work without it."
            )
            yield Hit(f"systems/{one.id}", what, tuple(urgent))


def r11(facts: Facts) -> Hits:
    """The plan ends before a long outage does."""
    if facts.header["horizon"].days < 28:
        yield Hit("plan", f"The plan carries through {facts.header['horizon'].days} days; ransomware took 28 and more.")
    if not any(
        "ransomware" in one["disruptions"] or not one["disruptions"]
        for one in facts.each("procedures")
        if one["phase"] == "analog"
    ):
        yield Hit("procedures", "No procedure says how to work on paper beyond the first day (phase `analog`).")


def used(facts: Facts, system: str) -> tuple[str, ...]:
    """Return the clinical services that a system carries."""
    return tuple(service.id for service in facts.users(system))


CHECKS: Final[dict[str, Callable[[Facts], Hits]]] = {
    "R01": r01,
    "R02": r02,
    "R03": r03,
    "R04": r04,
    "R05": r05,
    "R06": r06,
    "R07": r07,
    "R08": r08,
    "R09": r09,
    "R10": r10,
    "R11": r11,
}
