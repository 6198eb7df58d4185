"""Acts: what a command line asks for and an opened home does, here or in the running `serve`."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.core.errors import UsageError
from safelight.core.progress import Report
from safelight.site.home import Home
from safelight.site.settled import SETTLE
from safelight.site.workers import Workers

if TYPE_CHECKING:
    from safelight.site.opened import Site

WITH_WORKERS: Final = frozenset({"protection.seed", "vault.export", "vault.pack"})


class UnknownAct(UsageError):
    """The running `serve` does not know this act: it is of another version than the command line."""

    code: ClassVar[str] = "site.unknown-act"
    hint: ClassVar[str] = "Restart `safelight serve` after an upgrade."


Act = Callable[["Site", Mapping[str, Any], Report], Mapping[str, Any]]


def act_alone(home: Home, name: str, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    """Open a home that nobody serves, do an act, and close it.

    Raises:
        HomeInUse: another command works on it.
    """
    ahead = home.settings().vault.packers if name in WITH_WORKERS else 0
    # They load their codecs while we load the rest and open the home.
    with Workers(niceness=0, ahead=ahead) as workers:
        gc.disable()
        from safelight.site.opened import Site

        # What was loaded stays: looking through it for garbage, while loading or later, finds none.
        gc.freeze()
        gc.enable()
        with Site.open(home, workers=workers) as site:
            return act(site, name, told, report)


def act(site: Site, name: str, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    """Do an act.

    Raises:
        UnknownAct: there is none of this name.
    """
    if name in HERE:
        return HERE[name](site, told, report)
    if name in WITH_PROGRESS:
        return _named(WITH_PROGRESS[name])(site, told, report)
    if name in AT_ONCE:
        return _named(AT_ONCE[name])(site, told)
    raise UnknownAct(act=name)


def _named(place: str) -> Callable[..., Mapping[str, Any]]:
    """Return the function at ``module:function``, loaded only now: a command loads what it does and nothing else."""
    module, _, function = place.partition(":")
    found: Callable[..., Mapping[str, Any]] = getattr(importlib.import_module(f"safelight.site.{module}"), function)
    return found


def _settle(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del told, report
    site.arrivals.settle()
    for flush in site.kept_in_memory:
        flush()
    return {}


def _scrub(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.verifying import scrub_now

    return scrub_now(site, told.get("budget_mb"), report)


def _verify(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.verifying import verify_everything

    return verify_everything(site, deep=bool(told.get("deep")), heal=bool(told.get("heal", True)), report=report)


def _export(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.exporting import Wanted, export

    wanted = Wanted(told.get("study"), told.get("digest"))
    return export(site, wanted, Path(told["to"]), dry_run=bool(told.get("dry_run")), report=report)


def _pack(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del told
    from safelight.site.flushing import pack_everything

    return pack_everything(site, report)


def _rebuild(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del told
    from safelight.site.verifying import rebuild

    return rebuild(site, report)


HERE: Final[Mapping[str, Act]] = {
    SETTLE: _settle,
    "protection.verify": _scrub,
    "vault.verify": _verify,
    "vault.export": _export,
    "vault.pack": _pack,
    "catalog.rebuild": _rebuild,
}
WITH_PROGRESS: Final[Mapping[str, str]] = {
    "gateway.import": "hl7_import:import_messages",
    "gateway.queue.hold": "hl7_queue:hold",
    "gateway.queue.release": "hl7_queue:release",
    "gateway.queue.skip": "hl7_queue:skip",
    "gateway.queue.replay": "hl7_queue:replay",
    "gateway.commitment.ask": "commitment_asks:ask",
    "gateway.worklist.import": "worklist_import:import_extract",
    "gateway.procedure-steps.forward": "step_forwarding:forward",
    "protection.seed": "seeding:seed_folder",
    "protection.pull": "pulling:pull",
    "protection.census": "census:census",
    "reconciliation.compare": "reconciliation:look",
    "reconciliation.send": "reconciliation:send",
    "drill.run": "drills:run",
    "recovery.start": "recoveries:start",
    "recovery.resume": "recoveries:resume",
}
"""Functions of home, what was told, and report."""
AT_ONCE: Final[Mapping[str, str]] = {
    "gateway.worklist.mirror": "worklist_mirror:mirror",
    "downtime.say": "downtime:say",
    "downtime.numbers.reserve": "downtime_numbers:reserve_range",
    "downtime.numbers.allot": "downtime_numbers:allot_block",
    "downtime.exam.register": "downtime_exams:register_exam",
    "downtime.exam.step": "downtime_exams:note_step",
    "downtime.device.check": "devices:check_device",
    "console.account.add": "accounts:account_added",
    "console.account.remove": "accounts:account_removed",
    "console.account.password": "accounts:password_set",
    "console.account.role": "accounts:role_changed",
    "console.certificate.renew": "certificate_renewal:renew_certificate",
    "reconciliation.decide": "reconciliation:decide",
    "reconciliation.undo": "reconciliation:undo",
    "drill.say": "drills:say",
    "plan.sign": "plan_console:sign_plan",
    "recovery.pause": "recoveries:pause",
    "recovery.release": "recovery_release:release",
    "evidence.export": "evidence:export_evidence",
    "evidence.export-drill": "evidence:export_drill",
}
"""Functions of home and what was told."""
