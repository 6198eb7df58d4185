"""Pulling from a PACS what we lack: newest first, politely, and until it has really arrived.

The state is the fold of facts. `decide` gives commands, `do_command` does one at the source, and the fact it
returns is recorded before the next turn. A restart folds the recorded facts and goes on.

A source may answer success before it has sent anything, or for studies it cannot send. So after each
retrieve we wait, count what has arrived, and ask again by series for what is still missing.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from safelight.core.clock import Clock
from safelight.core.errors import PeerError
from safelight.protection.census import one_claim_each
from safelight.protection.comparison import Standing, compare_counts, compare_study
from safelight.protection.enumeration import (
    Answer,
    Enumeration,
    EnumerationSettings,
    answer_of,
    begin_whole,
    fold_answer,
    next_queries,
)
from safelight.protection.finding import Finding, FindingCode
from safelight.protection.source import (
    HeldStudies,
    RetrieveWay,
    SourceArchive,
    SourceUnreachable,
    StudyClaim,
    StudyQuery,
)


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day, in the source's local time, in which it may be asked. It may pass midnight."""

    opens: time
    closes: time
    weekdays: frozenset[int] = frozenset(range(7))
    """Of the moment the window opens; Monday is 0."""

    def holds(self, local: datetime) -> bool:
        """Whether a local moment lies within."""
        now = local.time()
        if self.opens < self.closes:
            return local.weekday() in self.weekdays and self.opens <= now < self.closes
        if now >= self.opens:
            return local.weekday() in self.weekdays
        return now < self.closes and (local.weekday() - 1) % 7 in self.weekdays


@dataclass(frozen=True, slots=True)
class PullSettings:
    """How polite and how stubborn a pull is."""

    ways: tuple[RetrieveWay, ...] = (RetrieveWay.GET,)
    """Tried in turn, from one attempt at a study to the next."""
    windows: tuple[Window, ...] = ()
    """None means at any time."""
    bytes_per_second_max: float | None = None
    """Over the whole pull, by what has arrived of each study. A source may send one study faster."""
    settle_seconds: float = 5.0
    """How long after a retrieve, or after something arrived, we look again."""
    settle_looks_max: int = 4
    """How many looks in a row without any arrival end an attempt; each waits twice as long."""
    settling_studies_max: int = 20
    """With this many asked for and not yet arrived, no more are asked for: an early success costs nothing."""
    attempts_max: int = 3
    backoff_seconds: float = 30.0
    backoff_seconds_max: float = 1800.0
    study_instances_max: int = 20_000
    """Larger studies are retrieved by series: sub-operation counts have 16 bits (PS3.7 section C.2)."""
    queue_studies_min: int = 500
    """With fewer studies waiting, the source is asked for more."""
    enumeration: EnumerationSettings = field(default_factory=EnumerationSettings)


class Stage(StrEnum):
    """Where a study that we lack stands."""

    CLAIMED = "claimed"
    """Some of it is held: it must be compared before we know what to ask for."""
    WANTED = "wanted"
    SETTLING = "settling"
    """Asked for; what arrives is counted."""


@dataclass(frozen=True, slots=True)
class StudyPull:
    """One study on its way."""

    claim: StudyClaim
    stage: Stage
    whole: bool = True
    """Whether it is asked for as a study, or by the series in ``series_left``."""
    series_left: tuple[str, ...] = ()
    attempts: int = 0
    looks: int = 0
    held: int = 0
    held_bytes: int = 0
    asked_at: datetime | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Enumerate:
    """Ask the source which studies it has in a range."""

    query: StudyQuery


@dataclass(frozen=True, slots=True)
class Compare:
    """Compare a study instance by instance."""

    claim: StudyClaim
    row_limit: int | None


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Have a study, or one series of it, sent."""

    study: str
    series: str | None
    way: RetrieveWay


Command = Enumerate | Compare | Retrieve


@dataclass(frozen=True, slots=True)
class RangeAnswered:
    """A range was enumerated."""

    at: datetime
    answer: Answer
    wanted: tuple[tuple[StudyClaim, bool], ...]
    """Studies of which we lack something, and whether we hold anything of them; newest first."""


@dataclass(frozen=True, slots=True)
class StudyCompared:
    """A study was compared with what has arrived; None for ``missing`` means that the source does not tell."""

    at: datetime
    study: str
    missing: int | None
    series_missing: tuple[str, ...]
    held: int
    held_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RetrieveEnded:
    """The source said that a retrieve is over."""

    began_at: datetime
    at: datetime
    study: str
    series: str | None
    accepted: bool
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """The source could not be asked or answered a comparison or retrieve with an error."""

    at: datetime
    code: str
    study: str | None
    """The study that was asked for, where the source answered but refused; None where it was unreachable."""


Fact = RangeAnswered | StudyCompared | RetrieveEnded | SourceFailed


@dataclass(frozen=True, slots=True)
class PullState:
    """How far a pull has come."""

    settings: PullSettings
    enumeration: Enumeration
    studies: Mapping[str, StudyPull] = field(default_factory=dict)
    """Newest first; those that are settled have left."""
    wanted: int = 0
    """Studies of which we lacked something, as far as the source was asked."""
    settled: int = 0
    """Studies that were asked for and have arrived."""
    unfinished: tuple[str, ...] = ()
    """Studies given up: the source did not deliver what it claims."""
    failures_in_row: int = 0
    quiet_until: datetime | None = None
    """The source failed and is left alone until then."""
    rate_until: datetime | None = None
    """Retrieving again before this moment would exceed the rate."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.enumeration.finished and not self.studies

    def findings(self, source: str) -> tuple[Finding, ...]:
        """Return what a person must look at."""
        return tuple(
            Finding(FindingCode.PULL_UNFINISHED, study, {"source": source, "attempts": self.settings.attempts_max})
            for study in self.unfinished
        )


def begin_pull(settings: PullSettings, today: date) -> PullState:
    """Start pulling everything that we lack."""
    return PullState(settings, begin_whole(settings.enumeration, today))


def decide(
    state: PullState, free_slots: int, now: datetime, local: datetime, under_way: AbstractSet[Command] = frozenset()
) -> Sequence[Command]:
    """Return the next commands, at most ``free_slots``, leaving out those under way.

    Empty means finished, outside the windows, or waiting; see `next_moment`. The same arguments always
    give the same commands, so a restart resumes.
    """
    windows = state.settings.windows
    if windows and not any(window.holds(local) for window in windows):
        return ()
    if state.quiet_until is not None and now < state.quiet_until:
        return ()
    commands: list[Command] = []
    for group in (_comparisons(state, now), _retrieves(state, now), _enumerations(state)):
        for command in group:
            if len(commands) >= free_slots:
                return commands
            if command not in under_way:
                commands.append(command)
    return commands


def next_moment(state: PullState, now: datetime) -> datetime | None:
    """Return when something that waits becomes due; None when nothing waits for a moment."""
    moments = [study.not_before for study in state.studies.values() if study.not_before is not None]
    moments += [moment for moment in (state.quiet_until, state.rate_until) if moment is not None]
    return min((moment for moment in moments if moment > now), default=None)


def do_command(command: Command, source: SourceArchive, held: HeldStudies, clock: Clock) -> Fact:
    """Do one command at the source and return the fact to record. Doing it twice is harmless."""
    began_at = clock.now()
    try:
        match command:
            case Enumerate(query):
                return _enumerate(query, source, held, began_at)
            case Compare(claim, row_limit):
                return _compare(claim, row_limit, source, held, began_at)
            case Retrieve(study, series, way):
                outcome = source.retrieve(study, series, way)
                return RetrieveEnded(
                    began_at, clock.now(), study, series, outcome.accepted, outcome.completed, outcome.failed
                )
    except SourceUnreachable as error:
        return SourceFailed(clock.now(), error.code, None)
    except PeerError as error:
        if isinstance(command, Enumerate):
            return RangeAnswered(clock.now(), Answer(command.query, 0, failed=True), ())
        study = command.claim.study if isinstance(command, Compare) else command.study
        return SourceFailed(clock.now(), error.code, study)


def fold(state: PullState, fact: Fact) -> PullState:
    """Take a recorded fact."""
    match fact:
        case SourceFailed():
            return _fold_failure(state, fact)
        case RangeAnswered():
            return _fold_range(replace(state, failures_in_row=0, quiet_until=None), fact)
        case StudyCompared():
            return _fold_comparison(replace(state, failures_in_row=0, quiet_until=None), fact)
        case RetrieveEnded():
            return _fold_retrieve(replace(state, failures_in_row=0, quiet_until=None), fact)


def take_turn(
    state: PullState,
    source: SourceArchive,
    held: HeldStudies,
    clock: Clock,
    local: datetime,
    *,
    record: Callable[[Fact], None],
) -> tuple[PullState, bool]:
    """Ask for one command, do it, record its fact. Returns the new state and whether there was a command."""
    commands = decide(state, 1, clock.now(), local)
    if not commands:
        return state, False
    fact = do_command(commands[0], source, held, clock)
    record(fact)
    return fold(state, fact), True


def _comparisons(state: PullState, now: datetime) -> Sequence[Command]:
    return [
        Compare(study.claim, state.enumeration.row_limit)
        for study in state.studies.values()
        if study.stage in (Stage.SETTLING, Stage.CLAIMED) and _due(study, now)
    ]


def _retrieves(state: PullState, now: datetime) -> Sequence[Command]:
    if state.rate_until is not None and now < state.rate_until:
        return ()
    settling = sum(study.stage is Stage.SETTLING for study in state.studies.values())
    room = max(state.settings.settling_studies_max - settling, 0)
    ways = state.settings.ways
    wanted = [
        (name, study) for name, study in state.studies.items() if study.stage is Stage.WANTED and _due(study, now)
    ]
    return [
        Retrieve(name, series, ways[study.attempts % len(ways)])
        for name, study in wanted[:room]
        for series in ((None,) if study.whole else study.series_left)
    ]


def _enumerations(state: PullState) -> Sequence[Command]:
    if len(state.studies) >= state.settings.queue_studies_min:
        return ()
    return [Enumerate(query) for query in next_queries(state.enumeration, len(state.enumeration.pending))]


def _due(study: StudyPull, now: datetime) -> bool:
    return study.not_before is None or now >= study.not_before


def _enumerate(query: StudyQuery, source: SourceArchive, held: HeldStudies, at: datetime) -> RangeAnswered:
    found = source.find_studies(query)
    claims = one_claim_each(found.claims)
    counts = held.counts(list(claims))
    wanted = []
    for study, claim in claims.items():
        standing = compare_counts(claim, counts.get(study)).standing
        # A study that claims no instance is compared as well: the count of the study may be wrong.
        if standing is not Standing.PROTECTED:
            wanted.append((claim, study in counts))
    wanted.sort(key=lambda pair: (pair[0].date_text, pair[0].time_text), reverse=True)
    return RangeAnswered(at, answer_of(query, found.claims, truncated=found.truncated), tuple(wanted))


def _compare(
    claim: StudyClaim, row_limit: int | None, source: SourceArchive, held: HeldStudies, at: datetime
) -> StudyCompared:
    count = held.counts([claim.study]).get(claim.study)
    found = compare_study(source, held, claim, count, by_series=True, row_limit=row_limit)
    missing = None if found.standing is Standing.UNKNOWN else found.missing
    series = tuple(part.series for part in found.series if part.missing or part.claimed is None)
    return StudyCompared(at, claim.study, missing, series, found.held, count.bytes if count else 0)


def _fold_range(state: PullState, fact: RangeAnswered) -> PullState:
    studies = dict(state.studies)
    known = len(studies)
    for claim, held_any in fact.wanted:
        if claim.study in studies or claim.study in state.unfinished:
            continue
        count = claim.instance_count
        by_study = not held_any and count is not None and 0 < count <= state.settings.study_instances_max
        stage = Stage.WANTED if by_study else Stage.CLAIMED
        studies[claim.study] = StudyPull(claim, stage, whole=by_study)
    enumeration = fold_answer(state.enumeration, fact.answer)
    return replace(state, enumeration=enumeration, studies=studies, wanted=state.wanted + len(studies) - known)


def _fold_retrieve(state: PullState, fact: RetrieveEnded) -> PullState:
    study = state.studies.get(fact.study)
    if study is None or study.stage is not Stage.WANTED:
        return state
    study = replace(study, asked_at=study.asked_at or fact.began_at)
    left = tuple(series for series in study.series_left if series != fact.series)
    if fact.series is not None and left:
        return _put(state, replace(study, series_left=left))
    wait = timedelta(seconds=state.settings.settle_seconds)
    return _put(state, replace(study, stage=Stage.SETTLING, series_left=(), looks=0, not_before=fact.at + wait))


def _fold_comparison(state: PullState, fact: StudyCompared) -> PullState:
    study = state.studies.get(fact.study)
    if study is None or study.stage is Stage.WANTED:
        return state
    if study.stage is Stage.SETTLING:
        state = _pay(state, study, fact)
    if fact.missing == 0:
        return replace(_drop(state, fact.study), settled=state.settled + (study.stage is Stage.SETTLING))
    if study.stage is Stage.CLAIMED:
        return _put(state, _want(study, fact))
    settings = state.settings
    looks = 0 if fact.held > study.held else study.looks + 1
    study = replace(study, held=fact.held, held_bytes=fact.held_bytes, looks=looks)
    if looks <= settings.settle_looks_max:
        wait = timedelta(seconds=settings.settle_seconds * 2**looks)
        return _put(state, replace(study, not_before=fact.at + wait))
    return _end_attempt(state, study, fact)


def _pay(state: PullState, study: StudyPull, fact: StudyCompared) -> PullState:
    """Let what has arrived push away the moment from which more may be asked for."""
    rate = state.settings.bytes_per_second_max
    arrived = fact.held_bytes - study.held_bytes
    if not rate or arrived <= 0:
        return state
    began = study.asked_at or fact.at
    start = max(began, state.rate_until or began)
    return replace(state, rate_until=start + timedelta(seconds=arrived / rate))


def _end_attempt(state: PullState, study: StudyPull, fact: StudyCompared) -> PullState:
    attempts = study.attempts + 1
    name = study.claim.study
    if attempts >= state.settings.attempts_max:
        return replace(_drop(state, name), unfinished=(*state.unfinished, name))
    wait = timedelta(seconds=state.settings.backoff_seconds * 2 ** (attempts - 1))
    return _put(state, replace(_want(study, fact), attempts=attempts, not_before=fact.at + wait))


def _want(study: StudyPull, fact: StudyCompared) -> StudyPull:
    """Ask for the series that lack something; for the whole study where no series can be named."""
    series = fact.series_missing
    return replace(
        study,
        stage=Stage.WANTED,
        whole=not series,
        series_left=series,
        held=fact.held,
        held_bytes=fact.held_bytes,
        asked_at=None,
        not_before=None,
    )


def _fold_failure(state: PullState, fact: SourceFailed) -> PullState:
    settings = state.settings
    study = state.studies.get(fact.study) if fact.study is not None else None
    if study is not None:
        # The source works but refuses this study: the study has failed an attempt, the others go on.
        refused = StudyCompared(fact.at, study.claim.study, None, study.series_left, study.held, study.held_bytes)
        return _end_attempt(state, study, refused)
    failures = state.failures_in_row + 1
    seconds = min(settings.backoff_seconds * 2 ** min(failures - 1, 16), settings.backoff_seconds_max)
    return replace(state, failures_in_row=failures, quiet_until=fact.at + timedelta(seconds=seconds))


def _put(state: PullState, study: StudyPull) -> PullState:
    return replace(state, studies={**state.studies, study.claim.study: study})


def _drop(state: PullState, name: str) -> PullState:
    return replace(state, studies={other: study for other, study in state.studies.items() if other != name})
