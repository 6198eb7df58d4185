"""Signs that a source is being encrypted or emptied: much content changed, or much gone, at once.

They prove nothing. They are told, and while one is open nothing held expires.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from safelight.protection.finding import Finding, FindingCode


@dataclass(frozen=True, slots=True)
class SignSettings:
    """How much is too much; both the number and the share must be reached."""

    conflicts_min: int = 50
    """Instances that came again with other content, within the period looked at."""
    conflicts_share: float = 0.01
    """Of the instances that arrived in that period."""
    vanished_min: int = 20
    """Studies that the source claimed at the census before and claims no more."""
    vanished_share: float = 0.005
    """Of the studies that it claimed then."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of one source within a period; a count that nobody took is None."""

    source: str
    arrived: int
    conflicts: int
    claimed_before: int | None = None
    vanished: int | None = None


def ransomware_signs(observed: Sequence[Observed], settings: SignSettings) -> tuple[Finding, ...]:
    """Return a finding for each sign; expiry stands still while there is one."""
    return tuple(finding for one in observed for finding in _signs(one, settings))


def _signs(one: Observed, settings: SignSettings) -> Iterator[Finding]:
    if one.conflicts >= max(settings.conflicts_min, settings.conflicts_share * one.arrived):
        yield Finding(FindingCode.MASS_CHANGE, one.source, {"conflicts": one.conflicts, "arrived": one.arrived})
    if one.vanished is None or one.claimed_before is None:
        return
    if one.vanished >= max(settings.vanished_min, settings.vanished_share * one.claimed_before):
        facts = {"vanished": one.vanished, "claimed_before": one.claimed_before}
        yield Finding(FindingCode.MASS_DELETION, one.source, facts)
