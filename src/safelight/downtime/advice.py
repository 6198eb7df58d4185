"""Advice from probes: what seems to be away or back. Only a person says that it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Self

from safelight.core.errors import UsageError
from safelight.downtime.outage import Scope
from safelight.downtime.phase import IN_SERVICE, Phase


class BadProbe(UsageError):
    """A probe is written as SCOPE WAY TARGET."""

    code: ClassVar[str] = "downtime.bad-probe"
    hint: ClassVar[str] = (
        "For example: pacs echo PACS@10.0.0.5:104; pacs find PACS@10.0.0.5:104; hl7-gateway mllp 10.0.0.6:2575; "
        "viewers http https://viewer.example/login"
    )


class ProbeWay(StrEnum):
    """How a system is asked whether it works."""

    ECHO = "echo"
    """C-ECHO over an association of its own."""
    FIND = "find"
    """C-FIND of today's studies: an archive may answer an echo while its database is gone."""
    MLLP = "mllp"
    """A connection to a listener for messages; nothing is sent, since anything sent would be filed."""
    HTTP = "http"
    """GET of an address; any answer below 500 counts, since a login page is one."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to one system."""

    scope: Scope
    way: ProbeWay
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SCOPE WAY TARGET``.

        Raises:
            BadProbe: a part is missing or unknown.
        """
        parts = text.split()
        if len(parts) != 3 or parts[0].lower() not in list(Scope) or parts[1].lower() not in list(ProbeWay):
            raise BadProbe(parts=len(parts), scope=parts[0][:32] if parts else "")
        return cls(Scope(parts[0].lower()), ProbeWay(parts[1].lower()), parts[2])


class Verdict(StrEnum):
    """How a system behaved."""

    UP = "up"
    SLOW = "slow"
    """It answered so late that people wait for it: counts as away."""
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of a probe."""

    probe: Probe
    seconds: float
    trouble: str = ""
    """The code of what went wrong; empty when it answered."""

    def verdict(self, slow_seconds: float) -> Verdict:
        """Judge it."""
        if self.trouble:
            return Verdict.DOWN
        return Verdict.SLOW if self.seconds >= slow_seconds else Verdict.UP


class Word(StrEnum):
    """What a person is advised to do about a scope."""

    DECLARE = "declare"
    """It is said to work, and a probe found it down or slow."""
    END = "end"
    """It is said to be away, and every probe found it up."""
    NOTHING = "nothing"


def advise(phases: Mapping[Scope, Phase], probed: Sequence[Probed], slow_seconds: float) -> dict[Scope, Word]:
    """Compare what people said with what probes found, for each scope that was probed."""
    advice = {}
    for scope in dict.fromkeys(one.probe.scope for one in probed):
        works = all(one.verdict(slow_seconds) is Verdict.UP for one in probed if one.probe.scope is scope)
        is_said_to_work = phases[scope] in IN_SERVICE
        advice[scope] = Word.NOTHING if works is is_said_to_work else Word.END if works else Word.DECLARE
    return advice
