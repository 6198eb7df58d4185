"""Rules: what each is called and asks for, with its check; the fifty that come with Safelight, and those of a site."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from safelight.findings import rules_downtime, rules_ownership, rules_paths, rules_return
from safelight.findings.facts import Facts, Hit, Hits, Thing
from safelight.findings.source import Source, Verified, source_of


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


@dataclass(frozen=True, slots=True)
class Unusable:
    """A rule of the site, or a whole file of them, that cannot be used as it is written."""

    rule: str
    """Its name; that of the file where the file cannot be read."""
    file: str
    line: int
    trouble: str


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What a site added to our rules."""

    usable: tuple[Rule, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """In which file and line each rule begins that can be used."""


CHECKS: Final = {**rules_ownership.CHECKS, **rules_paths.CHECKS, **rules_downtime.CHECKS, **rules_return.CHECKS}


@cache
def built_in() -> tuple[Rule, ...]:
    """Return the fifty rules."""
    told = tomllib.loads((files("safelight.findings") / "rules.toml").read_text("utf-8"))
    return tuple(
        _rule(name, one, CHECKS[name], tuple(source_of(text) for text in one["sources"])) for name, one in told.items()
    )


def site_rules(files: Mapping[str, bytes]) -> SiteRules:
    """Read rules of a site by file name: TOML, each with a section to look at, what to look for, and what must hold.

    What cannot be used is told, and keeps no other rule from being asked.
    """
    usable: dict[str, Rule] = {}
    places: dict[str, tuple[str, int]] = {}
    unusable: list[Unusable] = []
    for file, content in files.items():
        try:
            told = tomllib.loads(content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            unusable.append(Unusable(file, file, _line_of_error(error, content), f"cannot be read as TOML: {error}"))
            continue
        text = content.decode("utf-8-sig")
        for name, one in told.items():
            line = _line_of(name, text)
            if name in CHECKS or name in usable:
                whose = "a rule that comes with Safelight" if name in CHECKS else "another rule of the site"
                unusable.append(Unusable(name, file, line, f"has the name of {whose}"))
                continue
            try:
                usable[name] = _rule(name, one, _declared(one), _own_sources(one))
            except KeyError as error:
                unusable.append(Unusable(name, file, line, f"`{error.args[0]}` is missing"))
            except (ValueError, TypeError, AttributeError) as error:
                unusable.append(Unusable(name, file, line, f"{type(error).__name__}: {error}"))
            else:
                places[name] = (file, line)
    return SiteRules(tuple(usable.values()), tuple(unusable), places)


def _line_of_error(error: Exception, content: bytes) -> int:
    if "end of document" in str(error):
        return content.count(b"\n") + 1
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else 1


def _line_of(name: str, text: str) -> int:
    """Return the line in which a rule begins; the first where its name is written in another way."""
    head = re.compile(rf"""\s*(\[\s*["']?{re.escape(name)}["']?\s*[].]|["']?{re.escape(name)}["']?\s*[.=])""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if head.match(line)), 1)


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
