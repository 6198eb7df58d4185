"""What laws and standards ask for, in our own words, and which rules look at it; honest about what was not read."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from safelight.findings.assessment import Assessment, State
from safelight.findings.rule import Rule
from safelight.findings.source import Verified


class Standing(StrEnum):
    """How a plan stands to a requirement."""

    MET = "met"
    """Every rule that looks at it was asked and found nothing."""
    DECIDED = "decided"
    """What was found is mitigated or accepted, and nothing is open."""
    OPEN = "open"
    NOT_CHECKED = "not checked"
    """No rule looks at it, or one that does has failed."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand of a source."""

    ref: str
    text: str
    verified: Verified
    rules: tuple[str, ...]


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


def judged(pack: RequirementPack, told: Assessment, rules: Iterable[Rule]) -> tuple[Judged, ...]:
    """Return how a plan stands to each requirement of a pack."""
    states: dict[str, set[State]] = {}
    for finding in told.findings:
        states.setdefault(finding.rule.id, set()).add(finding.state)
    failed = {rule for rule, _ in told.broken}
    reads = {rule.id: rule.reads for rule in rules}
    return tuple(_judged(one, states, failed, reads) for one in pack.requirements)


def _judged(
    asked: Requirement, states: Mapping[str, set[State]], failed: set[str], reads: Mapping[str, tuple[str, ...]]
) -> Judged:
    found = [rule for rule in asked.rules if rule in states]
    opened = [rule for rule in found if State.OPEN in states[rule]]
    standing = Standing.MET
    if opened:
        standing = Standing.OPEN
    elif not asked.rules or failed & set(asked.rules):
        standing = Standing.NOT_CHECKED
    elif found:
        standing = Standing.DECIDED
    sections = dict.fromkeys(section for rule in asked.rules for section in reads[rule])
    return Judged(asked, standing, tuple(sections), tuple(opened or found))


@cache
def requirement_packs() -> tuple[RequirementPack, ...]:
    """Return every pack that ships with Safelight."""
    folder = files("safelight.findings") / "requirements"
    found = sorted((one for one in folder.iterdir() if one.name.endswith(".toml")), key=lambda one: one.name)
    return tuple(_pack(one.name.removesuffix(".toml"), one.read_text("utf-8")) for one in found)


def _pack(name: str, text: str) -> RequirementPack:
    told = tomllib.loads(text)
    requirements = tuple(
        Requirement(one["ref"], one["text"], Verified(one["verified"]), tuple(one["rules"]))
        for one in told["requirement"]
    )
    return RequirementPack(name, told["source"], told["edition"], told["date"], requirements)
