"""The questions with which a plan begins, and the plan that the answers make."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from safelight.core.span import read_span
from safelight.plan.source import quoted

HEAD: Final = "# yaml-language-server: $schema=plan.schema.json\n"
SKIPPED: Final = "-"
"""The answer of whoever does not know, or has none."""
ROOMS: Final = ("computer-room", "radiology")
SIDES: Final = ("it", "radiology")


@dataclass(frozen=True, slots=True)
class Question:
    """One question, with what is usual."""

    key: str
    text: str
    usual: str
    choices: tuple[str, ...] = ()
    reads: Callable[[str], object] = str
    """Raises ValueError for what is no answer."""
    skip: str = ""
    """What a dash says; empty where there must be an answer."""
    after: str = ""
    """Asked only when this other question was answered."""

    @property
    def asked(self) -> str:
        """The question as it is put."""
        return f"{self.text} ({SKIPPED} {self.skip})" if self.skip else self.text

    def read(self, told: str) -> str:
        """Return the answer.

        Raises:
            ValueError: it is none.
        """
        answer = told.strip()
        if not answer or (answer == SKIPPED and not self.skip) or (self.choices and answer not in self.choices):
            raise ValueError(told)
        if answer != SKIPPED:
            self.reads(answer)
        return answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A service that is asked what it bears: usual RTO, MTD and RPO."""

    id: str
    name: str
    kind: str
    rto: str
    mtd: str
    rpo: str
    systems: str = "pacs"


CLINICAL: Final = (
    Asked("stroke", "Stroke", "stroke", "1 h", "8 h", "0 min"),
    Asked("trauma", "Trauma", "trauma", "1 h", "8 h", "0 min"),
    Asked("emergency", "Emergency department", "ed", "2 h", "12 h", "0 min"),
    Asked("intensive-care", "Intensive care", "icu", "4 h", "24 h", "0 min"),
    Asked("theatre", "Operating theatres", "or", "2 h", "12 h", "0 min"),
    Asked("inpatients", "Inpatients", "inpatient", "12 h", "48 h", "4 h"),
    Asked("outpatients", "Outpatients", "outpatient", "24 h", "3 d", "24 h"),
)
BUSINESS: Final = (
    Asked("payroll", "Finance", "business", "7 d", "14 d", "24 h", "finance"),
    Asked("rostering", "Nurse scheduling", "business", "48 h", "3 d", "24 h", "nurse-scheduling"),
)
OTHERS: Final = {
    # System: its name, its kind, IT's usual tier, RTO, RPO and time to rebuild it, what it needs.
    "directory": ("Directory", "directory", "1", "4 h", "24 h", "4 h", ""),
    "engine": ("HL7 gateway", "interface-engine", "2", "8 h", "1 h", "4 h", "directory"),
    "finance": ("Finance", "business", "2", "24 h", "24 h", "8 h", "directory"),
    "nurse-scheduling": ("Nurse scheduling", "business", "2", "24 h", "24 h", "8 h", "directory"),
}


def _number(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise ValueError(text)
    return number


def _tier(key: str, name: str, usual: str) -> Question:
    return Question(
        f"{key}_tier", f"{name}: in which of IT's recovery tiers? (1 comes first)", usual, ("1", "2", "3", "4", "5")
    )


def _span(key: str, text: str, usual: str, skip: str = "if nobody knows", after: str = "") -> Question:
    return Question(key, text, usual, reads=read_span, skip=skip, after=after)


def _of_system(key: str, name: str, tier: str, rto: str, rpo: str, rebuild: str) -> Iterator[Question]:
    yield _tier(key, name, tier)
    yield _span(f"{key}_rto", f"{name}: within what time is it back after a hardware failure, says IT?", rto)
    yield _span(f"{key}_rpo", f"{name}: how much time of data may be lost then, says IT?", rpo)
    yield _span(f"{key}_rebuild", f"{name}: how long do hardware, system and configuration take?", rebuild)


def _of_service(one: Asked) -> Iterator[Question]:
    none = "if you have none" if one in CLINICAL else "if nobody knows"
    yield _span(f"{one.id}_rto", f"{one.name}: how long can it bear without its systems?", one.rto, none)
    yield _span(
        f"{one.id}_mtd", f"{one.name}: how long until all that piled up is done?", one.mtd, after=f"{one.id}_rto"
    )
    yield _span(f"{one.id}_rpo", f"{one.name}: how much time of data may it lose?", one.rpo, after=f"{one.id}_rto")


TOPICS: Final[Mapping[str, tuple[Question, ...]]] = {
    "The hospital and its people": (
        Question("hospital", "Which hospital?", "Our hospital"),
        Question("it_name", "Who coordinates recovery at IT?", "IT recovery coordinator"),
        Question("pacs_name", "Who administers the PACS?", "PACS administrator"),
        Question("pacs_side", "For which side does the PACS administrator work?", "radiology", SIDES),
        Question("deputy_name", "Who does so when that person is away?", SKIPPED, skip="for nobody"),
        Question("horizon", "How long an outage shall the plan carry through?", "28 d", reads=read_span),
        Question("planned_outage", "How long must modalities and stock last without help?", "24 h", reads=read_span),
    ),
    "How a downtime begins": (
        Question(
            "criterion", "On what sign is a downtime declared?", "PACS is away for 15 min without an expected end"
        ),
        Question("detect", "How long until somebody notices and is believed?", "30 min", reads=read_span),
        Question("declare", "And from then until it is declared?", "30 min", reads=read_span),
    ),
    "The PACS": (
        Question("bought_by", "Who bought the PACS?", "radiology", SIDES),
        Question("in_it_plan", "Is the PACS in IT's own disaster-recovery plan?", "no", ("yes", "no")),
        Question("room", "Where does the PACS stand?", "computer-room", ROOMS),
        *_of_system("pacs", "PACS", "3", "24 h", "24 h", "8 h"),
        Question("medium", "On what is the copy that its images come back from?", "tape", skip="if there is none"),
        Question("copy_room", "Where does that copy lie?", "computer-room", ROOMS, after="medium"),
        Question("same_people", "Can who administers the PACS delete it too?", "yes", ("yes", "no"), after="medium"),
        Question("every", "How often is it made?", "24 h", reads=read_span, after="medium"),
        Question("acquire", "How long until it is at hand: fetched, mounted?", "1 h", reads=read_span, after="medium"),
        Question(
            "size", "How many gigabytes must be back before the PACS is of use?", "500", reads=_number, after="medium"
        ),
        Question(
            "rate",
            "How many gigabytes an hour come back from it, measured?",
            SKIPPED,
            reads=_number,
            skip="if nobody measured it: a published rate is taken",
            after="medium",
        ),
        _span("consistency", "How long until its database and archive agree?", "1 h", after="medium"),
        _span("validation", "And until a technologist and a radiologist said that it works?", "1 h", after="medium"),
    ),
    "What it needs, and what competes with it for recovery": tuple(
        question
        for key, (name, _, tier, rto, rpo, rebuild, _) in OTHERS.items()
        for question in _of_system(key, name, tier, rto, rpo, rebuild)
    ),
    "What services bear": (
        *(question for one in (*CLINICAL, *BUSINESS) for question in _of_service(one)),
        Question(
            "work_recovery",
            "How long does radiology need for what piled up, once systems are back?",
            "4 h",
            reads=read_span,
        ),
    ),
}
QUESTIONS: Final = tuple(question for questions in TOPICS.values() for question in questions)


def is_asked(question: Question, answers: Mapping[str, str]) -> bool:
    """Return whether a question comes up after these answers."""
    return not question.after or answers[question.after] != SKIPPED


def left_out(answers: Mapping[str, str]) -> list[Question]:
    """Return what was asked and skipped."""
    return [one for one in QUESTIONS if answers.get(one.key) == SKIPPED]


def plan_texts(answers: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a plan made of the answers, to be completed by hand."""
    return {"plan.yaml": _plan(answers), "systems.yaml": _systems(answers), "services.yaml": _services(answers)}


def _plan(told: Mapping[str, str]) -> str:
    deputy = told["deputy_name"] != SKIPPED
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

declaration:
  criteria: [{quoted(told["criterion"])}]
  declarer: [it-coordinator]
  detect: {told["detect"]}
  declare: {told["declare"]}

people:
{chr(10).join(people)}

roles:
  - {{id: recovery-coordinator, kind: recovery-coordinator, side: it, person: it-coordinator}}
  - id: pacs-administrator
    kind: pacs-administrator
    side: {told["pacs_side"]}
    person: pacs-administrator{deputy_field}

sites:
  - {{id: computer-room, name: Computer room, power: feed-a, fabric: core-a}}
  - {{id: radiology, name: Radiology, power: feed-a, fabric: core-a, radiology: yes}}
"""


def _systems(told: Mapping[str, str]) -> str:
    lines = [f"{HEAD}systems:"]
    for key, (name, kind, *_, needs) in OTHERS.items():
        lines += [f"  - id: {key}", f"    name: {name}", f"    kind: {kind}", "    site: computer-room"]
        # Whose a system of the business is was not asked.
        lines += [] if kind == "business" else ["    it_owner: it-coordinator"]
        lines += ["    in_it_plan: yes", f"    tier: {told[f'{key}_tier']}"]
        lines += [f"    needs: [{needs}]"] if needs else []
        lines += _claimed(told, key)
        if (rebuild := told[f"{key}_rebuild"]) != SKIPPED:
            lines += ["    recovery:", f"      - {{disruption: hardware, rebuild: {rebuild}}}"]
    owner = "radiology_owner" if told["pacs_side"] == "radiology" else "it_owner"
    lines += ["  - id: pacs", "    name: PACS", "    kind: pacs", f"    site: {told['room']}"]
    lines += [f"    {owner}: pacs-administrator", f"    in_it_plan: {told['in_it_plan']}"]
    lines += [f"    tier: {told['pacs_tier']}", f"    bought_by: {told['bought_by']}"]
    lines += [f"    staffed_by: {told['pacs_side']}", "    needs: [directory, engine]", "    admin_domain: hospital"]
    lines += _claimed(told, "pacs")
    if told["medium"] != SKIPPED:
        lines += _recovery(told)
    return "\n".join(lines) + "\n"


def _claimed(told: Mapping[str, str], key: str) -> list[str]:
    # Written even when IT says nothing: what is not said of a system must not pass for no time at all.
    fields = _fields(disruption="hardware", rto=told[f"{key}_rto"], rpo=told[f"{key}_rpo"])
    return ["    capabilities:", f"      - {fields}"]


def _recovery(told: Mapping[str, str]) -> list[str]:
    copy = _fields(
        id="pacs-copy",
        of="pacs",
        site=told["copy_room"],
        medium=quoted(told["medium"]),
        holds="[images]",
        every=told["every"],
        admin_domain="hospital" if told["same_people"] == "yes" else "backup",
        acquire=told["acquire"],
        gb_per_hour=told["rate"],
    )
    lines = []
    if told["pacs_rebuild"] != SKIPPED:
        recovery = _fields(
            disruption="hardware",
            rebuild=told["pacs_rebuild"],
            copy="pacs-copy",
            size_gb=told["size"],
            consistency=told["consistency"],
            validation=told["validation"],
        )
        lines = ["    recovery:", f"      - {recovery}"]
    return [*lines, "", "copies:", f"  - {copy}"]


def _services(told: Mapping[str, str]) -> str:
    lines = [f"{HEAD}services:"]
    for one in (*CLINICAL, *BUSINESS):
        borne = told[f"{one.id}_rto"] != SKIPPED
        if one in CLINICAL and not borne:
            continue
        lines += [
            f"  - id: {one.id}",
            f"    name: {one.name}",
            f"    kind: {one.kind}",
            f"    systems: [{one.systems}]",
        ]
        lines += [f"    work_recovery: {told['work_recovery']}"] if one in CLINICAL else []
        if borne:
            names = ("mtd", "rto", "rpo")
            fields = _fields(disruption="hardware", **{name: told[f"{one.id}_{name}"] for name in names})
            lines += ["    tolerances:", f"      - {fields}"]
    return "\n".join(lines) + "\n"


def _fields(**fields: str) -> str:
    """Return fields in braces, without those that were skipped."""
    return f"{{{', '.join(f'{name}: {value}' for name, value in fields.items() if value != SKIPPED)}}}"
