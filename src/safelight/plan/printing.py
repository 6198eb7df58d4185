"""The plan on paper: its sections in the order of NIST SP 800-34 A.3, and the downtime pack; each one page of HTML."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import starmap, zip_longest
from textwrap import wrap
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from safelight.core.span import span_text
from safelight.plan.inventory import Person
from safelight.plan.model import Plan
from safelight.plan.network_picture import network_picture
from safelight.plan.picture import picture
from safelight.plan.practice import Procedure, Runbook
from safelight.plan.printed_lines import SIDES, lines, spoken
from safelight.plan.signature import Signature, agreement
from safelight.plan.words import Phase, Side

NUMBER_AND_UNIT: Final = re.compile(r"(?<=\d) (?=(?:min|h|d|s)\b)")
LETTERS_TOGETHER: Final = 20
LONG_WORD: Final = re.compile(r"\S{25,}")
"""A table with a word that cannot be broken leaves the page."""
TEMPLATES: Final = ("base.html.jinja", "parts.jinja", "plan.html.jinja", "pack.html.jinja")
SECTIONS: Final = {
    "activation": (Phase.DETECT, Phase.CONTAIN),
    "recovery": (Phase.DOWNTIME, Phase.ANALOG, Phase.FAILOVER, Phase.RESTORE, Phase.REPLAY),
    "concurrent": (Phase.FAILBACK,),
    "validation": (Phase.VALIDATE,),
    "cleanup": (Phase.RECONCILE,),
    "detailed": (Phase.UPGRADE,),
    "all": tuple(Phase),
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What IT does, and what radiology does meanwhile; None where nothing is written."""

    it: Procedure | Runbook | None
    radiology: Procedure | Runbook | None


@dataclass(frozen=True, slots=True)
class PhaseSides:
    """What both sides do in a phase, side by side."""

    name: str
    rows: tuple[Beside, ...]

    @property
    def silent(self) -> tuple[Side, ...]:
        """The sides for which nothing is written."""
        return tuple(side for side in Side if all(getattr(row, side) is None for row in self.rows))


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to call, and whom when that person is not reached."""

    what: str
    person: Person
    deputy: Person | None


@dataclass(frozen=True, slots=True)
class PackFacts:
    """What a pack says beside its plan."""

    serial: str
    place: str
    holder: str
    blocks: Sequence[Mapping[str, Any]] = ()
    schedule: Sequence[Sequence[str]] | None = None
    """Lines of today's schedule; None where no home was asked."""


def plan_html(
    plan: Plan,
    signatures: Iterable[Signature],
    objectives: Sequence[Mapping[str, Any]],
    requirements: Sequence[Mapping[str, Any]],
    at: datetime,
) -> str:
    """Return the whole plan."""
    agreed = agreement(plan, signatures)
    foot = f"{plan.plan.title} · {plan.plan.hospital} · version {plan.plan.version} · printed {at.date()}"
    foot += "" if agreed.approved else " · NOT APPROVED"
    missing = {side: Counter(name.partition("/")[0] for name in agreed.missing(side)) for side in Side}
    sections = [name for name in Plan.__dataclass_fields__ if any(name in counts for counts in missing.values())]
    names = {one.id: one.name for one in plan.people}
    return _filled_in(
        "plan.html.jinja",
        plan,
        title=escape(f"{plan.plan.title}, {plan.plan.hospital}"),
        foot=foot,
        made_on=at.date().isoformat(),
        approved=agreed.approved,
        refused=agreed.refused,
        unsigned=[{"side": one, "count": sum(missing[one].values())} for one in Side if missing[one]],
        open_sections=[
            {"name": name.replace("_", " "), **{str(side): missing[side][name] for side in Side}} for name in sections
        ],
        signatures=[
            (names.get(one.person, one.person), SIDES[one.side], one.at[:16], one.version, one.reason)
            for one in agreed.counted
        ],
        objectives=objectives,
        paths=estimate_paths(objectives),
        losses=estimated_losses(objectives),
        requirements=requirements,
        # Their texts are escaped where they are drawn.
        map=Markup(picture(plan)),  # noqa: S704
        network=Markup(network_picture(plan)),  # noqa: S704
    )


def pack_html(
    plan: Plan,
    signatures: Iterable[Signature],
    objectives: Sequence[Mapping[str, Any]],
    at: datetime,
    pack: PackFacts,
) -> str:
    """Return a downtime pack; serial and date stand on every page."""
    foot = f"Pack {pack.serial} · made {at.date()} · plan version {plan.plan.version} · {plan.plan.hospital}"
    return _filled_in(
        "pack.html.jinja",
        plan,
        title=escape(f"Downtime pack {pack.serial}, {plan.plan.hospital}"),
        foot=foot,
        made_on=at.date().isoformat(),
        made_at=at.strftime("%Y-%m-%d %H:%M %Z"),
        approved=agreement(plan, signatures).approved,
        objectives=objectives,
        serial=pack.serial,
        place=pack.place,
        holder=pack.holder,
        blocks=pack.blocks,
        schedule=pack.schedule,
        cards=_cards(plan),
    )


def estimate_paths(objectives: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what each estimate adds up, once for services that share it; the work afterwards differs by service."""
    found: dict[str, dict[str, Any]] = {}
    for row in objectives:
        *parts, work = row["path"]
        told = {"disruption": row["disruption"], "parts": parts, "estimate": row["estimate"], "unknown": row["unknown"]}
        shared = found.setdefault(repr(told), {**told, "complete": row["complete"], "services": []})
        shared["services"].append({"name": row["name"], "work": work})
    return list(found.values())


def estimated_losses(objectives: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return how much each system may lose in each disruption, and why; once for services that share it."""
    return list(
        dict.fromkeys(
            (row["disruption"], one["system"], one["loses"] or "unknown", one["source"])
            for row in objectives
            for one in row["losses"]
        )
    )


def calls(plan: Plan) -> list[Call]:
    """Return whom to call, in order: who declares first, then the roles; nobody twice with the same deputy."""
    people = {one.id: one for one in plan.people}
    found: dict[tuple[str, str], list[str]] = {}
    if plan.declaration:
        for one in plan.declaration.declarer:
            found[one, plan.declaration.successor or ""] = ["Declares the downtime"]
    for role in plan.roles:
        found.setdefault((role.person, role.deputy or ""), []).append(spoken(role.kind))
    return [Call("; ".join(what), people[one], people.get(other)) for (one, other), what in found.items()]


def phases(plan: Plan, asked: Iterable[Phase]) -> list[PhaseSides]:
    """Return what both sides do in each phase that is asked for."""
    return [PhaseSides(str(phase), _side_by_side(plan, phase)) for phase in asked]


def _side_by_side(plan: Plan, phase: Phase) -> tuple[Beside, ...]:
    procedures = {one.id: one for one in plan.procedures}
    written: list[Procedure | Runbook] = [*plan.runbooks, *plan.procedures]
    written = [one for one in written if one.phase == phase]
    paired = [one for one in written if isinstance(one, Runbook) and one.paired_with]
    rows = [Beside(one, procedures[one.paired_with or ""]) for one in paired]
    shown = [one.radiology for one in rows]
    left = [one for one in written if one not in paired and one not in shown]
    it, radiology = ([one for one in left if one.side == side] for side in Side)
    return (*rows, *starmap(Beside, zip_longest(it, radiology)))


def _cards(plan: Plan) -> list[dict[str, Any]]:
    people = {one.id: one for one in plan.people}
    order = list(Phase)
    unsorted: list[Procedure | Runbook] = [*plan.runbooks, *plan.procedures]
    written = sorted(unsorted, key=lambda one: order.index(one.phase))
    return [
        {
            "what": spoken(role.kind),
            "side": role.side,
            "person": people[role.person],
            "deputy": people.get(role.deputy or ""),
            "steps": [
                {"do": step.do, "takes": step.takes, "phase": str(one.phase)}
                for one in written
                for step in one.steps
                if step.who == role.id
            ],
        }
        for role in plan.roles
    ]


def _filled_in(name: str, plan: Plan, **told: Any) -> str:
    folder = files("safelight.plan") / "printed"
    texts = {one: folder.joinpath(one).read_text("utf-8") for one in TEMPLATES}
    environment = Environment(
        loader=DictLoader(texts),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_typeset,
    )
    people = {one.id: one.name for one in plan.people}
    systems = {one.id: one.name for one in plan.systems}
    procedures = {one.id: one.name for one in plan.procedures}
    roles = {one.id: spoken(one.kind) for one in plan.roles}
    environment.filters |= {
        "span": _span,
        "side": lambda side: SIDES[side],
        "person": lambda one: people.get(one, "nobody"),
        "system": lambda one: systems[one],
        "role": lambda one: roles[one],
        "procedure": lambda one: procedures[one],
    }
    shown = {section: phases(plan, asked) for section, asked in SECTIONS.items()}
    return environment.get_template(name).render(plan=plan, calls=calls(plan), phases=shown, lines=lines(plan), **told)


def _typeset(value: Any) -> Any:
    """Return a text in which no line ends between a number and its unit, and one may end inside a very long word."""
    if type(value) is not str:
        return value
    text = NUMBER_AND_UNIT.sub("\u00a0", value)
    broken = LONG_WORD.sub(lambda found: "\0".join(wrap(found[0], LETTERS_TOGETHER)), text)
    return Markup("<wbr>").join(broken.split("\0")) if broken != text else text


def _span(span: timedelta | None) -> str:
    return "—" if span is None else span_text(span)
