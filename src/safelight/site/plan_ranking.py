"""Where systems stand in IT's tiers, for programs and people."""

from typing import Any

from safelight.core.span import span_text
from safelight.plan.model import Plan
from safelight.plan.ranking import Ranked, ranking, silent, standings


def ranking_document(plan: Plan) -> dict[str, Any]:
    """Return the systems by tier with who bought, runs and answers for them, and how each PACS is ranked."""
    names = {one.id: one.name for one in plan.people}
    ranked = ranking(plan)
    return {
        "systems": [_system(one, names) for one in ranked],
        "pacs_standing": [
            {
                **_placed(one.pacs),
                "after": [_placed(other) for other in one.after],
                "beside": [_placed(other) for other in one.beside],
                "before": [_placed(other) for other in one.before],
            }
            for one in standings(ranked)
        ],
        "without_tolerance": [{"service": one.id, "name": one.name} for one in silent(plan)],
    }


def _placed(one: Ranked) -> dict[str, Any]:
    return {"system": one.system.id, "name": one.system.name, "tier": one.system.tier}


def _system(one: Ranked, names: dict[str, str]) -> dict[str, Any]:
    system, need = one.system, one.need
    return {
        **_placed(one),
        "kind": str(system.kind),
        "in_it_plan": system.in_it_plan,
        "bought_by": system.bought_by,
        "staffed_by": system.staffed_by,
        "it_owner": names.get(system.it_owner or ""),
        "radiology_owner": names.get(system.radiology_owner or ""),
        "most_urgent": {"service": need.service.id, "name": need.service.name, "bears": span_text(need.bears)}
        if need
        else None,
    }
