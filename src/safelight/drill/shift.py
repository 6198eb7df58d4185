"""A shift on the downtime procedures without an outage: what must lie ready, and what the plan says is done."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from safelight.drill.facts import Step
from safelight.plan.practice import Procedure
from safelight.plan.words import Disruption, Phase, Side

WORKED: Final = (Phase.CONTAIN, Phase.DOWNTIME, Phase.ANALOG)
"""Phases of procedures that a shift can work by while the systems are there."""


class Check(StrEnum):
    """What Safelight looks at by itself."""

    WORKLIST = "worklist"
    NUMBERS = "numbers"


READY: Final = (
    Step("worklist", "The standby worklist answers a modality's query", Side.IT.value, check=Check.WORKLIST),
    Step("numbers", "Patient and accession numbers are reserved, with some left", Side.IT.value, check=Check.NUMBERS),
    Step("paper-forms", "The paper forms are where the plan says, enough for a shift", Side.RADIOLOGY.value),
    Step("labels", "Labels of its own block lie beside every modality", Side.RADIOLOGY.value),
    Step("dictation", "A report is dictated and reaches the ward without the RIS", Side.RADIOLOGY.value),
)


def shift_steps(procedures: Iterable[Procedure], disruption: Disruption) -> tuple[Step, ...]:
    """Return what a shift goes through: what must lie ready, then each step of the procedures that apply."""
    return (*READY, *_steps(procedures, disruption))


def _steps(procedures: Iterable[Procedure], disruption: Disruption) -> Iterator[Step]:
    for one in procedures:
        if one.phase in WORKED and (not one.disruptions or disruption in one.disruptions):
            for number, step in enumerate(one.steps, 1):
                yield Step(f"{one.id}-{number}", f"{one.name}: {step.do}", one.side.value, step.who or "")
