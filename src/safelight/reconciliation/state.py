"""Decisions as their facts tell them: in force, done with, or taken back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Final

from safelight.core.errors import StateError
from safelight.reconciliation.facts import REPLACING, Decided, Done, Fact, Undone, Verdict


class Stage(StrEnum):
    """Where a decision is."""

    IN_FORCE = "in-force"
    UNDONE = "undone"


class Event(StrEnum):
    """What happens to a decision."""

    CONSEQUENCE_DONE = "consequence-done"
    UNDONE = "undone"


NEXT: Final[Mapping[tuple[Stage, Event], Stage]] = {
    (Stage.IN_FORCE, Event.CONSEQUENCE_DONE): Stage.IN_FORCE,
    (Stage.IN_FORCE, Event.UNDONE): Stage.UNDONE,
    # It was under way when the decision was taken back: what was done was done, and is told.
    (Stage.UNDONE, Event.CONSEQUENCE_DONE): Stage.UNDONE,
}


class UnknownDecision(StateError):
    """No decision has this number."""

    code: ClassVar[str] = "reconciliation.unknown-decision"
    hint: ClassVar[str] = "See them with their numbers: safelight reconciliation log"


class UndoneAlready(StateError):
    """This decision was taken back before."""

    code: ClassVar[str] = "reconciliation.undone-already"
    hint: ClassVar[str] = "Nothing to do. See what was decided since: safelight reconciliation log"


class ReplacedAlready(StateError):
    """The corrected instances and the rejection note are written, and a note cannot be taken back."""

    code: ClassVar[str] = "reconciliation.replaced-already"
    hint: ClassVar[str] = "If the new ones are wrong: undo the match, match again, and have the new ones replaced."


class DecidedAlready(StateError):
    """Something is decided of this already, and the decision is in force."""

    code: ClassVar[str] = "reconciliation.decided-already"
    hint: ClassVar[str] = "Take the decision back first: safelight reconciliation undo NUMBER --reason R --by B"


class OrderTaken(StateError):
    """Another exam was matched to this order."""

    code: ClassVar[str] = "reconciliation.order-taken"
    hint: ClassVar[str] = (
        "Look at both: safelight reconciliation log. One order in two studies: match again with --also; "
        "a mistake: safelight reconciliation undo"
    )


class Consequence(StrEnum):
    """What a decision has done with a study."""

    KEEP = "keep"
    """Of instances that came with several contents the one in force stays so."""
    TAKE = "take"
    """The target's versions of instances are taken in, and come into force."""
    CORRECT = "correct"
    """A decision's identity is put into instances as they lie here, under the UIDs that they have."""
    REPLACE = "replace"
    """Corrected instances are written under new UIDs, with a note that rejects those that the target has."""
    SEND = "send"
    """The target gets what it lacks, and is seen to have it."""

    def name_for(self, study: str) -> str:
        """Return under which name it is recorded as done."""
        return f"{self} {study}"


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and what came of it."""

    fact: Decided
    stage: Stage = Stage.IN_FORCE
    done: Mapping[str, Done] = field(default_factory=dict)
    """What was done in consequence, by the command's name."""
    undone: Undone | None = None

    @property
    def is_in_force(self) -> bool:
        """Whether it counts."""
        return self.stage is Stage.IN_FORCE

    def studies_after(self, consequence: Consequence) -> list[str]:
        """Return the studies with which this was done, in order."""
        start = consequence.name_for("")
        return [name.removeprefix(start) for name in self.done if name.startswith(start)]

    def did(self, consequence: Consequence, study: str) -> Done | None:
        """Return that this was done with a study."""
        return self.done.get(consequence.name_for(study))


@dataclass(slots=True)
class ReconciliationState:
    """Everything that was decided. Only `fold` changes it."""

    decisions: dict[int, Decision] = field(default_factory=dict)
    by_subject: dict[tuple[Verdict, str], int] = field(default_factory=dict)
    """The decision in force of a kind about a subject."""
    by_order: dict[int, list[int]] = field(default_factory=dict)
    """The decisions in force by which cases fulfil an order."""

    @property
    def next_number(self) -> int:
        """Which number the next decision gets."""
        return len(self.decisions) + 1

    def decision(self, subject: str, *verdicts: Verdict) -> Decision | None:
        """Return the decision in force about a subject, of these kinds."""
        for verdict in verdicts:
            number = self.by_subject.get((verdict, subject))
            if number is not None:
                return self.decisions[number]
        return None

    def settled_as(self, case: str) -> Decision | None:
        """Return what is decided of a case: which order it fulfils, or that there is none."""
        return self.decision(case, Verdict.MATCHED, Verdict.NO_ORDER)

    def replacement(self, study: str) -> Decision | None:
        """Return the decision in force by which a study's instances at the target are replaced."""
        return self.decision(study, *REPLACING)

    def taken(self, study: str) -> Done | None:
        """Return that the target's versions of a study's instances were taken in, and are in force."""
        decision = self.decision(study, Verdict.THEIRS)
        return decision.did(Consequence.TAKE, study) if decision is not None else None

    def matched_to(self, order: int) -> list[Decision]:
        """Return the decisions in force by which cases fulfil this order."""
        return [self.decisions[number] for number in self.by_order.get(order, ())]

    @property
    def in_force(self) -> list[Decision]:
        """Every decision that counts, in the order in which they were taken."""
        return [one for one in self.decisions.values() if one.is_in_force]


EXCLUSIVE: Final[Mapping[Verdict, tuple[Verdict, ...]]] = {
    Verdict.MATCHED: (Verdict.MATCHED, Verdict.NO_ORDER),
    Verdict.NO_ORDER: (Verdict.MATCHED, Verdict.NO_ORDER),
    Verdict.NOT_DONE: (Verdict.NOT_DONE,),
    Verdict.LEFT: (Verdict.LEFT,),
    Verdict.REPLACED: REPLACING,
    Verdict.REPLACED_FOR_SAFETY: REPLACING,
    Verdict.OURS: (*REPLACING, Verdict.THEIRS),
    Verdict.THEIRS: (Verdict.OURS, Verdict.THEIRS),
}
"""Of these at most one is in force about a subject."""


def judge(state: ReconciliationState, decided: Decided, *, also: bool = False) -> Decided:
    """Say whether a decision may be recorded.

    Raises:
        DecidedAlready: something is decided of this, and in force.
        OrderTaken: another case fulfils the order, and nobody said that this one does ``also``.
    """
    before = state.decision(decided.subject, *EXCLUSIVE[decided.verdict])
    if before is not None:
        raise DecidedAlready(decision=before.fact.number, verdict=before.fact.verdict)
    if decided.order is not None and not also:
        others = state.matched_to(decided.order)
        if others:
            raise OrderTaken(decision=others[0].fact.number, by=others[0].fact.subject)
    return decided


def judge_undo(state: ReconciliationState, number: int) -> Decision:
    """Return the decision that is to be taken back.

    Raises:
        UnknownDecision: there is none of this number.
        UndoneAlready: it was taken back before.
        ReplacedAlready: instances were replaced by it.
    """
    known = state.decisions.get(number)
    if known is None:
        raise UnknownDecision(decision=number)
    if (known.stage, Event.UNDONE) not in NEXT:
        raise UndoneAlready(decision=number)
    if known.fact.verdict in REPLACING and known.done:
        raise ReplacedAlready(decision=number)
    return known


def fold(state: ReconciliationState, fact: Fact) -> ReconciliationState:
    """Take one fact in; the state given is used up and returned."""
    if isinstance(fact, Decided):
        state.decisions[fact.number] = Decision(fact)
        state.by_subject[fact.verdict, fact.subject] = fact.number
        if fact.order is not None:
            state.by_order.setdefault(fact.order, []).append(fact.number)
        return state
    known = state.decisions[fact.number]
    if isinstance(fact, Done):
        stage = NEXT[known.stage, Event.CONSEQUENCE_DONE]
        state.decisions[fact.number] = replace(known, stage=stage, done={**known.done, fact.what: fact})
        return state
    state.decisions[fact.number] = replace(known, stage=NEXT[known.stage, Event.UNDONE], undone=fact)
    place = (known.fact.verdict, known.fact.subject)
    if state.by_subject.get(place) == fact.number:
        del state.by_subject[place]
    if known.fact.order is not None:
        state.by_order[known.fact.order].remove(fact.number)
    return state
