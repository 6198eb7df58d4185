"""Drills as the journal tells them."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from safelight.core.errors import UsageError
from safelight.drill.facts import KINDS, Fact, Restored, Restoring, Sealed, from_entry
from safelight.drill.measurement import compare
from safelight.drill.state import DrillState, fold
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.site.outages import rehearsed_by

READ: Final = (*KINDS, FactKind.RECOVERY_STARTED, FactKind.RECOVERY_FINISHED, FactKind.EVIDENCE_SEALED)


class NoDrill(UsageError):
    """There is no drill of this number."""

    code: ClassVar[str] = "drill.none"
    hint: ClassVar[str] = "List them with: safelight drill list"


def drills_of(journal: Journal) -> dict[str, DrillState]:
    """Return every drill by its number, in the order in which they began."""
    states: dict[str, DrillState] = {}
    for fact in _facts(journal):
        states[fact.drill] = fold(states.get(fact.drill, DrillState()), fact)
    return states


def drill_of(journal: Journal, number: str | None) -> DrillState:
    """Return one drill; the last one when no number is given.

    Raises:
        NoDrill: there is none.
    """
    states = drills_of(journal)
    chosen = number or next(reversed(states), "")
    if chosen not in states:
        raise NoDrill(number=chosen)
    return states[chosen]


def drill_measures(journal: Journal, number: str) -> dict[str, Any] | None:
    """Return what the evidence tells of a drill; nothing before it was measured."""
    state = drills_of(journal).get(number)
    if state is None or state.started is None or state.measured is None:
        return None
    return {"drill": number, **measures_document(state), "not_executed": list(state.started.not_executed)}


def measures_document(state: DrillState) -> dict[str, Any]:
    """Return what was measured and how it compares, as JSON."""
    if state.started is None or state.measured is None:
        return {"tiers": [], "objectives": []}
    tiers = state.measured.tiers
    return {
        "tiers": [
            {
                "tier": one.tier,
                "studies": one.studies,
                "confirmed": one.confirmed,
                "rto_seconds": one.rto_seconds,
                "rpo_seconds": one.rpo_seconds,
            }
            for one in tiers
        ],
        "objectives": [
            {
                "side": one.objective.side,
                "of": one.objective.of,
                "rto_seconds": one.objective.rto_seconds,
                "rpo_seconds": one.objective.rpo_seconds,
                "rto": one.rto.value,
                "rpo": one.rpo.value,
            }
            for one in compare(tiers, state.started.objectives)
        ],
    }


def _facts(journal: Journal) -> Iterator[Fact]:
    of_recovery: dict[str, str] = {}
    measured: set[str] = set()
    for entry in journal.entries(kinds=READ):
        facts = entry.facts
        if entry.kind in KINDS:
            fact = from_entry(entry.kind, facts)
            if entry.kind == FactKind.DRILL_MEASURED:
                measured.add(fact.drill)
            yield fact
            continue
        recovery = str(facts["recovery"])
        if entry.kind == FactKind.RECOVERY_STARTED and (drill := rehearsed_by(entry)):
            of_recovery[recovery] = drill
            yield Restoring(drill, entry.at, recovery)
        elif entry.kind == FactKind.RECOVERY_FINISHED and recovery in of_recovery:
            yield Restored(of_recovery[recovery], entry.at)
        elif entry.kind == FactKind.EVIDENCE_SEALED and of_recovery.get(recovery) in measured:
            # A bundle from before the measurement does not tell of it; one exported again later says nothing new.
            measured.discard(of_recovery[recovery])
            yield Sealed(of_recovery[recovery], entry.at, str(facts["sha256"]))
