"""Rules: what each is called and asks for, with its check; the fifty that come with Safelight, and those of a site."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Final

from safelight.core.errors import UsageError
from safelight.findings import rules_downtime, rules_ownership, rules_paths, rules_return
from safelight.findings.facts import Facts, Hit, Hits, Thing
from safelight.findings.source import Source, Verified, source_of


class BadSiteRule(UsageError):
    """A rule of the site cannot be used as it is written."""

    code: ClassVar[str] = "findings.bad-site-rule"
    hint: ClassVar[str] = "docs/rules.md has an example under `Rules of your own`."


class Severity(StrEnum):
    """How grave a finding is; never added up."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Kind(StrEnum):
    """Whether the two sides differ, or neither covers it."""

    RIFT = "rift"
    GAP = "gap"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: words for people, and a check."""

    id: str
    title: str
    kind: Kind
    severity: Severity
    points: tuple[str, ...]
    """The points of the founding article that it serves, A1 to A11."""
    reads: tuple[str, ...]
    """The sections of the plan that it looks at."""
    sources: tuple[Source, ...]
    it: str
    """What IT should do."""
    radiology: str
    """What radiology should do."""
    check: Callable[[Facts], Hits]


CHECKS: Final = {**rules_ownership.CHECKS, **rules_paths.CHECKS, **rules_downtime.CHECKS, **rules_return.CHECKS}


@cache
def built_in() -> tuple[Rule, ...]:
    """Return the fifty rules."""
    told = tomllib.loads((files("safelight.findings") / "rules.toml").read_text("utf-8"))
    return tuple(
        _rule(name, one, CHECKS[name], tuple(source_of(text) for text in one["sources"])) for name, one in told.items()
    )


def site_rules(name: str, text: str) -> tuple[Rule, ...]:
    """Read rules of a site: TOML, each with a section to look at, what to look for, and what must hold.

    Raises:
        BadSiteRule: naming the file and the rule.
    """
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSiteRule(file=name, trouble=str(error)) from error
    try:
        return tuple(_rule(rule, one, _declared(one), _own_sources(one)) for rule, one in told.items())
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadSiteRule(file=name, trouble=f"{type(error).__name__}: {error}") from error


def _own_sources(told: Mapping[str, Any]) -> tuple[Source, ...]:
    return tuple(Source(str(one), Verified.OF_THE_SITE) for one in told["sources"])


def _rule(name: str, told: Mapping[str, Any], check: Callable[[Facts], Hits], sources: tuple[Source, ...]) -> Rule:
    return Rule(
        id=name,
        title=str(told["title"]),
        kind=Kind(told["kind"]),
        severity=Severity(told["severity"]),
        points=tuple(told.get("points", ())),
        reads=tuple(told.get("reads", (told["section"],) if "section" in told else ())),
        sources=sources,
        it=str(told.get("it", "")),
        radiology=str(told.get("radiology", "")),
        check=check,
    )


def _declared(told: Mapping[str, Any]) -> Callable[[Facts], Hits]:
    section, where, must, says = (
        str(told["section"]),
        dict(told.get("where", {})),
        dict(told["must"]),
        str(told["says"]),
    )
    tests = {name: _test(name, wanted) for name, wanted in must.items()}

    def check(facts: Facts) -> Iterator[Hit]:
        for one in facts.each(section):
            chosen = all(_plain(one[name]) == wanted for name, wanted in where.items())
            if chosen and not all(test(one, facts) for test in tests.values()):
                yield Hit(f"{section}/{one.id}", says.replace("{id}", one.id))

    return check


def _test(name: str, wanted: Any) -> Callable[[Thing, Facts], bool]:
    if not isinstance(wanted, dict):
        return lambda one, _: _plain(one[name]) == wanted
    (verb, bound), *more = wanted.items()
    if more:
        raise ValueError(f"{name}: one condition at a time")
    if verb == "there":
        return lambda one, _: one.has(name) == bound
    if verb == "hours_max":
        return lambda one, _: one[name] is not None and one[name] <= timedelta(hours=float(bound))
    if verb == "days_old_max":
        return lambda one, facts: not facts.older(one[name], int(bound))
    if verb == "contains":
        return lambda one, _: bound in one[name]
    raise ValueError(f"{name}: no condition {verb}; there are there, hours_max, days_old_max, contains")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, StrEnum) else value
