"""What laws and standards ask for, in our own words, and which rules look at it; honest about what was not read."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from safelight.findings.assessment import Assessment, State
from safelight.findings.requirement_check import CHECKS, Answer
from safelight.findings.rule import Rule
from safelight.findings.source import Verified


class Standing(StrEnum):
    """How a plan stands to a requirement."""

    MET = "met"
    """Every rule and check that looks at it was asked and found nothing."""
    DECIDED = "decided"
    """What was found is mitigated or accepted, and nothing is open."""
    OPEN = "open"
    NOT_CHECKED = "not checked"
    """Nothing looks at it, a rule that does has failed, or a check has nothing to look at."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand of a source."""

    ref: str
    text: str
    verified: Verified
    rules: tuple[str, ...]
    check: str = ""
    """The small check that looks at it, where a plain fact of the plan answers it."""
    beyond: str = ""
    """What rules and check do not see of it."""


@dataclass(frozen=True, slots=True)
class RequirementPack:
    """The demands of one source, in one edition."""

    id: str
    source: str
    edition: str
    date: str
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A requirement before one plan."""

    requirement: Requirement
    standing: Standing
    reads: tuple[str, ...]
    """The sections of the plan that serve it."""
    found_by: tuple[str, ...]
    """The rules whose findings stand in its way, open ones or decided ones."""
    says: tuple[str, ...]
    """What its check found, or why it was not checked."""


def judged(pack: RequirementPack, told: Assessment, rules: Iterable[Rule]) -> tuple[Judged, ...]:
    """Return how a plan stands to each requirement of a pack."""
    states: dict[str, set[State]] = {}
    for finding in told.findings:
        states.setdefault(finding.rule.id, set()).add(finding.state)
    reads = {rule.id: rule.reads for rule in rules}
    return tuple(_judged(one, states, told, reads) for one in pack.requirements)


def _judged(
    asked: Requirement, states: Mapping[str, set[State]], told: Assessment, reads: Mapping[str, tuple[str, ...]]
) -> Judged:
    found = [rule for rule in asked.rules if rule in states]
    opened = [rule for rule in found if State.OPEN in states[rule]]
    answer = told.checks[asked.check] if asked.check else Answer()
    unasked = [f"{rule} failed: {trouble}" for rule, trouble in told.broken if rule in asked.rules]
    unasked += [answer.unknown] if answer.unknown else []
    unasked += [] if asked.rules or asked.check else ["no rule looks at it"]
    standing = Standing.MET
    if opened or answer.amiss:
        standing = Standing.OPEN
    elif unasked:
        standing = Standing.NOT_CHECKED
    elif found:
        standing = Standing.DECIDED
    of_check = CHECKS[asked.check].reads if asked.check else ()
    sections = dict.fromkeys([*(section for rule in asked.rules for section in reads[rule]), *of_check])
    return Judged(asked, standing, tuple(sections), tuple(opened or found), (*answer.amiss, *unasked))


@cache
def requirement_packs() -> tuple[RequirementPack, ...]:
    """Return every pack that ships with Safelight."""
    folder = files("safelight.findings") / "requirements"
    found = sorted((one for one in folder.iterdir() if one.name.endswith(".toml")), key=lambda one: one.name)
    return tuple(_pack(one.name.removesuffix(".toml"), one.read_text("utf-8")) for one in found)


def _pack(name: str, text: str) -> RequirementPack:
    told = tomllib.loads(text)
    requirements = tuple(
        Requirement(
            one["ref"],
            one["text"],
            Verified(one["verified"]),
            tuple(one["rules"]),
            one.get("check", ""),
            one.get("beyond", ""),
        )
        for one in told["requirement"]
    )
    return RequirementPack(name, told["source"], told["edition"], told["date"], requirements)
