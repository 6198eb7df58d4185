"""What a plan says to a drill: what it is held against, what it leaves out, and what is production."""

import hashlib
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final

from safelight.core.errors import UsageError
from safelight.core.names import Peer
from safelight.drill.facts import Objective
from safelight.drill.target import Place
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.plan.document import canonical
from safelight.plan.model import Plan
from safelight.plan.practice import Rehearsal
from safelight.plan.words import Disruption, DrillKind, Phase, Proved, Side, SystemKind
from safelight.site.home import Home
from safelight.site.peers import UnknownPeer, find_peer
from safelight.site.settings import Settings

_RESTORED = frozenset({Proved.FILES, Proved.RETRIEVE})
TRIED: Mapping[DrillKind, frozenset[Proved]] = {
    DrillKind.NOTIFICATION: frozenset({Proved.NOTIFICATION}),
    DrillKind.RESTORE_SAMPLE: _RESTORED,
    DrillKind.RESTORE_TIER: _RESTORED,
    DrillKind.FULL: _RESTORED | {Proved.NOTIFICATION},
}
"""What a drill of a type goes through when it is done."""
MEASURE_TIMES: Final = (DrillKind.RESTORE_TIER, DrillKind.FULL)
"""Types that are held against objectives: only a whole tier says how long something takes."""
NOT_TRIED: Mapping[Proved, str] = {
    Proved.FILES: "Restore of the images",
    Proved.DATABASE: "Restore of the PACS database and its agreement with the archive",
    Proved.RETRIEVE: "Retrieve from the restored PACS",
    Proved.REPORT_VIEW: "Reports seen beside their images",
    Proved.WORKLIST: "Worklist round trip with a modality",
    Proved.RECONCILE: "Reconciliation and clean-up",
    Proved.FAILBACK: "Failback to production",
    Proved.NIGHT_SHIFT: "By the night shift",
    Proved.NOTIFICATION: "People called by the plan's numbers",
}


class NoRehearsal(UsageError):
    """The plan has no rehearsal of this name."""

    code: ClassVar[str] = "drill.no-rehearsal"
    hint: ClassVar[str] = "See what is planned: safelight drill list --plan FOLDER"


@dataclass(frozen=True, slots=True)
class Told:
    """What the plan says to one drill."""

    systems: tuple[str, ...]
    digest: str
    objectives: tuple[Objective, ...]
    not_executed: tuple[str, ...]


def rehearsal_named(plan: Plan, name: str) -> Rehearsal:
    """Return a rehearsal of the plan.

    Raises:
        NoRehearsal: there is none.
    """
    for one in plan.rehearsals:
        if one.id == name:
            return one
    raise NoRehearsal(name=name)


def told_by(plan: Plan, kind: DrillKind, disruption: Disruption, systems: Sequence[str]) -> Told:
    """Return what a plan says of a drill of these systems; of every PACS where none is named."""
    covered = tuple(systems) or tuple(one.id for one in plan.systems if one.kind is SystemKind.PACS)
    return Told(
        covered, covered_digest(plan, covered), _objectives(plan, covered, disruption), _left(plan, covered, kind)
    )


def left_out(kind: DrillKind) -> tuple[str, ...]:
    """Return what a recovery needs and this type of drill does not try."""
    return tuple(text for proved, text in NOT_TRIED.items() if proved not in TRIED.get(kind, frozenset()))


def covered_digest(plan: Plan, systems: Iterable[str]) -> str:
    """Return a digest of what the plan says of these systems, their copies and their runbooks."""
    names = set(systems)
    parts = [one for one in plan.systems if one.id in names]
    copies = [one for one in plan.copies if one.of in names]
    runbooks = [one for one in plan.runbooks if not names.isdisjoint(one.systems)]
    return hashlib.sha256(b"\n".join(canonical(one) for one in (*parts, *copies, *runbooks))).hexdigest()


def production_places(home: Home, settings: Settings, journal: Journal, plan: Plan | None) -> list[Place]:
    """Return every PACS that the settings, the journal or the plan say the hospital works with."""
    named = {
        "protection.source": settings.protection.source,
        "reconciliation.target": settings.reconciliation.target,
        "worklist.source": settings.worklist.source,
    }
    named |= {f"downtime.probes {number}": one for number, one in enumerate(settings.downtime.probes)}
    places = list(_named_places(home, named))
    # Where we once pulled from, or brought studies home to, is somebody's PACS.
    kinds = (FactKind.PULL_STARTED, FactKind.SOURCE_CLAIMED, FactKind.RECOVERY_STARTED)
    seen: dict[str, str] = {}
    for entry in journal.entries(kinds=kinds):
        told = entry.facts.get("settings")
        is_drill = isinstance(told, Mapping) and bool(told.get("drill"))
        address = told.get("target") if isinstance(told, Mapping) and "target" in told else entry.facts.get("source")
        if address and not is_drill:
            seen.setdefault(f"{entry.kind} {address}", str(address))
    places += _named_places(home, seen)
    for flow in plan.flows if plan else ():
        if flow.ae_title or flow.host:
            hosts = addresses_of(flow.host) if flow.host else frozenset()
            places.append(Place(flow.ae_title or "", hosts, flow.port, f"plan: flows/{flow.id}"))
    return places


def place_of(peer: Peer, said_by: str = "") -> Place:
    """Return where a peer answers."""
    return Place(peer.title.text, addresses_of(peer.host), peer.port, said_by)


def addresses_of(host: str) -> frozenset[str]:
    """Return a host's name and every address that it leads to, so that one machine with two names stays one."""
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo(host, None)}
    except OSError:
        found = set()
    return frozenset({host.casefold(), *found})


def script_text(folder: Path, name: str) -> str:
    """Return a table-top's script that lies beside the plan.

    Raises:
        NoRehearsal: it does not lie there.
    """
    file = folder / "scripts" / Path(name).name
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise NoRehearsal(script=str(file)) from error


def _named_places(home: Home, named: Mapping[str, str]) -> Iterator[Place]:
    for said_by, text in named.items():
        try:
            yield place_of(find_peer(home.peers, text), said_by)
        except UnknownPeer:
            yield Place(text, frozenset(), None, said_by)
        except UsageError:
            # A source that is no application entity, such as a folder.
            continue


def _objectives(plan: Plan, systems: Sequence[str], disruption: Disruption) -> tuple[Objective, ...]:
    found = [
        Objective(str(Side.IT), system.id, _seconds(one.rto), _seconds(one.rpo))
        for system in plan.systems
        if system.id in systems
        for one in system.capabilities
        if one.disruption is disruption
    ]
    found += [
        Objective(str(Side.RADIOLOGY), service.id, _seconds(one.rto), _seconds(one.rpo))
        for service in plan.services
        if not set(systems).isdisjoint(service.systems)
        for one in service.tolerances
        if one.disruption is disruption
    ]
    return tuple(found)


def _left(plan: Plan, systems: Sequence[str], kind: DrillKind) -> tuple[str, ...]:
    steps = [
        f"{runbook.name}: {step.do}"
        for runbook in plan.runbooks
        if not set(systems).isdisjoint(runbook.systems) and runbook.phase in {Phase.RESTORE, Phase.VALIDATE}
        for step in runbook.steps
    ]
    return (*left_out(kind), *steps)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
