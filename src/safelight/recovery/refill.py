"""Do one command of a recovery and return the facts it brought to light.

Nothing here is remembered between commands, and every command may be done twice: a resend of the same version is
harmless, and a comparison changes nothing at the target.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from safelight.core.clock import Clock
from safelight.core.errors import IntegrityError, PeerError, SafelightError
from safelight.recovery.decision import Act, Command
from safelight.recovery.facts import (
    ENCODING_REFUSED,
    FAILED,
    REFUSED,
    TARGET_UNREACHABLE,
    Fact,
    Finished,
    InstanceNote,
    Level,
    Paused,
    Planned,
    Probed,
    Settings,
    StudyCompared,
    StudyFailed,
    StudySent,
    StudyWithheld,
    TargetLost,
)
from safelight.recovery.fetching import CLAIM_WAY, Seen, fetch_back
from safelight.recovery.pace import Pace
from safelight.recovery.ports import (
    Answer,
    Compare,
    HeldInstance,
    Holdings,
    Keeper,
    Target,
    TargetUnreachable,
)
from safelight.recovery.recipes import (
    CANNOT_BE_FETCHED_BACK,
    MAY_BE_ORTHANC,
    RESEND_IS_IGNORED,
    may_hide_orthanc,
    recipe_for,
)
from safelight.recovery.selection import Selection, select
from safelight.recovery.state import SETTLED, RecoveryState, Stage

NOTES_MAX: Final = 200
"""A study of thousands of instances with one trouble must not become a fact of megabytes."""


class HoldingDamaged(IntegrityError):
    """The vault did not give back an instance as it was received."""

    code = "recovery.holding-damaged"
    hint = "Delete nothing. Run: safelight protection verify, then resume the recovery."


@dataclass(frozen=True, slots=True)
class Refill:
    """The doer of commands for one recovery; it may be used from several threads when its ports may."""

    recovery: str
    settings: Settings
    started_at: datetime
    holdings: Holdings
    target: Target
    compare: Compare
    plan: Callable[[], Iterable[Planned]]
    """Compute the order and give it as facts, for the command PLAN."""
    clock: Clock
    pace: Pace
    keeper: Keeper | None = None

    def do(self, command: Command, state: RecoveryState) -> Iterable[Fact]:
        """Do the command; ``state`` is read for what concerns the recovery as a whole."""
        match command.act:
            case Act.PLAN:
                # After a crash in the middle of planning the pieces on record are not recorded again.
                return (piece for piece in self.plan() if _brings_news(piece, state))
            case Act.PROBE:
                return (self._probe(),)
            case Act.STAND_DOWN:
                return (Paused(self.recovery, self.clock.now(), TARGET_UNREACHABLE, "safelight"),)
            case Act.FINISH:
                confirmed = state.count(Stage.CONFIRMED)
                settled = sum(state.count(stage) for stage in SETTLED)
                return (Finished(self.recovery, self.clock.now(), confirmed, settled - confirmed),)
            case Act.SEND:
                return (self._guarded("send", command, self._send),)
            case Act.CONFIRM:
                return (self._guarded("confirm", command, self._confirm),)

    def _guarded(self, step: str, command: Command, do: Callable[[Command], Fact]) -> Fact:
        """One bad study must not stop the others: what goes wrong with it is a fact like any other."""
        try:
            return do(command)
        except TargetUnreachable as error:
            return TargetLost(self.recovery, self.clock.now(), error.code)
        except SafelightError as error:
            transient = not isinstance(error, IntegrityError)
            return StudyFailed(self.recovery, self.clock.now(), command.study, step, error.code, transient)

    def _select(self, command: Command) -> Selection:
        instances = self.holdings.instances(command.study, self.settings.as_of or self.started_at)
        return select(instances, honours_rejection=self.settings.honours_rejection, with_rejected=command.with_rejected)

    def _probe(self) -> Fact:
        try:
            traits = self.target.traits()
            overwrites = self.keeper.overwrites() if self.keeper else None
        except PeerError as error:
            return TargetLost(self.recovery, self.clock.now(), error.code)
        chosen = self.settings.recipe
        remarks: list[str] = []
        if chosen == "auto":
            chosen = recipe_for(traits.implementation_class, traits.implementation_version).name
            if self.keeper is None and may_hide_orthanc(traits.implementation_version):
                remarks.append(MAY_BE_ORTHANC)
        if overwrites is False:
            remarks.append(RESEND_IS_IGNORED)
        if not set(traits.ways) - {CLAIM_WAY}:
            remarks.append(CANNOT_BE_FETCHED_BACK)
        return Probed(
            self.recovery,
            self.clock.now(),
            chosen,
            traits.implementation_class,
            traits.implementation_version,
            traits.ways,
            overwrites,
            tuple(remarks),
        )

    def _send(self, command: Command) -> Fact:
        selection = self._select(command)
        if not selection.going:
            why = "rejected" if selection.withheld else "cut-short" if selection.cut_short else "nothing-held"
            notes = selection.notes
            return StudyWithheld(
                self.recovery, self.clock.now(), command.study, why, notes[:NOTES_MAX], len(notes), by_code(notes)
            )
        wanted = [one for one in selection.going if not command.only or one.sop_instance in command.only]
        begun = self.clock.elapsed()
        outcome = judge_answers(wanted, self.target.send(command.study, wanted, self.pace.lane()))
        notes = selection.notes + outcome.notes
        if outcome.failed or len(outcome.refused) == len(wanted):
            return StudyFailed(
                self.recovery,
                self.clock.now(),
                command.study,
                "send",
                outcome.why,
                bool(outcome.failed),
                # Failures first: they must not fall behind the limit.
                (outcome.notes + selection.notes)[:NOTES_MAX],
                len(notes),
                by_code(notes),
            )
        slowed_to = self.pace.slowed_to
        return StudySent(
            self.recovery,
            self.clock.now(),
            command.study,
            len(wanted) - len(outcome.refused),
            sum(one.size_bytes for one in wanted if one.sop_instance not in outcome.refused),
            (self.clock.elapsed() - begun).total_seconds(),
            tuple(outcome.refused),
            (outcome.notes + selection.notes)[:NOTES_MAX],
            len(notes),
            by_code(notes),
            None if slowed_to is None else int(slowed_to),
        )

    def _confirm(self, command: Command) -> Fact:
        selection = self._select(command)
        refused = frozenset(command.refused)
        wanted = {one.sop_instance: one for one in selection.going if one.sop_instance not in refused}
        begun = self.clock.elapsed()
        seen = Seen(wanted, self.compare)
        way = fetch_back(self.target, command.study, seen, command.ways)
        missing = seen.missing()
        repaired = self._repair(missing) if way != CLAIM_WAY else ()
        notes = seen.notes
        return StudyCompared(
            recovery=self.recovery,
            at=self.clock.now(),
            study=command.study,
            level=Level.NONE if missing else min(seen.levels.values(), default=Level.NONE),
            way=way,
            instances=len(seen.levels),
            size_bytes=seen.size_bytes,
            seconds=(self.clock.elapsed() - begun).total_seconds(),
            levels={level.name.lower(): count for level, count in Counter(seen.levels.values()).items()},
            missing=tuple(missing),
            repaired=tuple(repaired),
            tags=tuple(sorted(seen.tags)),
            coerced=tuple(sorted(seen.coerced)),
            notes=tuple(notes[:NOTES_MAX]),
            notes_count=len(notes),
            notes_by_code=by_code(notes),
        )

    def _repair(self, missing: Sequence[str]) -> Sequence[str]:
        """Delete at the target, if a person allowed it, those missing instances whose file it lost."""
        if not missing or not self.settings.repair_target or self.keeper is None:
            return ()
        return self.keeper.remove_unreadable(missing)


def by_code(notes: Iterable[InstanceNote]) -> dict[str, int]:
    """Count notes by what they say."""
    return dict(Counter(note.code for note in notes))


def _brings_news(piece: Planned, state: RecoveryState) -> bool:
    return piece.last or any(planned.study not in state.studies for planned in piece.studies)


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """The statuses of a study taken together."""

    refused: frozenset[str]
    """The target will never take these."""
    failed: frozenset[str]
    """Trying again may help for these."""
    notes: tuple[InstanceNote, ...]
    why: str


_WARNINGS: Final = {
    0xB000: "coerced",
    0xB006: "elements-discarded",
    0xB007: "does-not-match-sop-class",
    0x0111: "duplicate-refused",
}
"""Stored, the target says, but with changes; or held already, it says, which the comparison will show."""
_REFUSED: Final = frozenset({0x0117, 0x0119, 0x0122, 0x0124})
"""Invalid SOP instance, class-instance conflict, SOP class not supported, not authorized."""


def judge_answers(wanted: Sequence[HeldInstance], answers: Iterable[Answer]) -> SendOutcome:
    """Sort the target's answers.

    Source: PS3.4 Table B.2-1 and PS3.7 Annex C.
    """
    refused: set[str] = set()
    failed: set[str] = set()
    notes: list[InstanceNote] = []
    answered = {answer.sop_instance: answer.status for answer in answers}
    for one in wanted:
        uid = one.sop_instance
        status = answered.get(uid, -1)
        if status is None:
            refused.add(uid)
            # Both, since which of them the target does not know is told wrongly by some. Orthanc says that it does not
            # know CT images when it does not know their transfer syntax.
            notes.append(InstanceNote(uid, ENCODING_REFUSED, f"{one.sop_class} in {one.transfer_syntax}"))
        elif status in _REFUSED or 0xA900 <= status <= 0xA9FF or 0xC000 <= status <= 0xCFFF:
            refused.add(uid)
            notes.append(InstanceNote(uid, REFUSED, f"{status:04X}H"))
        elif status in _WARNINGS or 0xB000 <= status <= 0xBFFF:
            notes.append(InstanceNote(uid, _WARNINGS.get(status, "warning"), f"{status:04X}H"))
        elif status != 0:
            failed.add(uid)
            notes.append(InstanceNote(uid, FAILED, "no-answer" if status < 0 else f"{status:04X}H"))
    # What failed comes first in the notes, then what was refused, then what is only remarkable.
    notes.sort(key=lambda note: (note.instance not in failed, note.instance not in refused))
    return SendOutcome(frozenset(refused), frozenset(failed), tuple(notes), notes[0].code if notes else "")
