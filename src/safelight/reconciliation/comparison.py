"""The three-sided comparison: everything in which vault, orders and restored PACS differ and nobody has settled."""

from collections.abc import Iterator, Mapping, Sequence

from safelight.reconciliation.case import Case
from safelight.reconciliation.decision import (
    Destinations,
    differing_as_sent,
    is_reported,
    lacking_at_target,
    patient_commands,
    received_apart,
    unreturned,
    ways_at_target,
)
from safelight.reconciliation.difference import Difference, Kind, Wait
from safelight.reconciliation.facts import Identity, Verdict
from safelight.reconciliation.identity import Way
from safelight.reconciliation.matching import Proposal, propose
from safelight.reconciliation.sides import HeldStudy, Order, Sides
from safelight.reconciliation.state import Consequence, Decision, ReconciliationState


def compare(
    cases: Sequence[Case], sides: Sides, state: ReconciliationState, destinations: Destinations
) -> list[Difference]:
    """Return what is open; what somebody decided to leave as it is, is not."""
    proposals = proposals_for(cases, sides, state)
    found: list[Difference] = []
    for case in cases:
        found += _of_case(case, sides, state, destinations, proposals.get(case.name, ()))
    found += [_order(order) for order in _free(sides, state) if _is_wanted(order, state)]
    found += _unknown(sides)
    found += _told_in_vain(sides, state)
    found += _untold_steps(sides)
    return [one for one in found if state.decision(one.identity, Verdict.LEFT) is None]


def proposals_for(
    cases: Sequence[Case], sides: Sides, state: ReconciliationState
) -> Mapping[str, tuple[Proposal, ...]]:
    """Return for each case that nobody settled which orders it may fulfil, of those that nothing fulfils yet."""
    unsettled = [case for case in cases if state.settled_as(case.name) is None]
    return propose(unsettled, _free(sides, state), sides.temporary, sides.in_force)


def _free(sides: Sides, state: ReconciliationState) -> list[Order]:
    return [order for order in sides.orders if not state.matched_to(order.key)]


def _of_case(
    case: Case,
    sides: Sides,
    state: ReconciliationState,
    destinations: Destinations,
    proposals: tuple[Proposal, ...],
) -> Iterator[Difference]:
    decision = state.settled_as(case.name)
    exam = case.exam.accession if case.exam is not None else ""
    if case.exam is not None and not case.studies:
        told = "registered during the outage, and no images of it are here"
        yield Difference(Kind.ORDER_WITHOUT_STUDY, f"exam {exam}", told, Wait.IMAGES, exam=exam)
    if decision is None:
        if case.studies or (case.exam is not None and case.exam.reads):
            yield _without_order(case, exam, proposals)
        yield from _reports_waiting(case, exam)
    else:
        identity = decision.fact.identity
        assert identity is not None, "whoever settles a case says whose it is"
        yield from _identity(case, exam, decision, identity, sides, destinations)
        yield from _identity_at_target(case, exam, identity, sides, state)
        yield from _reports(case, exam, decision, identity, sides, destinations)
    for study in case.studies:
        yield from _study(study, exam, decision, sides, state)


def _without_order(case: Case, exam: str, proposals: tuple[Proposal, ...]) -> Difference:
    study = case.studies[0].study if case.studies else ""
    if case.waits_for_identity:
        told, wait = "nobody knows yet who the patient is", Wait.IDENTITY
    elif not proposals:
        told, wait = "no order fits", Wait.ORDER
    else:
        best = proposals[0]
        told, wait = f"may fulfil order {best.order.name}: {best.but or 'certain'}", Wait.DECISION
    return Difference(Kind.STUDY_WITHOUT_ORDER, case.name, told, wait, study, exam, proposals=proposals)


def _is_wanted(order: Order, state: ReconciliationState) -> bool:
    return order.is_during and not order.is_cancelled and state.decision(str(order.key), Verdict.NOT_DONE) is None


def _order(order: Order) -> Difference:
    told = "ordered for the time of the outage, and nothing is known to fulfil it"
    return Difference(Kind.ORDER_WITHOUT_STUDY, str(order.key), told, Wait.DECISION, order=order.name)


def _identity(
    case: Case, exam: str, decision: Decision, identity: Identity, sides: Sides, destinations: Destinations
) -> Iterator[Difference]:
    # Where nobody is set, it is asked what somebody would be told.
    commands = list(patient_commands(case, decision, identity, sides, destinations.identities or ("",)))
    if commands and not destinations.identities:
        told = "the patient's own number must be told, and no destination is set for it"
        yield Difference(Kind.IDENTITY_DIFFERS, f"{case.name} told", told, Wait.SETTING, exam=exam)
        return
    for command in commands:
        wait = _message_wait(decision, command.name, command.destination, sides)
        if wait is not None:
            told = f"{command.destination} does not know the patient's own number or record yet"
            yield Difference(Kind.IDENTITY_DIFFERS, f"{case.name} {command.name}", told, wait, exam=exam)


def _identity_at_target(
    case: Case, exam: str, identity: Identity, sides: Sides, state: ReconciliationState
) -> Iterator[Difference]:
    for study, way in ways_at_target(case, identity, sides):
        replacement = state.replacement(study.study)
        is_replaced = replacement is not None and replacement.did(Consequence.REPLACE, study.study) is not None
        if is_replaced:
            yield from _still_shown(study, exam, sides)
            continue
        if way is Way.NONE:
            continue
        if replacement is not None:
            told, wait = "its instances are to be replaced by corrected ones", Wait.SENDING
        elif way is Way.OBJECTS:
            told, wait = "the target has it under another person or number: replace its instances", Wait.DECISION
        else:
            told, wait = "the target has it under the number or record of the outage", Wait.LOOK
        yield Difference(Kind.IDENTITY_DIFFERS, f"study {study.study}", told, wait, study.study, exam)


def _still_shown(study: HeldStudy, exam: str, sides: Sides) -> Iterator[Difference]:
    """Give that the target shows instances although it has the note that rejects them."""
    theirs = sides.target.studies.get(study.study) if sides.target is not None else None
    shown = study.rejected & (theirs.instances or frozenset()) if theirs is not None else frozenset()
    if shown:
        told = f"the target has the rejection note, and still shows {len(shown):,} instances that it rejects"
        yield Difference(Kind.IDENTITY_DIFFERS, f"shown {study.study}", told, Wait.MENDING, study.study, exam)


def _message_wait(decision: Decision, name: str, destination: str, sides: Sides) -> Wait | None:
    done = decision.done.get(name)
    if done is None:
        return Wait.SENDING
    state = sides.deliveries.get((destination, int(done.told["message"])), "")
    return None if state == "delivered" else Wait.DECISION if state in ("dead", "skipped") else Wait.DELIVERY


def _reports_waiting(case: Case, exam: str) -> Iterator[Difference]:
    for read in case.exam.reads if case.exam is not None else ():
        told = "written down, and goes out once it is known which order the exam fulfils"
        wait = Wait.IDENTITY if case.waits_for_identity else Wait.DECISION
        yield Difference(Kind.REPORT_NOT_DELIVERED, f"{exam}/{read.number}", told, wait, exam=exam)


def _reports(
    case: Case, exam: str, decision: Decision, identity: Identity, sides: Sides, destinations: Destinations
) -> Iterator[Difference]:
    if case.exam is None or is_reported(identity, case, sides):
        return
    for read in case.exam.reads:
        wait: Wait | None = Wait.SETTING
        if destinations.reports:
            wait = _message_wait(
                decision, f"report {read.number} to {destinations.reports}", destinations.reports, sides
            )
        if wait is not None:
            told = f"read {read.number} of {exam} is not accepted by {destinations.reports or 'anybody'} yet"
            yield Difference(Kind.REPORT_NOT_DELIVERED, f"{exam}/{read.number}", told, wait, exam=exam)


def _study(
    study: HeldStudy, exam: str, decision: Decision | None, sides: Sides, state: ReconciliationState
) -> Iterator[Difference]:
    if study.disputed:
        told = f"{len(study.disputed):,} instances were received with several contents"
        wait = Wait.SENDING if _is_chosen(study, state, received_apart(study.study)) else Wait.DECISION
        yield _other_bytes(received_apart(study.study), told, wait, study, exam, study.disputed)
    for by in filter(None, (decision, state.replacement(study.study))):
        yield from _sent(study, exam, by, sides, state)
    if sides.target is None:
        return
    lacking = lacking_at_target(study, sides)
    if lacking:
        wait = Wait.SENDING if decision is not None else Wait.DECISION
        told = f"the target lacks {len(lacking):,} of {len(study.instances):,} instances"
        yield Difference(Kind.MISSING_AT_TARGET, study.study, told, wait, study.study, exam)
    theirs = sides.target.studies.get(study.study)
    differing = theirs.differing & study.instances if theirs is not None else frozenset()
    if differing:
        told = f"{len(differing):,} instances have other content at the target"
        wait = Wait.SENDING if _is_chosen(study, state, study.study) else Wait.DECISION
        yield _other_bytes(f"target {study.study}", told, wait, study, exam, differing)


def _sent(
    study: HeldStudy, exam: str, decision: Decision, sides: Sides, state: ReconciliationState
) -> Iterator[Difference]:
    """Give what did not come back as it was sent by a decision."""
    sent = decision.did(Consequence.SEND, study.study)
    if sent is None:
        return
    lacking = unreturned(study, decision)
    if sides.target is not None:
        lacking -= lacking_at_target(study, sides)
    if lacking:
        told = f"{len(lacking):,} instances were sent, and the target does not give them back whatever it lists"
        yield Difference(Kind.MISSING_AT_TARGET, f"returned {study.study}", told, Wait.SENDING, study.study, exam)
    taken = state.taken(study.study)
    differing = differing_as_sent(study, decision)
    if differing and (taken is None or taken.at < sent.at):
        told = f"what the target gave back after it was sent is not equal (level {sent.told['level']})"
        wait = Wait.SENDING if _is_chosen(study, state, study.study) else Wait.DECISION
        yield _other_bytes(f"sent {study.study}", told, wait, study, exam, differing)


def _is_chosen(study: HeldStudy, state: ReconciliationState, subject: str) -> bool:
    """Say whether somebody decided which of several contents counts, and nothing was done by it yet."""
    chosen = state.decision(subject, Verdict.OURS) or state.decision(study.study, Verdict.THEIRS)
    return chosen is not None and not chosen.done


def _other_bytes(
    subject: str, told: str, wait: Wait, study: HeldStudy, exam: str, instances: frozenset[str]
) -> Difference:
    return Difference(Kind.OTHER_BYTES, subject, told, wait, study.study, exam, instances=instances)


def _unknown(sides: Sides) -> Iterator[Difference]:
    if sides.target is None:
        return
    held = sides.held | {one.study for one in sides.studies}
    for name in sorted(sides.target.studies.keys() - held):
        told = "the target has it and we do not: safelight protection pull"
        yield Difference(Kind.UNKNOWN_TO_VAULT, name, told, Wait.DECISION, name)


def _told_in_vain(sides: Sides, state: ReconciliationState) -> Iterator[Difference]:
    """Give what another system was told by a decision that was taken back since: only people there can mend it."""
    for decision in state.decisions.values():
        if decision.is_in_force:
            continue
        for done in decision.done.values():
            destination, message = str(done.told.get("destination", "")), done.told.get("message")
            if message is not None and sides.deliveries.get((destination, int(message))) == "delivered":
                told = f"{destination} was told ({done.what}) by decision {decision.fact.number}, which was taken back"
                subject = f"decision {decision.fact.number} {done.what}"
                yield Difference(Kind.IDENTITY_DIFFERS, subject, told, Wait.MENDING, exam=decision.fact.subject)


def _untold_steps(sides: Sides) -> Iterator[Difference]:
    for instance, count in sides.untold_steps.items():
        told = f"{count:,} notices of a performed procedure step are kept and not told"
        yield Difference(Kind.STEP_NOT_FORWARDED, instance, told, Wait.FORWARDING)
