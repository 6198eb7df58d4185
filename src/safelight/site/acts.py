"""Acts: what a command line asks for and an opened home does, here or in the running `serve`."""

from __future__ import annotations

import gc
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
    if name not in ACTS:
        raise UnknownAct(act=name)
    return ACTS[name](site, told, report)


def _settle(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del told, report
    site.arrivals.settle()
    for flush in site.kept_in_memory:
        flush()
    return {}


def _seed(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.seeding import seed_folder

    return seed_folder(site, told, report)


def _pull(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.pulling import pull

    return pull(site, told, report)


def _census(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.census import census

    return census(site, told, report)


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


def _recovery_start(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.recoveries import start

    return start(site, told, report)


def _recovery_pause(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.recoveries import pause

    return pause(site, told)


def _recovery_resume(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.recoveries import resume

    return resume(site, told, report)


def _recovery_release(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.recovery_release import release

    return release(site, told)


def _evidence_export(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.evidence import export_evidence

    return export_evidence(site, told)


def _queue_hold(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.hl7_queue import hold

    return hold(site, told, report)


def _queue_release(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.hl7_queue import release

    return release(site, told, report)


def _queue_skip(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.hl7_queue import skip

    return skip(site, told, report)


def _queue_replay(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.hl7_queue import replay

    return replay(site, told, report)


def _import_messages(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.hl7_import import import_messages

    return import_messages(site, told, report)


def _worklist_mirror(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.worklist_mirror import mirror

    return mirror(site, told)


def _worklist_import(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.worklist_import import import_extract

    return import_extract(site, told, report)


def _steps_forward(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    from safelight.site.step_forwarding import forward

    return forward(site, told, report)


def _commitment_ask(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.commitment_asks import ask

    return ask(site, told)


def _downtime_say(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.downtime import say

    return say(site, told)


def _numbers_reserve(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.downtime_numbers import reserve_range

    return reserve_range(site, told)


def _numbers_allot(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.downtime_numbers import allot_block

    return allot_block(site, told)


def _exam_register(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.downtime_exams import register_exam

    return register_exam(site, told)


def _exam_step(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.downtime_exams import note_step

    return note_step(site, told)


def _device_check(site: Site, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    del report
    from safelight.site.devices import check_device

    return check_device(site, told)


ACTS: Final[Mapping[str, Act]] = {
    "gateway.import": _import_messages,
    "gateway.queue.hold": _queue_hold,
    "gateway.queue.release": _queue_release,
    "gateway.queue.skip": _queue_skip,
    "gateway.queue.replay": _queue_replay,
    "gateway.commitment.ask": _commitment_ask,
    "gateway.procedure-steps.forward": _steps_forward,
    "gateway.worklist.mirror": _worklist_mirror,
    "gateway.worklist.import": _worklist_import,
    SETTLE: _settle,
    "protection.seed": _seed,
    "protection.pull": _pull,
    "protection.census": _census,
    "protection.verify": _scrub,
    "vault.verify": _verify,
    "vault.export": _export,
    "vault.pack": _pack,
    "catalog.rebuild": _rebuild,
    "downtime.say": _downtime_say,
    "downtime.numbers.reserve": _numbers_reserve,
    "downtime.numbers.allot": _numbers_allot,
    "downtime.exam.register": _exam_register,
    "downtime.exam.step": _exam_step,
    "downtime.device.check": _device_check,
    "recovery.start": _recovery_start,
    "recovery.pause": _recovery_pause,
    "recovery.resume": _recovery_resume,
    "recovery.release": _recovery_release,
    "evidence.export": _evidence_export,
}
