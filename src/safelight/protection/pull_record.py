"""Facts of a pull as they stand in the journal: identifiers and counts, no name or number of a patient's.

A query by patient ID is the exception: its prefix is what tells the query apart, so it stands in the
journal, where messages with patient identity stand as well, and nowhere else.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from safelight.core.clock import from_text, to_text
from safelight.journal.kinds import FactKind
from safelight.protection.enumeration import Answer
from safelight.protection.pull import Fact, RangeAnswered, RetrieveEnded, SourceFailed, StudyCompared
from safelight.protection.source import QueryKey, StudyClaim, StudyQuery

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]

RANGE_ANSWERED: Final = FactKind.PULL_RANGE_ANSWERED.value
STUDY_COMPARED: Final = FactKind.PULL_STUDY_COMPARED.value
RETRIEVE_ENDED: Final = FactKind.PULL_RETRIEVE_ENDED.value
SOURCE_FAILED: Final = FactKind.PULL_SOURCE_FAILED.value
KINDS: Final = (RANGE_ANSWERED, STUDY_COMPARED, RETRIEVE_ENDED, SOURCE_FAILED)


def to_record(fact: Fact) -> tuple[str, dict[str, JsonValue]]:
    """Write a fact as its kind and body."""
    match fact:
        case RangeAnswered():
            return RANGE_ANSWERED, _write_range(fact)
        case StudyCompared():
            return STUDY_COMPARED, {
                "at": to_text(fact.at),
                "study": fact.study,
                "missing": fact.missing,
                "series_missing": fact.series_missing,
                "held": fact.held,
                "held_bytes": fact.held_bytes,
            }
        case RetrieveEnded():
            return RETRIEVE_ENDED, {
                "began_at": to_text(fact.began_at),
                "at": to_text(fact.at),
                "study": fact.study,
                "series": fact.series,
                "accepted": fact.accepted,
                "completed": fact.completed,
                "failed": fact.failed,
            }
        case SourceFailed():
            return SOURCE_FAILED, {"at": to_text(fact.at), "code": fact.code, "study": fact.study}


def from_record(kind: str, body: Mapping[str, object]) -> Fact:
    """Read what `to_record` wrote.

    Raises:
        ValueError: the kind is not one of a pull.
    """
    read = _Body(body)
    if kind == RANGE_ANSWERED:
        return _read_range(read)
    if kind == STUDY_COMPARED:
        missing = read.optional_count("missing")
        return StudyCompared(
            at=from_text(read.text("at")),
            study=read.text("study"),
            missing=missing,
            series_missing=read.texts("series_missing"),
            held=read.count("held"),
            held_bytes=read.count("held_bytes"),
        )
    if kind == RETRIEVE_ENDED:
        return RetrieveEnded(
            began_at=from_text(read.text("began_at")),
            at=from_text(read.text("at")),
            study=read.text("study"),
            series=read.optional_text("series"),
            accepted=bool(body["accepted"]),
            completed=read.count("completed"),
            failed=read.count("failed"),
        )
    if kind == SOURCE_FAILED:
        return SourceFailed(from_text(read.text("at")), read.text("code"), read.optional_text("study"))
    raise ValueError(f"no fact of a pull: {kind}")


def _write_range(fact: RangeAnswered) -> dict[str, JsonValue]:
    answer, query = fact.answer, fact.answer.query
    return {
        "at": to_text(fact.at),
        "first": query.first.isoformat() if query.first else None,
        "last": query.last.isoformat() if query.last else None,
        "seconds": query.seconds,
        "patient": query.patient,
        "modality": query.modality,
        "rows": answer.rows,
        "truncated": answer.truncated,
        "failed": answer.failed,
        "ignored": sorted(answer.ignored),
        "characters": "".join(sorted(answer.characters)),
        "modalities": sorted(answer.modalities),
        "wanted": [
            {
                "study": claim.study,
                "date": claim.date_text,
                "time": claim.time_text,
                "series_count": claim.series_count,
                "instance_count": claim.instance_count,
                "held_any": held_any,
            }
            for claim, held_any in fact.wanted
        ],
    }


def _read_range(read: "_Body") -> RangeAnswered:
    first, last = read.optional_text("first"), read.optional_text("last")
    seconds = read.counts("seconds")
    query = StudyQuery(
        first=date.fromisoformat(first) if first else None,
        last=date.fromisoformat(last) if last else None,
        seconds=(seconds[0], seconds[1]) if seconds else None,
        patient=read.optional_text("patient"),
        modality=read.optional_text("modality"),
    )
    answer = Answer(
        query=query,
        rows=read.count("rows"),
        truncated=bool(read.body["truncated"]),
        failed=bool(read.body["failed"]),
        ignored=frozenset(QueryKey(key) for key in read.texts("ignored")),
        characters=frozenset(read.text("characters")),
        modalities=frozenset(read.texts("modalities")),
    )
    return RangeAnswered(from_text(read.text("at")), answer, tuple(_read_wanted(part) for part in read.parts("wanted")))


def _read_wanted(read: "_Body") -> tuple[StudyClaim, bool]:
    claim = StudyClaim(
        study=read.text("study"),
        date_text=read.text("date"),
        time_text=read.text("time"),
        series_count=read.optional_count("series_count"),
        instance_count=read.optional_count("instance_count"),
    )
    return claim, bool(read.body["held_any"])


class _Body:
    """A body read from JSON, value by value; a value of another type is a defect of ours and raises."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self.body = body

    def text(self, name: str) -> str:
        value = self.body[name]
        assert isinstance(value, str)
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self.body[name] is None else self.text(name)

    def count(self, name: str) -> int:
        value = self.body[name]
        assert isinstance(value, int)
        return value

    def optional_count(self, name: str) -> int | None:
        return None if self.body[name] is None else self.count(name)

    def counts(self, name: str) -> Sequence[int]:
        value = self.body[name] or ()
        assert isinstance(value, list | tuple)
        return [int(part) for part in value]

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.body[name]
        assert isinstance(value, list | tuple)
        return tuple(str(part) for part in value)

    def parts(self, name: str) -> Sequence["_Body"]:
        value = self.body[name]
        assert isinstance(value, list | tuple)
        return [_Body(part) for part in value]
