"""Rules about networks, copies and messages: what fails together, and what cannot get through."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from safelight.core.span import span_text
from safelight.findings.facts import Facts, Hit, Hits, Thing, known
from safelight.findings.rules_ownership import ARCHIVES, FAILING_ALONE, IMAGING, used

HL7: Final = ("hl7-adt", "hl7-order", "hl7-result", "hl7-merge")
DICOM: Final = ("store", "worklist", "commitment")
ENTERED: Final = ("pacs", "ris", "worklist")


def r12(facts: Facts) -> Hits:
    """IT would cut off a segment, and nobody knows how its modalities go on."""
    covered = {name for one in facts.each("procedures") for name in one["segments"]}
    for segment in facts.each("segments"):
        inside = [one["name"] for one in facts.each("systems", "modality") if one["segment"] == segment.id]
        if segment["may_be_isolated"] and inside and segment.id not in covered:
            what = f"Cutting off {segment['name']} takes {', '.join(inside)} away, and no procedure covers it."
            yield Hit(f"segments/{segment.id}", what)


def r13(facts: Facts) -> Hits:
    """Imaging networks that IT's map does not show, or shows as they were."""
    imaging = {one["segment"] for one in facts.each("systems", *IMAGING, "modality")}
    for segment in facts.each("segments"):
        if segment.id in imaging and not segment["in_it_map"]:
            yield Hit(f"segments/{segment.id}", f"{segment['name']} is not in IT's network map.")
    if facts.older(facts.header["network_map_on"], 365):
        yield Hit("plan", "IT's network map is unknown or older than a year.")


def r14(facts: Facts) -> Hits:
    """Modalities have no way to the recovery site."""
    flows = facts.each("flows", *DICOM)
    ready = {(one.kind, one["source"], one["target"]) for one in flows if one["path"] == "recovery" and complete(one)}
    for one in flows:
        fails_over = facts.systems[one["target"]].has("recovery_site")
        if one["path"] == "primary" and fails_over and (one.kind, one["source"], one["target"]) not in ready:
            what = f"{one['source']} has no complete {one.kind} flow to {one['target']} at its recovery site."
            yield Hit(f"flows/{one.id}", what, used(facts, one["target"]))


def r15(facts: Facts) -> Hits:
    """Something that the PACS cannot do without comes back later than it should."""
    position = {name: index for index, name in enumerate(facts.order("restore_order_it"))}
    for one in facts.each("systems", *IMAGING):
        for name in sorted(facts.closure([one.id]) - {one.id}):
            if facts.systems[name].kind not in FAILING_ALONE:
                continue
            for capability in one.things("capabilities"):
                below = facts.capability(name, capability["disruption"])
                if (
                    below
                    and below["rto"] is not None
                    and capability["rto"] is not None
                    and below["rto"] > capability["rto"]
                ):
                    what = f"{capability['disruption']}: {one['name']} in {span_text(capability['rto'])}, "
                    what += f"and {name} in {span_text(below['rto'])}."
                    yield Hit(f"systems/{one.id}", what, used(facts, one.id))
            if one.id in position and position.get(name, -1) > position[one.id]:
                yield Hit(
                    f"systems/{one.id}", f"{name} comes back after {one['name']}, which needs it.", used(facts, one.id)
                )


def r16(facts: Facts) -> Hits:
    """Every copy would be lost with what it is a copy of."""
    sites = {one.id: one for one in facts.each("sites")}
    for system in facts.each("systems", *ARCHIVES):
        copies = [one for one in facts.each("copies") if one["of"] == system.id]
        shared = [_shared(system, one, sites) for one in copies]
        if not copies:
            yield Hit(f"systems/{system.id}", f"{system['name']} has no copy at all.", used(facts, system.id))
        elif all(shared):
            told = "; ".join(f"{one.id}: {', '.join(what)}" for one, what in zip(copies, shared, strict=True))
            yield Hit(
                f"systems/{system.id}",
                f"Each copy shares something with {system['name']}: {told}.",
                used(facts, system.id),
            )


def r17(facts: Facts) -> Hits:
    """One attacker, or one person, can take every copy."""
    for system in facts.each("systems", *ARCHIVES):
        copies = [one for one in facts.each("copies") if one["of"] == system.id]
        if copies and not any(one["offline"] or one["immutable"] for one in copies):
            yield Hit(
                f"systems/{system.id}", f"No copy of {system['name']} is offline or immutable.", used(facts, system.id)
            )
        if copies and all(one["persons_to_delete"] < 2 for one in copies):
            yield Hit(
                f"systems/{system.id}", f"One person can delete every copy of {system['name']}.", used(facts, system.id)
            )


def r18(facts: Facts) -> Hits:
    """There is a way to the other site and none back."""
    back = {name for one in facts.each("runbooks") if one["phase"] == "failback" for name in one["systems"]}
    for one in facts.each("systems"):
        if one.has("recovery_site") and one.id not in back:
            yield Hit(
                f"systems/{one.id}", f"{one['name']} fails over, and no runbook brings it back.", used(facts, one.id)
            )


def r19(facts: Facts) -> Hits:
    """The interface engine is not counted, or comes back too late for the worklist."""
    engines = {one.id for one in facts.each("systems", "interface-engine")}
    for one in facts.each("systems", *ENTERED):
        needed = facts.closure([one.id]) & engines
        if not needed:
            yield Hit(
                f"systems/{one.id}",
                f"{one['name']} does not name the interface engine among what it needs.",
                used(facts, one.id),
            )
        for engine in sorted(needed):
            for disruption, bears in sorted(facts.tolerated(one.id).items()):
                told = facts.capability(engine, disruption)
                rto = told["rto"] if told else None
                if rto is None or rto > bears:
                    what = (
                        f"{disruption}: {engine} is back in {known(rto)}, {one['name']} is due in {span_text(bears)}."
                    )
                    yield Hit(f"systems/{engine}", what, used(facts, one.id))


def r20(facts: Facts) -> Hits:
    """A feed that nobody owns, or whose silence nobody hears."""
    for one in facts.each("flows", *HL7):
        if not one.has("it_owner", "radiology_owner"):
            yield Hit(f"flows/{one.id}", f"Feed {one.id} lacks an owner on one side.")
        if not one["alarm"]:
            yield Hit(f"flows/{one.id}", f"Nobody is told when feed {one.id} is silent or its queue grows.")


def r21(facts: Facts) -> Hits:
    """A message is acknowledged before it is safe."""
    for one in facts.each("flows", *HL7):
        if one["acknowledges"] != "after-store" or not one["durable_queue"] or not one["checks_control_id"]:
            yield Hit(
                f"flows/{one.id}",
                f"{one.id}: acknowledged before stored, no durable queue, or answers are not matched.",
            )


def r22(facts: Facts) -> Hits:
    """The queue is full, or blocked, before the outage is over."""
    for one in facts.each("flows", *HL7):
        if not one.has("queue_messages_max", "messages_per_hour"):
            yield Hit(f"flows/{one.id}", f"How much the queue of {one.id} can hold is not known.")
            continue
        holds = timedelta(hours=min(one["queue_messages_max"] / max(one["messages_per_hour"], 1e-9), 1e6))
        if holds < facts.header["planned_outage"]:
            yield Hit(f"flows/{one.id}", f"The queue of {one.id} is full after {span_text(holds)}.")
        if not one["poison_rule"]:
            yield Hit(f"flows/{one.id}", f"One message that is always refused blocks {one.id}.")


def r23(facts: Facts) -> Hits:
    """Held messages cannot be replayed safely."""
    replay = facts.single("replay")
    if replay is None:
        yield Hit("replay", "Nothing says how held messages are sent again.")
        return
    if not replay["ordered_across_feeds"]:
        yield Hit("replay", "ADT and orders are replayed apart: a merge may overtake an order.")
    if not replay["suppresses_duplicates"] or replay["study_uid"] == "generate":
        yield Hit("replay", "A repeated message makes a second order or another Study Instance UID.")


def r24(facts: Facts) -> Hits:
    """What was entered since the last database copy is gone for good."""
    for one in facts.each("systems", *ENTERED):
        if not one.has("transaction_recovery"):
            what = f"{one['name']}: no way to regain orders, merges and reports since the last database copy."
            yield Hit(f"systems/{one.id}", what, used(facts, one.id))


def complete(flow: Thing) -> bool:
    """Return whether a flow can be set up from what the plan says: address, port and AE title."""
    return flow.has("ae_title", "host", "port")


def _shared(system: Thing, copy: Thing, sites: dict[str, Thing]) -> list[str]:
    here, there = sites[system["site"]], sites[copy["site"]]
    shared = [name for name in ("id", "power", "fabric") if here[name] == there[name]]
    domain = ["administrators"] if system["admin_domain"] in {None, copy["admin_domain"]} else []
    return ["site" if name == "id" else name for name in shared] + domain


CHECKS: Final[dict[str, Callable[[Facts], Hits]]] = {
    "R12": r12,
    "R13": r13,
    "R14": r14,
    "R15": r15,
    "R16": r16,
    "R17": r17,
    "R18": r18,
    "R19": r19,
    "R20": r20,
    "R21": r21,
    "R22": r22,
    "R23": r23,
    "R24": r24,
}
