"""Reconciling: looking at the target, deciding, taking back, and doing what follows until nothing is left to do."""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.core.errors import IntegrityError, PeerError, StateError, UsageError
from safelight.core.progress import Progress, Report, silent
from safelight.reconciliation.case import Case
from safelight.reconciliation.comparison import proposals_for
from safelight.reconciliation.decision import decide as next_commands
from safelight.reconciliation.decision import received_apart, ways_at_target
from safelight.reconciliation.difference import Difference, Kind
from safelight.reconciliation.facts import REPLACING, RULE, Decided, Identity, Undone, Verdict
from safelight.reconciliation.identity import Way, identity_by_order, identity_without_order
from safelight.reconciliation.matching import Proposal
from safelight.reconciliation.sides import Order, TargetLook, TargetStudy
from safelight.reconciliation.state import Consequence, Decision, ReplacedAlready, fold, judge, judge_undo
from safelight.site.hl7_folding import Folding, read_mappings
from safelight.site.hl7_queue import MessageNotInQueue, skip
from safelight.site.reconciliation_correcting import is_replacement_written, originals_in_force
from safelight.site.reconciliation_sides import state_of
from safelight.site.reconciliation_target import TargetDesk, record_look, target_named
from safelight.site.reconciliation_versions import versions_before
from safelight.site.reconciliation_view import (
    Picture,
    UnknownDifference,
    advised_document,
    decision_document,
    picture_document,
    picture_of,
)
from safelight.site.reconciliation_work import do, is_taken_back, record_done
from safelight.site.saying import deciding, signed

if TYPE_CHECKING:
    from safelight.site.opened import Site

AT_ONCE: Final = 64
FOLDED_WITHIN: Final = timedelta(seconds=10)
_sending = threading.Lock()


class UnknownOrder(UsageError):
    """No order, or more than one, has this number."""

    code: ClassVar[str] = "reconciliation.unknown-order"
    hint: ClassVar[str] = (
        "Give its accession, placer or filler number, or the key of: safelight reconciliation show ID --json. "
        "Orders come by HL7: safelight catalog worklist"
    )


class DoesNotFit(UsageError):
    """This kind of difference is not decided upon in this way."""

    code: ClassVar[str] = "reconciliation.does-not-fit"
    hint: ClassVar[str] = (
        "study-without-order: match, or no-order; order-without-study: not-done, but of a downtime exam that waits for "
        "images: safelight downtime exam cancel NUMBER; identity-differs of a study at the target: replaced; "
        "same-uid-other-bytes: ours, or theirs; anything: left."
    )


class IdentityUnknown(StateError):
    """Nobody said yet who this patient is."""

    code: ClassVar[str] = "reconciliation.identity-unknown"
    hint: ClassVar[str] = "Say it first: safelight downtime exam identify NUMBER --patient-id ID --reason R --by B"


class NotSettled(StateError):
    """Instances are replaced only once it is decided whose study they are."""

    code: ClassVar[str] = "reconciliation.not-settled"
    hint: ClassVar[str] = "Match the exam to its order first, or decide no-order: safelight reconciliation show STUDY"


class DifferencesOpen(StateError):
    """Exams, orders, studies or reports of the outage are not reconciled."""

    code: ClassVar[str] = "reconciliation.differences-open"
    hint: ClassVar[str] = "See: safelight reconciliation list. To close all the same: --leave-open, with the reason."


class StillFolding(StateError):
    """Messages came that are kept and not read into orders and patients yet: what is open cannot be told rightly."""

    code: ClassVar[str] = "reconciliation.still-folding"
    hint: ClassVar[str] = "Nothing was done. Ask again in a minute; nothing that came is lost meanwhile."


class SendsAlready(StateError):
    """What was decided is being done already."""

    code: ClassVar[str] = "reconciliation.sends-already"
    hint: ClassVar[str] = "Wait for it; see how far it is: safelight reconciliation list"


def look(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Ask the target what it has, record it, close by rule what is certain, and say what is open.

    Raises:
        NoTarget, TargetAway: there is nobody to ask.
        NoOutageToReconcile: no outage is open.
    """
    settle(site)
    outages = _outages(told)
    peer = target_named(site, str(told.get("target") or ""))
    with TargetDesk(site, peer) as desk:
        record_look(site, _look(site, desk, outages, deep=bool(told.get("deep")), report=report))
    _close_by_rule(site, outages)
    return picture_document(picture_of(site, outages))


def decide(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Decide upon differences: all that are named, or none; of a kind, all that can be decided so.

    Raises:
        UnknownDifference, UnknownOrder, DoesNotFit, IdentityUnknown: it cannot be decided so.
        DecidedAlready, OrderTaken: another decision stands against it.
    """
    settle(site)
    reason, by = signed(told)
    verdict, dry_run = Verdict(told["verdict"]), bool(told.get("dry_run"))
    with deciding:
        picture = picture_of(site, _outages(told))
        state, facts = picture.state, []
        meant, passed_over = _meant(picture, told, verdict)
        for difference, (subject, order, identity) in meant:
            several = tuple(sorted(difference.instances)) if verdict in (Verdict.OURS, Verdict.THEIRS) else ()
            fact = Decided(state.next_number, verdict, subject, site.clock.now(), reason, by, order, identity, several)
            facts.append(judge(state, fact, also=bool(told.get("also"))))
            state = fold(state, fact)
        if not dry_run:
            site.records.record_all([(fact.kind, fact.to_body()) for fact in facts])
    return {
        "dry_run": dry_run,
        "decisions": [decision_document(state.decisions[fact.number]) for fact in facts],
        "passed_over": [advised_document(one) for one in passed_over],
    }


def undo(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Take a decision back: what waited goes no more, and what was corrected here counts as it was received.

    Raises:
        UnknownDecision, UndoneAlready: there is none to take back.
        SendsAlready, ReplacedAlready: copies and their note are being written, or are.
    """
    reason, by = signed(told)
    dry_run = bool(told.get("dry_run"))
    with deciding:
        state = state_of(site.records.journal)
        decision = judge_undo(state, int(told["decision"]))
        if decision.fact.verdict in REPLACING:
            if _sending.locked():
                raise SendsAlready
            if is_replacement_written(site, decision.fact):
                raise ReplacedAlready(decision=decision.fact.number)
        fact = Undone(decision.fact.number, site.clock.now(), reason, by)
        restored = [
            one for study in decision.studies_after(Consequence.CORRECT) for one in originals_in_force(site, study)
        ]
        if decision.fact.verdict is Verdict.THEIRS:
            restored += [one for done in decision.done.values() for one in versions_before(done.told)]
        if not dry_run:
            site.records.record_all([(fact.kind, fact.to_body()), *restored])
            _skip_waiting(site, decision, reason=reason, by=by)
        state = fold(state, fact)
    return {"dry_run": dry_run, **decision_document(state.decisions[fact.number])}


def _skip_waiting(site: "Site", decision: Decision, *, reason: str, by: str) -> None:
    """Keep messages of a decision that was taken back from going out, as far as they wait."""
    for done in decision.done.values():
        if "message" in done.told:
            told = {
                "destination": done.told["destination"],
                "message": done.told["message"],
                "reason": reason,
                "by": by,
            }
            with suppress(MessageNotInQueue):
                skip(site, told, silent)


def send(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Do what follows from decisions: messages into their queues, studies corrected, sent and seen to be there.

    A dry run asks the target too, and writes nothing: what would be done depends on what it has now.

    Raises:
        NoTarget: nobody said which PACS is compared with.
        SendsAlready: another command does it.
    """
    settle(site)
    outages = _outages(told)
    peer = target_named(site, str(told.get("target") or ""))
    if not _sending.acquire(blocking=False):
        raise SendsAlready
    try:
        with TargetDesk(site, peer) as desk:
            look, away = _look_if_there(site, desk, outages, report)
            if told.get("dry_run"):
                picture = picture_of(site, outages, str(peer), look)
                todo = next_commands(picture.state, picture.cases, picture.sides, picture.destinations, 10_000)
                would_do = [_told(one.decision, one.name) for one in todo]
                return {"dry_run": True, "target_error": away or None, "would_do": would_do}
            if look is not None:
                record_look(site, look)
            _close_by_rule(site, outages)
            done, failed = _work(site, desk, outages, str(peer), report)
            if done and not away:
                record_look(site, _look(site, desk, outages, deep=False, report=report))
    finally:
        _sending.release()
    return {
        "dry_run": False,
        "target_error": away or None,
        "done": [_told(number, what) for number, what in done],
        "failed": [{**_told(number, what), "error": error} for (number, what), error in failed.items()],
        **picture_document(picture_of(site, outages, str(peer))),
    }


def look_for_open_differences(site: "Site", outages: Sequence[int]) -> None:
    """See that nothing of these outages is open before they are closed; whoever asks has let the site `settle`.

    Raises:
        DifferencesOpen: something is.
    """
    if outages:
        open_now = picture_of(site, outages).differences
        if open_now:
            raise DifferencesOpen(differences=len(open_now), first=open_now[0].identity)


Asked = tuple[str, int | None, Identity | None]
Named = tuple[int, str]


def _work(
    site: "Site", desk: TargetDesk, outages: Sequence[int], target: str, report: Report
) -> tuple[list[Named], dict[Named, str]]:
    """Ask what is next, do it, record it, ask again; one that fails holds nothing up and is not tried again now."""
    done: list[Named] = []
    failed: dict[Named, str] = {}
    while True:
        picture = picture_of(site, outages, target)
        commands = next_commands(
            picture.state,
            picture.cases,
            picture.sides,
            picture.destinations,
            AT_ONCE,
            not_again=frozenset([*done, *failed]),
        )
        if not commands:
            return done, failed
        for command in commands:
            named = (command.decision, command.name)
            with deciding:
                if is_taken_back(site, command.decision):
                    # Somebody did while the commands before this one were done.
                    continue
            try:
                outcome = do(site, desk, command, picture.state.decisions[command.decision].fact)
            except (PeerError, UsageError, IntegrityError) as error:
                # One study that cannot be read or sent keeps no other waiting.
                site.log.failure(error)
                failed[named] = error.code
                continue
            if record_done(site, command, outcome):
                done.append(named)
                report(Progress("send", len(done), len(done) + len(failed), "steps"))


def _look_if_there(
    site: "Site", desk: TargetDesk, outages: Sequence[int], report: Report
) -> tuple[TargetLook | None, str]:
    """Ask the target what it has, or say by which error it cannot be asked.

    Messages go all the same: whoever waits for a report does not wait for the PACS.
    """
    try:
        return _look(site, desk, outages, deep=False, report=report), ""
    except PeerError as error:
        site.log.failure(error)
        return None, error.code


def _look(site: "Site", desk: TargetDesk, outages: Sequence[int], *, deep: bool, report: Report) -> TargetLook:
    picture = picture_of(site, outages, str(desk.peer))
    at = site.clock.now()
    times = picture.window.local(at)
    found, cut_short = desk.look(picture.sides.studies, times, deep=deep, report=report)
    if not deep:
        found = [_as_compared(one, picture) for one in found]
    return TargetLook(str(desk.peer), at, {one.study: one for one in found}, tuple(cut_short))


def _as_compared(theirs: TargetStudy, picture: Picture) -> TargetStudy:
    """Return a study with what the last deep look found different: a list of names does not make it equal."""
    last = picture.sides.target
    before = last.studies.get(theirs.study) if last is not None else None
    if last is None or before is None:
        return theirs
    taken = picture.state.taken(theirs.study)
    # What a look found different after theirs were taken in differs anew.
    equal_now = {row[0] for row in taken.told["instances"]} if taken is not None and taken.at > last.at else set()
    return replace(theirs, differing=before.differing - equal_now)


def _close_by_rule(site: "Site", outages: Sequence[int]) -> None:
    """Match what is certain, each match a decision with its reasons."""
    with deciding:
        picture = picture_of(site, outages)
        state, facts = picture.state, []
        undone = {(one.fact.subject, one.fact.order) for one in state.decisions.values() if not one.is_in_force}
        for name, proposals in proposals_for(picture.cases, picture.sides, state).items():
            best = next(iter(proposals), None)
            # A person took this very match back: a rule does not make it again.
            if best is not None and best.is_certain and (name, best.order.key) not in undone:
                fact = _by_rule(site, state.next_number, name, best)
                facts.append(judge(state, fact))
                state = fold(state, fact)
        if facts:
            site.records.record_all([(fact.kind, fact.to_body()) for fact in facts])


def _by_rule(site: "Site", number: int, case: str, best: Proposal) -> Decided:
    reason = f"{best.score.points} points: " + ", ".join(one.words for one in best.score.reasons)
    identity = identity_by_order(best.order)
    return Decided(number, Verdict.MATCHED, case, site.clock.now(), reason, RULE, best.order.key, identity)


def _asked(picture: Picture, difference: Difference, verdict: Verdict, order_name: str) -> Asked:
    """Return subject, order and identity of a decision.

    Raises:
        DoesNotFit: it is not decided upon so.
        UnknownOrder, IdentityUnknown, NotSettled: what the decision needs is not known.
    """
    match difference.kind, verdict:
        case _, Verdict.LEFT:
            return difference.identity, None, None
        case Kind.STUDY_WITHOUT_ORDER, Verdict.MATCHED:
            order = _order(picture, difference, order_name)
            return difference.subject, order.key, identity_by_order(order)
        case Kind.STUDY_WITHOUT_ORDER, Verdict.NO_ORDER:
            case = _case(picture, difference.subject)
            if case.waits_for_identity:
                raise IdentityUnknown(exam=difference.exam)
            return difference.subject, None, identity_without_order(case)
        case Kind.ORDER_WITHOUT_STUDY, Verdict.NOT_DONE if difference.order:
            return difference.subject, None, None
        case Kind.IDENTITY_DIFFERS, Verdict.REPLACED | Verdict.REPLACED_FOR_SAFETY if difference.study:
            return difference.study, None, _identity_of(picture, difference)
        case Kind.OTHER_BYTES, Verdict.OURS if difference.subject == received_apart(difference.study):
            return difference.subject, None, None
        case Kind.OTHER_BYTES, Verdict.OURS:
            return difference.study, None, _identity_of(picture, difference)
        case Kind.OTHER_BYTES, Verdict.THEIRS:
            return difference.study, None, None
    raise DoesNotFit(
        difference=difference.identity,
        kind=difference.kind,
        exam=difference.exam,
        waits_for=difference.wait,
        given=verdict,
    )


def _identity_of(picture: Picture, difference: Difference) -> Identity:
    """Return as whose a study stands by decision, which its instances under new UIDs take on.

    Raises:
        NotSettled: nobody decided yet whose it is, or the target has it as another's.
    """
    case = next(one for one in picture.cases if difference.study in {study.study for study in one.studies})
    settled = picture.state.settled_as(case.name)
    identity = settled.fact.identity if settled is not None else None
    if identity is None:
        raise NotSettled(exam=case.name)
    ways = {study.study: way for study, way in ways_at_target(case, identity, picture.sides)}
    if difference.kind is Kind.OTHER_BYTES and ways.get(difference.study) is Way.OBJECTS:
        # Some instances of a study under one person and the others under another would be worse than either.
        raise NotSettled(exam=case.name, why="the target has it under another person or number: replaced")
    return identity


def _meant(
    picture: Picture, told: Mapping[str, Any], verdict: Verdict
) -> tuple[list[tuple[Difference, Asked]], list[Difference]]:
    """Return what is decided upon, by name or as one of a kind, and what of the kind is passed over: it fits none such.

    Raises:
        UnknownDifference: nothing, or no such thing, is open.
        DoesNotFit: one that is named, or all of the kind, cannot be decided so.
    """
    named = [_difference(picture, str(name)) for name in dict.fromkeys(told.get("differences") or ())]
    kind, order = str(told.get("all_of") or ""), str(told.get("order") or "")
    meant, passed_over = [(one, _asked(picture, one, verdict, order)) for one in named], []
    refused: DoesNotFit | None = None
    for one in picture.differences:
        if one.kind == kind and one not in named:
            try:
                meant.append((one, _asked(picture, one, verdict, order)))
            except DoesNotFit as error:
                passed_over.append(one)
                refused = refused or error
    if not meant:
        raise refused or UnknownDifference(difference=kind or None)
    return meant, passed_over


def _difference(picture: Picture, name: str) -> Difference:
    """Return what is meant by an id, or by the exam, study or order that has just one open difference to decide."""
    for one in picture.differences:
        if one.identity == name:
            return one
    meant = [one for one in picture.differences if one.kind is Kind.STUDY_WITHOUT_ORDER and one.subject == name]
    meant += [one for one in picture.differences if one.kind is Kind.ORDER_WITHOUT_STUDY and one.order == name]
    if len(meant) != 1:
        raise UnknownDifference(difference=name)
    return meant[0]


def _case(picture: Picture, name: str) -> Case:
    return next(one for one in picture.cases if one.name == name)


def _order(picture: Picture, difference: Difference, name: str) -> Order:
    if not name and difference.proposals:
        return difference.proposals[0].order
    orders = picture.sides.orders
    meant = [one for one in orders if name and name in (one.accession, one.placer, one.filler, str(one.key))]
    if len(meant) != 1:
        raise UnknownOrder(order=name, found=len(meant))
    return meant[0]


def _outages(told: Mapping[str, Any]) -> list[int]:
    return [int(one) for one in told.get("outages") or ()]


def _told(number: int, what: str) -> dict[str, Any]:
    return {"decision": number, "what": what}


def settle(site: "Site") -> None:
    """Return when everything that came is findable: instances, and what messages say. It may take a while.

    Raises:
        StillFolding: so many messages came that orders and patients are not known yet as they were told.
    """
    site.arrivals.settle()
    if not site.awaited.is_served:
        mappings = read_mappings(site.home.order_mapping)
        folding = Folding(site.messages, mappings, lambda: False, site.records.open_finding, site.log.failure)
        folding.settle()
        return
    # What comes from now on is not waited for: a busy hospital is never done.
    last = site.records.journal.last_position()
    until = site.clock.elapsed() + FOLDED_WITHIN
    while any(row.position <= last for row in site.messages.index.unfolded(1)):
        if site.clock.elapsed() > until:
            raise StillFolding(seconds=FOLDED_WITHIN.total_seconds())
        time.sleep(0.05)
