"""Finding every study of a source that may cap its answers, hide studies without a date, or ignore a key.

Two sweeps overlap. One goes through the study dates from the newest back; the other asks without a date and
so finds what no date query finds. An answer that may have been cut short is asked again in parts, until
each part is short enough to be whole. What could not be settled stays listed as unknown.

When is an answer whole? A source with a row limit of N never gives more than N rows. So every answer with
fewer rows than the longest ever seen is whole, and only answers as long as the longest are in doubt. That
needs no knowledge of the limit. Since some sources limit one kind of query and not another, the longest is
kept by kind: which keys the query uses. A source that says it left rows out is believed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from safelight.protection.query_split import more_children, split
from safelight.protection.source import QueryKey, StudyClaim, StudyQuery


@dataclass(frozen=True, slots=True)
class EnumerationSettings:
    """How a source is asked for its studies."""

    rows_wanted: int = 200
    """Date ranges are chosen so that an answer has about this many rows."""
    span_days_max: int = 3660
    oldest: date = date(1970, 1, 1)
    """Everything older is asked for in one range."""
    suspect_rows_min: int = 20
    """No source is taken to cap its answers below this."""
    universal_rows_max: int = 100_000
    """With more studies than this the source is not asked for all at once, but by patient ID at once."""
    attempts_max: int = 3
    queries_max: int = 1_000_000


class Doubt(StrEnum):
    """Why something is unknown."""

    CAPPED = "capped"
    """The answer was cut short and no key is left to split it by."""
    DATE_IGNORED = "date-ignored"
    """The source does not honour Study Date, so that single days cannot be asked for."""
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    TOO_MANY_QUERIES = "too-many-queries"


class Assumption(StrEnum):
    """What must be true of the source for the enumeration to be whole."""

    UNDATED_HAVE_PATIENT = "a study without a date has a patient ID"
    UNTIMED_HAVE_PATIENT = "a study without a time, on a day too full for one answer, has a patient ID"
    TIMED = "a study on a day too full for one answer has a time"
    CHARACTERS = "no patient ID has a character that no other answer showed, or a wildcard"
    MODALITY = "a study in a range split by modality has a modality that other answers showed"


Kind = frozenset[QueryKey]
"""The keys that a query uses."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A part of the source that nobody can speak for."""

    query: StudyQuery
    doubt: Doubt


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query brought, as far as further questions depend on it."""

    query: StudyQuery
    rows: int
    """As they came: a study that was given twice counts twice."""
    truncated: bool = False
    failed: bool = False
    ignored: frozenset[QueryKey] = frozenset()
    """Keys that the source did not honour: a row contradicts them."""
    characters: frozenset[str] = frozenset()
    """Of the patient IDs in the rows."""
    modalities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Enumeration:
    """How far the source has been enumerated: the fold of its answers."""

    settings: EnumerationSettings
    whole: bool
    """Whether the source as a whole is enumerated, or only given days."""
    pending: tuple[StudyQuery, ...]
    front: StudyQuery | None
    """The dated range of `pending` from which the next older one follows."""
    sweeping: bool = False
    deferred: tuple[StudyQuery, ...] = ()
    """Answers as long as the longest: whole, unless that is the limit."""
    longest: Mapping[Kind, int] = field(default_factory=dict)
    suspected: frozenset[Kind] = frozenset()
    """Kinds of query whose longest answer came more than once, as a row limit would make it."""
    dated_rows: int = 0
    asked: int = 0
    attempts: Mapping[StudyQuery, int] = field(default_factory=dict)
    ignored: frozenset[QueryKey] = frozenset()
    characters: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    patient_splits: tuple[StudyQuery, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    assumes: frozenset[Assumption] = frozenset()

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to ask."""
        return not self.pending

    @property
    def row_limit(self) -> int | None:
        """The smallest limit that the source seems to have; None where nothing points to one."""
        return min((self.longest[kind] for kind in self.suspected), default=None)

    @property
    def complete(self) -> bool:
        """Whether everything in scope is known, under the assumptions in ``assumes``."""
        return self.finished and not self.unknown


def begin_whole(settings: EnumerationSettings, today: date) -> Enumeration:
    """Start enumerating everything, with what is dated in the future first."""
    front = StudyQuery(first=today)
    return Enumeration(settings, whole=True, pending=(front,), front=front)


def begin_days(settings: EnumerationSettings, ranges: Iterable[tuple[date, date]]) -> Enumeration:
    """Start enumerating given days only, the newest first. Studies without a date are out of scope."""
    newest_first = sorted(ranges, reverse=True)
    return Enumeration(settings, whole=False, pending=tuple(StudyQuery(*days) for days in newest_first), front=None)


def next_queries(
    state: Enumeration, most: int, under_way: AbstractSet[StudyQuery] = frozenset()
) -> Sequence[StudyQuery]:
    """Return what to ask next; the same state always gives the same queries."""
    return [query for query in state.pending if query not in under_way][:most]


def fold_answer(state: Enumeration, answer: Answer) -> Enumeration:
    """Take an answer. One that was not asked for, or is taken a second time, changes nothing."""
    if answer.query not in state.pending:
        return state
    if answer.failed:
        return _promote(_failed(state, answer.query))
    ignored = answer.ignored & kind_of(answer.query) - state.ignored
    state = _advance(_done(_learn(state, answer), answer.query), answer)
    narrowed = ignored - {QueryKey.DATE}
    for key in sorted(narrowed):
        state = _drop_key(state, answer.query, key)
    return _promote(state if narrowed else _judge(state, answer))


def give_up(state: Enumeration, doubt: Doubt) -> Enumeration:
    """Stop asking; everything that is still open becomes unknown."""
    open_queries = (*state.pending, *state.deferred)
    if state.whole and not state.sweeping:
        open_queries = (*open_queries, StudyQuery())
    if state.front is not None and state.front.first is not None:
        open_queries = (*open_queries, StudyQuery(last=state.front.first - timedelta(days=1)))
    unknown = (*state.unknown, *(Unknown(query, doubt) for query in dict.fromkeys(open_queries)))
    return replace(state, pending=(), deferred=(), front=None, unknown=unknown)


def kind_of(query: StudyQuery) -> Kind:
    """Name the keys that a query uses."""
    used = {
        QueryKey.DATE: query.dated,
        QueryKey.TIME: query.seconds is not None,
        QueryKey.PATIENT: query.patient is not None,
        QueryKey.MODALITY: query.modality is not None,
    }
    return frozenset(key for key, is_used in used.items() if is_used)


def answer_of(query: StudyQuery, claims: Sequence[StudyClaim], *, truncated: bool) -> Answer:
    """Sum up the rows that answered a query."""
    return Answer(
        query=query,
        rows=len(claims),
        truncated=truncated,
        ignored=_ignored(query, claims),
        characters=frozenset(character for claim in claims for character in claim.patient.text),
        modalities=frozenset(modality for claim in claims for modality in claim.modalities if modality),
    )


def _ignored(query: StudyQuery, claims: Sequence[StudyClaim]) -> frozenset[QueryKey]:
    """Name the keys that most rows contradict; a stray row may be an error in one study."""
    contradictions = Counter(key for claim in claims for key in _contradicted(query, claim))
    return frozenset(key for key, count in contradictions.items() if count * 2 > len(claims))


def _contradicted(query: StudyQuery, claim: StudyClaim) -> Iterator[QueryKey]:
    """Name the keys that a row contradicts. A row without the value contradicts nothing."""
    day = claim.date
    if day is not None and ((query.first and day < query.first) or (query.last and day > query.last)):
        yield QueryKey.DATE
    second = claim.second
    if query.seconds and second is not None and not query.seconds[0] <= second <= query.seconds[1]:
        yield QueryKey.TIME
    patient = claim.patient.text.strip().casefold()
    if query.patient is not None and patient:
        wanted = query.patient.casefold()
        if not (patient.startswith(wanted[:-1]) if wanted.endswith("*") else patient == wanted):
            yield QueryKey.PATIENT
    if query.modality and claim.modalities and query.modality not in claim.modalities:
        yield QueryKey.MODALITY


def _done(state: Enumeration, query: StudyQuery) -> Enumeration:
    pending = tuple(other for other in state.pending if other != query)
    return replace(state, pending=pending, asked=state.asked + 1)


def _failed(state: Enumeration, query: StudyQuery) -> Enumeration:
    attempts = state.attempts.get(query, 0) + 1
    state = _done(state, query)
    if attempts < state.settings.attempts_max:
        return replace(state, pending=(*state.pending, query), attempts={**state.attempts, query: attempts})
    state = replace(state, unknown=(*state.unknown, Unknown(query, Doubt.FAILED)))
    return _next_range(state, query, rows=state.settings.rows_wanted)


def _learn(state: Enumeration, answer: Answer) -> Enumeration:
    """Take over what the rows show of the source; new characters reopen every split by patient ID."""
    new_characters = answer.characters - state.characters
    characters = state.characters | answer.characters
    state = replace(
        state,
        characters=characters,
        modalities=state.modalities | answer.modalities,
        ignored=state.ignored | answer.ignored,
        dated_rows=state.dated_rows + (answer.rows if answer.query.dated else 0),
    )
    if state.patient_splits and new_characters:
        more = [child for node in state.patient_splits for child in more_children(node, new_characters)]
        state = replace(state, pending=(*state.pending, *(child for child in more if child not in state.pending)))
    return state


def _advance(state: Enumeration, answer: Answer) -> Enumeration:
    if QueryKey.DATE in answer.ignored:
        # Date ranges lead nowhere here; the sweep without dates must find everything.
        dated = () if state.whole else (*(query for query in state.pending if query.dated), answer.query)
        return replace(
            state,
            pending=tuple(query for query in state.pending if not query.dated),
            deferred=(),
            front=None,
            unknown=(*state.unknown, *(Unknown(query, Doubt.DATE_IGNORED) for query in dated)),
        )
    return _next_range(state, answer.query, answer.rows)


def _drop_key(state: Enumeration, query: StudyQuery, key: QueryKey) -> Enumeration:
    """Ask no more by a key that the source ignores; what was split by it is split by another, if there is one."""
    affected = [other for other in (*state.pending, *state.deferred, query) if key in kind_of(other)]
    state = replace(
        state,
        pending=tuple(other for other in state.pending if other not in affected),
        deferred=tuple(other for other in state.deferred if other not in affected),
        patient_splits=() if key is QueryKey.PATIENT else state.patient_splits,
    )
    for parent in dict.fromkeys(_without(other, key) for other in affected):
        state = _split(state, parent)
    return state


def _without(query: StudyQuery, key: QueryKey) -> StudyQuery:
    match key:
        case QueryKey.TIME:
            return replace(query, seconds=None)
        case QueryKey.PATIENT:
            return replace(query, patient=None)
        case QueryKey.MODALITY:
            return replace(query, modality=None)
        case QueryKey.DATE:
            return replace(query, first=None, last=None)


def _next_range(state: Enumeration, query: StudyQuery, rows: int) -> Enumeration:
    """Step to the next older range of dates, wider where studies are sparse and narrower where dense."""
    if query != state.front:
        return state
    if query.first is None:
        return replace(state, front=None)
    settings = state.settings
    last = query.first - timedelta(days=1)
    if last < settings.oldest:
        front = StudyQuery(last=last)
    else:
        span = 1 if query.last is None else (query.last - query.first).days + 1
        if rows * 2 <= settings.rows_wanted:
            span = min(span * 2, settings.span_days_max)
        elif rows > settings.rows_wanted:
            span = max(span // 2, 1)
        front = StudyQuery(first=max(last - timedelta(days=span - 1), settings.oldest), last=last)
    return replace(state, front=front, pending=(*state.pending, front))


def _judge(state: Enumeration, answer: Answer) -> Enumeration:
    """Decide whether an answer is whole, in doubt, or cut short."""
    rows, query, kind = answer.rows, answer.query, kind_of(answer.query)
    cut_short = answer.truncated
    if rows >= state.settings.suspect_rows_min:
        longest = state.longest.get(kind, 0)
        if rows > longest:
            # Whatever was in doubt as the longest of its kind is shorter than this one, and so was whole.
            doubted = tuple(other for other in state.deferred if kind_of(other) != kind)
            state = replace(
                state,
                longest={**state.longest, kind: rows},
                suspected=state.suspected - {kind},
                deferred=doubted if cut_short else (*doubted, query),
            )
        elif rows == longest:
            cut_short = True
            state = _split_deferred(replace(state, suspected=state.suspected | {kind}), kind)
    return _split(state, query) if cut_short else state


def _split_deferred(state: Enumeration, kind: Kind | None = None) -> Enumeration:
    """Split what is in doubt: all of it, or all of one kind."""
    doubted = [query for query in state.deferred if kind is None or kind_of(query) == kind]
    state = replace(state, deferred=tuple(query for query in state.deferred if query not in doubted))
    for query in doubted:
        state = _split(state, query)
    return state


def _split(state: Enumeration, query: StudyQuery) -> Enumeration:
    if state.asked + len(state.pending) > state.settings.queries_max:
        return replace(state, unknown=(*state.unknown, Unknown(query, Doubt.TOO_MANY_QUERIES)))
    if query.dated and QueryKey.DATE in state.ignored:
        return state
    key, children = split(query, state.ignored, state.characters, state.modalities)
    if key is None:
        return replace(state, unknown=(*state.unknown, Unknown(query, Doubt.CAPPED)))
    fresh = tuple(child for child in children if child not in state.pending)
    state = replace(state, pending=(*fresh, *state.pending), assumes=state.assumes | _assumed(state, query, key))
    if key is QueryKey.PATIENT:
        state = replace(state, patient_splits=(*state.patient_splits, query))
    return state


def _assumed(state: Enumeration, query: StudyQuery, key: QueryKey) -> frozenset[Assumption]:
    if key is QueryKey.TIME:
        return frozenset({Assumption.UNTIMED_HAVE_PATIENT if state.whole else Assumption.TIMED})
    if key is QueryKey.PATIENT:
        characters = frozenset({Assumption.CHARACTERS})
        return characters if query.dated else characters | {Assumption.UNDATED_HAVE_PATIENT}
    if key is QueryKey.MODALITY:
        return frozenset({Assumption.MODALITY})
    return frozenset()


def _promote(state: Enumeration) -> Enumeration:
    """When nothing is pending, turn to the sweep without dates, and at last to what is in doubt."""
    if state.pending:
        return state
    if state.whole and not state.sweeping:
        universal = StudyQuery()
        state = replace(state, sweeping=True, pending=(universal,))
        if state.dated_rows > state.settings.universal_rows_max:
            state = _split(replace(state, pending=()), universal)
        return state
    return _split_deferred(state)
