"""What is to be done next in consequence of decisions: pure, and the same until it is recorded as done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from safelight.core.names import Personal
from safelight.reconciliation.case import Case
from safelight.reconciliation.facts import Identity, Verdict
from safelight.reconciliation.identity import Way, needs_correction, way_to_correct
from safelight.reconciliation.sides import HeldStudy, Patient, Read, Sides, TargetLook
from safelight.reconciliation.state import Consequence, Decision, ReconciliationState


@dataclass(frozen=True, slots=True)
class StudyCommand:
    """Do something with a study."""

    decision: int
    consequence: Consequence
    study: str
    instances: frozenset[str] = frozenset()
    """Those that are sent; of what else is done the decision says to which."""

    @property
    def name(self) -> str:
        """Under which name it is recorded as done."""
        return self.consequence.name_for(self.study)


@dataclass(frozen=True, slots=True)
class Merge:
    """Tell a system that a number given out for the outage is this patient's (ADT A40)."""

    decision: int
    destination: str
    prior: Personal
    identity: Identity

    @property
    def name(self) -> str:
        """Under which name it is recorded as done."""
        return f"merge {self.prior.text} to {self.destination}"


@dataclass(frozen=True, slots=True)
class Update:
    """Tell a system what is right about a patient (ADT A08)."""

    decision: int
    destination: str
    identity: Identity

    @property
    def name(self) -> str:
        """Under which name it is recorded as done."""
        return f"update to {self.destination}"


@dataclass(frozen=True, slots=True)
class Report:
    """Give a preliminary read to the system that keeps reports (ORU R01)."""

    decision: int
    destination: str
    case: Case
    read: Read
    identity: Identity

    @property
    def name(self) -> str:
        """Under which name it is recorded as done."""
        return f"report {self.read.number} to {self.destination}"


Command = StudyCommand | Merge | Update | Report


@dataclass(frozen=True, slots=True)
class Destinations:
    """Who is told, by the names of destinations of messages."""

    identities: tuple[str, ...] = ()
    reports: str = ""


def decide(
    state: ReconciliationState,
    cases: Sequence[Case],
    sides: Sides,
    destinations: Destinations,
    free_slots: int,
    *,
    not_again: frozenset[tuple[int, str]] = frozenset(),
) -> list[Command]:
    """Return the next commands, at most ``free_slots``; empty when everything decided has been done.

    Of one decision patients go before studies and reports, and an instance is corrected before it is sent. What was
    done or failed in this run is ``not_again`` asked for, also where a clock that was set back makes a look the later.
    """
    found: list[Command] = []
    for case in cases:
        decision = state.settled_as(case.name)
        commands = _of_contents(state, case, sides)
        if decision is not None:
            commands += _of_case(state, case, decision, sides, destinations)
        found += [one for one in commands if (one.decision, one.name) not in not_again]
        if len(found) >= free_slots:
            break
    return found[:free_slots]


def _of_contents(state: ReconciliationState, case: Case, sides: Sides) -> list[Command]:
    """Return by what one content of several comes to count; whose the images are need not be known for it."""
    found: list[Command] = []
    for study in case.studies:
        kept = state.decision(received_apart(study.study), Verdict.OURS)
        if kept is not None:
            found.append(StudyCommand(kept.fact.number, Consequence.KEEP, study.study))
        taken = state.decision(study.study, Verdict.THEIRS)
        if taken is not None and sides.target is not None:
            found.append(StudyCommand(taken.fact.number, Consequence.TAKE, study.study))
    return [one for one in found if one.name not in state.decisions[one.decision].done]


def received_apart(study: str) -> str:
    """Return the name by which is decided upon what came here with several contents."""
    return f"here {study}"


def _of_case(
    state: ReconciliationState, case: Case, decision: Decision, sides: Sides, destinations: Destinations
) -> Iterator[Command]:
    identity = decision.fact.identity
    assert identity is not None, "whoever settles a case says whose it is"
    todo: list[Command] = [*patient_commands(case, decision, identity, sides, destinations.identities)]
    for study in case.studies:
        todo += _studies(state, case, decision, identity, study, sides)
    if destinations.reports and case.exam is not None and not is_reported(identity, case, sides):
        todo += [Report(decision.fact.number, destinations.reports, case, read, identity) for read in case.exam.reads]
    for one in todo:
        # Whether a study is to be sent again, the look at the target says.
        is_sent = isinstance(one, StudyCommand) and one.consequence is Consequence.SEND
        if is_sent or one.name not in state.decisions[one.decision].done:
            yield one


def is_reported(identity: Identity, case: Case, sides: Sides) -> bool:
    """Say whether a final report of the case came, so that a preliminary read is no use any more."""
    names = {identity.accession, case.exam.accession if case.exam else "", *(one.study for one in case.studies)}
    return bool((names - {""}) & sides.final_reports)


def patient_commands(
    case: Case, decision: Decision, identity: Identity, sides: Sides, to: Sequence[str]
) -> Iterator[Merge | Update]:
    """Give what destinations are to be told of the patient, done or not."""
    number = decision.fact.number
    for prior in _prior_numbers(case, identity, sides):
        patient = replace(identity.patient, patient_id=Personal(sides.current(identity.patient.patient_id.text)))
        yield from (Merge(number, one, prior, replace(identity, patient=patient)) for one in to)
    if any(way is Way.UPDATE for _, way in ways_at_target(case, identity, sides)):
        yield from (Update(number, one, identity) for one in to)


def _prior_numbers(case: Case, identity: Identity, sides: Sides) -> list[Personal]:
    """Return the numbers that others must learn to be this patient's.

    Those of the downtime box under which the patient went, and one that the hospital merged and the target has still.
    """
    known: list[Patient] = [study.patient for study in case.studies]
    if case.exam is not None:
        known.insert(0, case.exam.patient)
    priors = [one.patient_id for one in known if one.patient_id.text in sides.temporary]
    for study, way in ways_at_target(case, identity, sides):
        if way is Way.MERGE and sides.target is not None:
            priors.append(sides.target.studies[study.study].patient.patient_id)
    return [one for one in dict.fromkeys(priors) if one.text != sides.current(identity.patient.patient_id.text)]


def ways_at_target(case: Case, identity: Identity, sides: Sides) -> list[tuple[HeldStudy, Way]]:
    """Return how those studies of a case get their identity that the target has already."""
    found = []
    for study in case.studies:
        theirs = sides.target.studies.get(study.study) if sides.target is not None else None
        if theirs is not None:
            found.append((study, way_to_correct(theirs.patient, theirs.accession, identity, sides)))
    return found


def _studies(
    state: ReconciliationState,
    case: Case,
    decision: Decision,
    identity: Identity,
    study: HeldStudy,
    sides: Sides,
) -> Iterator[Command]:
    if sides.target is None or case.waits_for_identity:
        return
    replacement = state.replacement(study.study)
    if replacement is not None:
        yield from _replaced(replacement, study, sides)
        return
    is_corrected = decision.did(Consequence.CORRECT, study.study) is not None
    lacking = _to_send(study, sides, decision)
    if not lacking:
        if is_corrected and decision.did(Consequence.SEND, study.study) is None:
            # It is there, and nobody recorded that it came back equal: once more is harmless.
            yield from _send(decision, study.study, study.instances, sides.target)
        return
    # The rest of a study that the target has under the number of the outage goes there as it is: a merge moves both.
    ways = dict(ways_at_target(Case(None, (study,)), identity, sides))
    is_moved_with_it = ways.get(study, Way.NONE) is not Way.NONE
    if not is_moved_with_it and needs_correction(study.patient, study.accession, identity):
        yield StudyCommand(decision.fact.number, Consequence.CORRECT, study.study)
        if not is_corrected:
            return
    yield from _send(decision, study.study, lacking, sides.target)


def _replaced(replacement: Decision, study: HeldStudy, sides: Sides) -> Iterator[Command]:
    """Give what follows for a study whose instances are replaced; of it only the rejection note is left to send."""
    assert sides.target is not None, "it was looked at"
    yield StudyCommand(replacement.fact.number, Consequence.REPLACE, study.study)
    done = replacement.did(Consequence.REPLACE, study.study)
    if done is None:
        return
    # A look from before the note was written cannot say that it is there.
    lacking = _to_send(study, sides, replacement) if sides.target.at > done.at else study.instances
    if lacking:
        yield from _send(replacement, study.study, lacking, sides.target)


def _send(decision: Decision, study: str, instances: frozenset[str], look: TargetLook) -> Iterator[StudyCommand]:
    """Send what is lacking, unless that was done since the look: then the next look says whether it helped."""
    done = decision.did(Consequence.SEND, study)
    if done is None or look.at > done.at:
        yield StudyCommand(decision.fact.number, Consequence.SEND, study, instances)


def _to_send(study: HeldStudy, sides: Sides, decision: Decision) -> frozenset[str]:
    """Return what the target lacks or did not give back; what differed goes with it, since the last sending counts."""
    lacking = lacking_at_target(study, sides) | unreturned(study, decision)
    return lacking | differing_as_sent(study, decision) if lacking else lacking


def unreturned(study: HeldStudy, decision: Decision) -> frozenset[str]:
    """Return the instances that were sent by a decision and did not come back when they were fetched."""
    return _of_sending(study, decision, "lacking")


def differing_as_sent(study: HeldStudy, decision: Decision) -> frozenset[str]:
    """Return the instances that were sent by a decision and came back with other content."""
    return _of_sending(study, decision, "differing")


def _of_sending(study: HeldStudy, decision: Decision, told: str) -> frozenset[str]:
    sent = decision.did(Consequence.SEND, study.study)
    return study.instances & frozenset(sent.told.get(told, ())) if sent is not None else frozenset()


def lacking_at_target(study: HeldStudy, sides: Sides) -> frozenset[str]:
    """Return the instances of a study that the target lacks, as far as was looked."""
    assert sides.target is not None
    theirs = sides.target.studies.get(study.study)
    if theirs is None:
        return study.instances
    if theirs.instances is None:
        return study.instances if (theirs.instance_count or 0) < len(study.instances) else frozenset()
    return study.instances - theirs.instances
