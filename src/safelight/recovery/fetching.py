"""Fetching a study back, so that it is known what the target has: what it says it stored or lists proves nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from safelight.core.errors import PeerError
from safelight.recovery.facts import InstanceNote, Level
from safelight.recovery.ports import (
    Compare,
    Comparison,
    HeldInstance,
    Target,
    TargetUnreachable,
    Version,
    WayShut,
)

SINGLE_FETCHES_MAX: Final = 64
CLAIM_WAY: Final = "find"


@dataclass(slots=True)
class Seen:
    """What came back of a study so far, each instance compared as it came."""

    wanted: dict[str, HeldInstance]
    compare: Compare
    levels: dict[str, Level] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    coerced: set[str] = field(default_factory=set)
    notes: list[InstanceNote] = field(default_factory=list)
    size_bytes: int = 0

    def receive(self, theirs: Version) -> None:
        """Compare what came."""
        ours = self.wanted.get(theirs.sop_instance)
        if ours is None:
            # A target may hold more than we sent; that is for reconciliation. It does not confirm anything.
            return
        verdict: Comparison = self.compare(
            Version(ours.sop_class, ours.sop_instance, ours.transfer_syntax, ours.open()), theirs
        )
        level = Level(verdict.level)
        if theirs.sop_instance in self.levels:
            # Given twice: the target must give the right one each time.
            level = min(level, self.levels[theirs.sop_instance])
        else:
            self.size_bytes += theirs.data_set.size
        self.levels[theirs.sop_instance] = level
        self.tags.update(verdict.differing)
        self.coerced.update(verdict.coerced)
        if level < Level.ATTRIBUTES:
            detail = "undecodable" if verdict.undecodable else ",".join(sorted(verdict.differing)[:20])
            self.notes.append(InstanceNote(theirs.sop_instance, f"equal-at-{level.name.lower()}", detail))

    def claimed(self, instance: str) -> None:
        """Note what a query names and nobody fetched."""
        if instance in self.wanted:
            self.levels[instance] = Level.UIDS

    def missing(self) -> list[str]:
        """Return what neither came nor was named."""
        return [instance for instance in self.wanted if instance not in self.levels]


def fetch_back(target: Target, study: str, seen: Seen, ways: Sequence[str]) -> str:
    """Fetch the study back, the best way first; return the way that gave something, or that only claims."""
    broken: PeerError | None = None
    silent = ""
    for way in ways:
        if way == CLAIM_WAY:
            continue
        error = _fetch_by(target, study, seen, way)
        if seen.levels:
            return way
        if error is None:
            silent = silent or way
        broken = error or broken
    if silent:
        # It answered and gave nothing of the study: that is lost, not unknown.
        return silent
    if broken is not None and not isinstance(broken, WayShut):
        raise broken
    for instance in target.claims(study, list(seen.wanted.values())):
        seen.claimed(instance)
    return CLAIM_WAY


def _fetch_by(target: Target, study: str, seen: Seen, way: str) -> PeerError | None:
    """Fetch all at once, then by name what did not come.

    Some archives fail the whole retrieve for one lost file, and some answer success before everything was sent:
    only an instance that does not come when it is asked for alone is missing. Of very many some are asked for,
    spread over all of them, and the others too as soon as one of these comes. Returns what broke the retrieve, if
    that may be why instances did not come.
    """
    broken = _try_fetch(target, study, list(seen.wanted.values()), seen, way)
    if isinstance(broken, WayShut):
        return broken
    absent = [seen.wanted[instance] for instance in seen.missing()]
    if len(seen.wanted) == 1 and broken is None:
        return None
    step = max(1, -(-len(absent) // SINGLE_FETCHES_MAX))
    sample = absent[::step]
    for one in sample:
        broken = _try_fetch(target, study, [one], seen, way) or broken
    if step > 1 and any(one.sop_instance in seen.levels for one in sample):
        for number, one in enumerate(absent):
            if number % step:
                broken = _try_fetch(target, study, [one], seen, way) or broken
    return broken


def _try_fetch(target: Target, study: str, wanted: Sequence[HeldInstance], seen: Seen, way: str) -> PeerError | None:
    try:
        target.fetch_back(study, wanted, way, seen.receive)
    except TargetUnreachable:
        raise
    except PeerError as error:
        return error
    return None
