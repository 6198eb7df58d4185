"""Asking every rule, and saying what stands where: open, mitigated or accepted. Never one number for all."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from safelight.findings.facts import Facts
from safelight.findings.requirement_check import CHECKS, Answer
from safelight.findings.rule import Kind, Rule, Severity, Unusable


class State(StrEnum):
    """What was decided about a finding."""

    OPEN = "open"
    MITIGATED = "mitigated"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found about one subject."""

    rule: Rule
    subject: str
    what: str
    services: tuple[str, ...]
    state: State
    owner: str = ""
    until: date | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class ServiceStanding:
    """What stands in the way of one clinical service."""

    service: str
    first: Finding | None
    """The gravest open finding of this service, in the order of the rules."""
    first_breach: timedelta | None
    """When a clinical limit is first exceeded, as simulated; None where nothing was simulated or nothing is."""
    simulated: bool


@dataclass(frozen=True, slots=True)
class Assessment:
    """What all rules say of a plan."""

    findings: tuple[Finding, ...]
    services: tuple[ServiceStanding, ...]
    broken: tuple[tuple[str, str], ...]
    """Rules that failed or cannot be used, and how; the others were asked all the same."""
    checks: Mapping[str, Answer]
    """What the checks of requirements say that no rule looks at."""

    @property
    def counts(self) -> dict[str, int]:
        """Open findings by severity."""
        counted = Counter(one.rule.severity for one in self.findings if one.state == State.OPEN)
        return {str(severity): counted[severity] for severity in Severity}

    @property
    def rifts(self) -> tuple[Finding, ...]:
        """Open findings in which the two sides differ."""
        return tuple(one for one in self.findings if one.rule.kind == Kind.RIFT and one.state == State.OPEN)


def assess(facts: Facts, rules: Iterable[Rule], unusable: Iterable[Unusable] = ()) -> Assessment:
    """Ask every rule; one that fails or cannot be used is told and does not keep the others from being asked."""
    findings: list[Finding] = []
    broken = [(one.rule, f"{one.file}, line {one.line}: {one.trouble}") for one in unusable]
    for rule in rules:
        try:
            found = [_finding(facts, rule, hit.subject, hit.what, hit.services) for hit in rule.check(facts)]
        except Exception as error:  # noqa: BLE001 - rules are many hands' work: one that fails must not hide what others see
            broken.append((rule.id, f"{type(error).__name__}: {error}"))
        else:
            findings += dict.fromkeys(found)
    order = list(Severity)
    findings.sort(key=lambda one: (one.state != State.OPEN, order.index(one.rule.severity), one.rule.id, one.subject))
    standing = tuple(_standing(facts, service.id, findings) for service in facts.clinical)
    checks = {name: check.ask(facts) for name, check in CHECKS.items()}
    return Assessment(tuple(findings), standing, tuple(broken), checks)


def _finding(facts: Facts, rule: Rule, subject: str, what: str, services: tuple[str, ...]) -> Finding:
    for one in facts.each("treatments"):
        if (one["rule"], one["subject"]) == (rule.id, subject) and one["expires_on"] >= facts.today:
            return Finding(
                rule, subject, what, services, State(one["state"]), one["owner"], one["expires_on"], one["why"]
            )
    return Finding(rule, subject, what, services, State.OPEN)


def _standing(facts: Facts, service: str, findings: Sequence[Finding]) -> ServiceStanding:
    first = next((one for one in findings if service in one.services and one.state == State.OPEN), None)
    impact = facts.impact.get(service)
    return ServiceStanding(service, first, impact.first_breach if impact else None, impact is not None)
