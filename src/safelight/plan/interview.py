"""The questions with which a plan begins, and the plan that the answers make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from safelight.plan.source import quoted

HEAD: Final = "# yaml-language-server: $schema=plan.schema.json\n"
SERVICES: Final = {
    "stroke": ("Stroke", "stroke", "1 h"),
    "trauma": ("Trauma", "trauma", "1 h"),
    "emergency": ("Emergency department", "ed", "2 h"),
    "intensive-care": ("Intensive care", "icu", "4 h"),
    "theatre": ("Operating theatres", "or", "2 h"),
    "inpatients": ("Inpatients", "inpatient", "12 h"),
    "outpatients": ("Outpatients", "outpatient", "24 h"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question, with what is usual."""

    key: str
    text: str
    usual: str
    choices: tuple[str, ...] = ()


QUESTIONS: Final = (
    Question("hospital", "Which hospital?", "Our hospital"),
    Question("it_name", "Who coordinates recovery at IT?", "IT recovery coordinator"),
    Question("pacs_name", "Who administers the PACS?", "PACS administrator"),
    Question("pacs_side", "For which side does the PACS administrator work?", "radiology", ("it", "radiology")),
    Question("deputy_name", "Who does so when that person is away? (- for nobody)", "-"),
    Question("bought_by", "Who bought the PACS?", "radiology", ("it", "radiology")),
    Question("in_it_plan", "Is the PACS in IT's own disaster-recovery plan?", "no", ("yes", "no")),
    Question("tier", "In which of IT's recovery tiers is the PACS? (1 comes first)", "3", ("1", "2", "3", "4", "5")),
    Question("horizon", "How long an outage shall the plan carry through?", "28 d"),
    Question("planned_outage", "How long must modalities and stock last without help?", "24 h"),
    Question("rto", "Within what time does IT say the PACS is back after a hardware failure?", "24 h"),
    Question("rpo", "How much time of data may be lost then, says IT?", "24 h"),
)
SERVICE_QUESTIONS: Final = tuple(
    Question(f"rto_{key}", f"{name}: how long can it bear without PACS? (- if you have none)", usual)
    for key, (name, _, usual) in SERVICES.items()
)


def plan_texts(answers: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a plan made of the answers, to be completed by hand."""
    return {"plan.yaml": _plan(answers), "systems.yaml": _systems(answers), "services.yaml": _services(answers)}


def _plan(told: Mapping[str, str]) -> str:
    deputy = told["deputy_name"] != "-"
    people = [
        f"  - {{id: it-coordinator, name: {quoted(told['it_name'])}, side: it}}",
        f"  - {{id: pacs-administrator, name: {quoted(told['pacs_name'])}, side: {told['pacs_side']}}}",
    ]
    if deputy:
        people.append(f"  - {{id: pacs-deputy, name: {quoted(told['deputy_name'])}, side: {told['pacs_side']}}}")
    deputy_field = "\n    deputy: pacs-deputy" if deputy else ""
    return f"""{HEAD}plan:
  title: Recovery of imaging
  hospital: {quoted(told["hospital"])}
  version: "0.1"
  horizon: {told["horizon"]}
  planned_outage: {told["planned_outage"]}

people:
{chr(10).join(people)}

roles:
  - {{id: recovery-coordinator, kind: recovery-coordinator, side: it, person: it-coordinator}}
  - id: pacs-administrator
    kind: pacs-administrator
    side: {told["pacs_side"]}
    person: pacs-administrator{deputy_field}

sites:
  - {{id: main, name: Main building, power: feed-a, fabric: core-a, radiology: yes}}
"""


def _systems(told: Mapping[str, str]) -> str:
    owner = "radiology_owner" if told["pacs_side"] == "radiology" else "it_owner"
    return f"""{HEAD}systems:
  - {{id: directory, name: Directory, kind: directory, site: main, it_owner: it-coordinator, in_it_plan: yes, tier: 1}}
  - id: engine
    name: Interface engine
    kind: interface-engine
    site: main
    it_owner: it-coordinator
    in_it_plan: yes
  - {{id: finance, name: Finance, kind: business, site: main, in_it_plan: yes, tier: 2, needs: [directory]}}
  - id: nurse-scheduling
    name: Nurse scheduling
    kind: business
    site: main
    in_it_plan: yes
    tier: 2
    needs: [directory]
  - id: pacs
    name: PACS
    kind: pacs
    site: main
    {owner}: pacs-administrator
    in_it_plan: {told["in_it_plan"]}
    tier: {told["tier"]}
    bought_by: {told["bought_by"]}
    staffed_by: {told["pacs_side"]}
    needs: [directory, engine]
    capabilities:
      - {{disruption: hardware, rto: {told["rto"]}, rpo: {told["rpo"]}}}
"""


def _services(told: Mapping[str, str]) -> str:
    lines = [f"{HEAD}services:"]
    for key, (name, kind, _) in SERVICES.items():
        if (rto := told[f"rto_{key}"]) != "-":
            lines.append(
                f"  - {{id: {key}, name: {name}, kind: {kind}, systems: [pacs],"
                f" tolerances: [{{disruption: hardware, rto: {rto}}}]}}"
            )
    lines.append("  - {id: payroll, name: Finance, kind: business, systems: [finance]}")
    lines.append("  - {id: rostering, name: Nurse scheduling, kind: business, systems: [nurse-scheduling]}")
    return "\n".join(lines) + "\n"
