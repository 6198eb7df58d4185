"""Small checks of requirements that no rule looks at: plain facts of the plan, and what they do not show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from safelight.findings.facts import Facts, known
from safelight.findings.rules_ownership import ARCHIVES

RESTORED_WITHIN: Final = timedelta(hours=72)
KEPT_DAYS: Final = 6 * 365 + 2
"""Six years, with the leap days that may lie in them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check says of one plan."""

    amiss: tuple[str, ...] = ()
    unknown: str = ""
    """Why it cannot say anything; empty where it can."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check, and which sections of the plan it reads."""

    ask: Callable[[Facts], Answer]
    reads: tuple[str, ...] = ()


def restored_within_72_hours(facts: Facts) -> Answer:
    """Clinical services whose systems are back later by estimate, and archives that no runbook restores."""
    clinical = {one.id: str(one["name"]) for one in facts.clinical}
    told = [one for one in facts.estimates if one.service in clinical]
    if not told:
        return Answer(unknown="no clinical service has a tolerance, so nothing is estimated")
    late = [
        f"{clinical[one.service]} takes {known(one.takes)} to come back, by estimate, in {one.disruption}"
        for one in told
        if one.takes is None or one.takes > RESTORED_WITHIN
    ]
    written = {name for one in facts.each("runbooks") if one["phase"] == "restore" for name in one["systems"]}
    archives = [one for one in facts.clinical_systems if one.kind in ARCHIVES]
    unwritten = [f"no runbook restores {one['name']}" for one in archives if one.id not in written]
    return Answer((*late, *unwritten))


def signed_versions_kept(facts: Facts) -> Answer:
    """Versions signed in the last six years of which the plan's folder no longer has what was signed."""
    recent = [one for one in facts.signed if not facts.older(one.on, KEPT_DAYS)]
    if not recent:
        return Answer(unknown="nobody signed a version in the last six years, so there is none to keep")
    return Answer(tuple(f"version {one.version}, signed on {one.on}, is not kept" for one in recent if not one.kept))


CHECKS: Final[Mapping[str, Check]] = {
    "restored-within-72-hours": Check(restored_within_72_hours, ("services", "systems", "runbooks")),
    "signed-versions-kept": Check(signed_versions_kept),
}
