"""The one number: how far back we would be thrown if the PACS were lost this second.

The number is never falsely zero. Where something that would show a loss has gone silent, the number is
unknown (``None``) and a finding says what is silent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from safelight.core.clock import to_text
from safelight.protection.finding import Finding, FindingCode

CLOCK_TOLERANCE: Final = timedelta(minutes=5)


class Cause(StrEnum):
    """What a part of the exposure comes from."""

    UNPACKED = "unpacked"
    """Received, durable in the landing log, not yet in a pack."""
    LACKING_COPIES = "lacking-copies"
    """Packed, but not yet verified in as many places as the plan demands."""
    CLAIMED_UNPROTECTED = "claimed-unprotected"
    """The source is known to hold it and we do not."""
    UNSEALED_JOURNAL = "unsealed-journal"
    CENSUS_AGE = "census-age"
    """What the source took in since the last complete census began may be unknown to us."""
    CENSUS_STALE = "census-stale"
    CENSUS_MISSING = "census-missing"
    FEED_AGE = "feed-age"
    FEED_SILENT = "feed-silent"
    CLOCK_JUMPED = "clock-jumped"
    """Something is recorded later than now: no age can be trusted."""
    NOTHING_KNOWN = "nothing-known"
    """No source is counted and no feed is heard: whatever is held, what the PACS holds beside it is not known."""
    RECEIVED_ONLY = "received-only"
    """No source is counted: the number is of what was received here, and of nothing else that a PACS may hold."""


@dataclass(frozen=True, slots=True)
class SourceWatch:
    """A source that a census counts."""

    name: str
    complete_census_began_at: datetime | None
    """When the last census that knew everything began; None when there never was one."""
    census_age_max: timedelta


@dataclass(frozen=True, slots=True)
class FeedWatch:
    """A feed that is expected to be heard: a PACS that forwards, a modality, an HL7 interface."""

    name: str
    heard_at: datetime | None
    watched_since: datetime
    silence_max: timedelta


@dataclass(frozen=True, slots=True)
class ExposureInputs:
    """Everything the exposure is computed from; a moment is None when there is no such thing."""

    oldest_unpacked_at: datetime | None = None
    oldest_lacking_copies_at: datetime | None = None
    oldest_claimed_unprotected_at: datetime | None = None
    oldest_unsealed_at: datetime | None = None
    sources: Sequence[SourceWatch] = ()
    feeds: Sequence[FeedWatch] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of the exposure: what, of whom, and since when."""

    cause: Cause
    subject: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        since = f" (since {to_text(self.since)})" if self.since else ""
        return _WORDS[self.cause].format(self.subject) + since


@dataclass(frozen=True, slots=True)
class Exposure:
    """What would be lost right now, in seconds; None when it cannot be known.

    Where no source is counted, the number is of what was received here; the first reason and a finding say so.
    """

    seconds: int | None
    because: tuple[Reason, ...]
    """Unknowns first, then what the number is of where it is not of everything, then the parts, the oldest first."""
    findings: tuple[Finding, ...]


def judge_exposure(inputs: ExposureInputs, now: datetime) -> Exposure:
    """Compute the exposure at ``now``."""
    known: list[Reason] = []
    unknown: list[Reason] = []
    for reason in (*_backlog(inputs), *_watched(inputs, now)):
        if reason.cause in _FINDING_OF:
            unknown.append(reason)
        elif reason.since is not None and reason.since > now + CLOCK_TOLERANCE:
            unknown.append(Reason(Cause.CLOCK_JUMPED, reason.subject or reason.cause.value, reason.since))
        else:
            known.append(reason)
    if not inputs.sources and not inputs.feeds:
        unknown.append(Reason(Cause.NOTHING_KNOWN))
    uncounted = [Reason(Cause.RECEIVED_ONLY)] if inputs.feeds and not inputs.sources else []
    known.sort(key=lambda reason: (reason.since or now, reason.cause, reason.subject))
    ages = [now - reason.since for reason in known if reason.since is not None]
    seconds = max((max(0, round(age.total_seconds())) for age in ages), default=0)
    return Exposure(
        seconds=None if unknown else seconds,
        because=(*unknown, *uncounted, *known),
        findings=tuple(_finding(reason) for reason in (*unknown, *uncounted)),
    )


def _backlog(inputs: ExposureInputs) -> Iterator[Reason]:
    parts = (
        (Cause.UNPACKED, inputs.oldest_unpacked_at),
        (Cause.LACKING_COPIES, inputs.oldest_lacking_copies_at),
        (Cause.CLAIMED_UNPROTECTED, inputs.oldest_claimed_unprotected_at),
        (Cause.UNSEALED_JOURNAL, inputs.oldest_unsealed_at),
    )
    for cause, since in parts:
        if since is not None:
            yield Reason(cause, since=since)


def _watched(inputs: ExposureInputs, now: datetime) -> Iterator[Reason]:
    for source in inputs.sources:
        began = source.complete_census_began_at
        if began is None:
            yield Reason(Cause.CENSUS_MISSING, source.name)
        elif now - began > source.census_age_max:
            yield Reason(Cause.CENSUS_STALE, source.name, began)
        else:
            yield Reason(Cause.CENSUS_AGE, source.name, began)
    for feed in inputs.feeds:
        # A feed that was never heard is given its allowed silence from the moment it was first watched,
        # and counts as old as that from the start.
        heard = feed.watched_since if feed.heard_at is None else feed.heard_at
        silent = now - heard > feed.silence_max
        yield Reason(Cause.FEED_SILENT if silent else Cause.FEED_AGE, feed.name, heard)


_FINDING_OF: Final = {
    Cause.CENSUS_MISSING: FindingCode.CENSUS_MISSING,
    Cause.CENSUS_STALE: FindingCode.CENSUS_STALE,
    Cause.FEED_SILENT: FindingCode.FEED_SILENT,
    Cause.CLOCK_JUMPED: FindingCode.CLOCK_JUMPED,
    Cause.NOTHING_KNOWN: FindingCode.SOURCE_UNKNOWN,
    Cause.RECEIVED_ONLY: FindingCode.SOURCE_UNKNOWN,
}
_WORDS: Final = {
    Cause.UNPACKED: "received and not yet in a pack",
    Cause.LACKING_COPIES: "packed and not yet verified in as many places as are demanded",
    Cause.CLAIMED_UNPROTECTED: "the source holds studies that are not here",
    Cause.UNSEALED_JOURNAL: "recorded in the journal and not yet sealed into the vault",
    Cause.CENSUS_AGE: "what {} took in after its last census began is not counted yet",
    Cause.CENSUS_STALE: "the last complete census of {} is too old",
    Cause.CENSUS_MISSING: "no census of {} was ever complete",
    Cause.FEED_AGE: "what {} did not send yet is not known",
    Cause.FEED_SILENT: "nothing was heard of {} for too long",
    Cause.CLOCK_JUMPED: "{} is recorded later than now: no age can be trusted",
    Cause.NOTHING_KNOWN: "no source is counted and nobody sends here: what the PACS holds is not known",
    Cause.RECEIVED_ONLY: "no source is counted: the number is of what was received here only, not of the PACS",
}


def _finding(reason: Reason) -> Finding:
    since = reason.since
    return Finding(
        _FINDING_OF[reason.cause],
        subject=reason.subject,
        facts={} if since is None else {"since": since.isoformat()},
    )
