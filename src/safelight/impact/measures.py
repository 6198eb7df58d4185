"""What one run says, beside the run without the outage on the same exams and durations."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safelight.impact.department import Department, Service
from safelight.impact.draws import Exams, Numbers, check_size, draw
from safelight.impact.scenario import Scenario
from safelight.impact.simulation import ABSENT, DEFERRED, DIVERTED, LOST, Outage, Passage, run

STEPS_AN_HOUR: Final = 10
"""How finely backlogs are counted."""

Figures = dict[tuple[str, str], float]
"""By measure and subject (a modality, readers, a service, or nothing); not a number where it never came to be."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How runs are made: weeks in all, and the week (from 0) in which the outage begins."""

    weeks: int = 4
    outage_week: int = 1

    def outage(self, scenario: Scenario) -> Outage:
        """Place a scenario on the hours of a run."""
        return Outage(scenario, self.outage_week * 168.0 + scenario.start_hour)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed came to: figures, and series by the hour for the outage and for comparison."""

    figures: Figures
    series: dict[str, tuple[Numbers, Numbers]]


def outcome(department: Department, scenario: Scenario, plan: Plan, seed: int) -> Outcome:
    """Run one seed with and without the outage and measure both."""
    check_size(department, plan.weeks)
    surge = tuple(scenario.surge.get(one.name, 0.0) for one in department.classes)
    exams = draw(department, surge, plan.weeks, seed)
    until, outage = plan.weeks * 168.0, plan.outage(scenario)
    without = run(department, exams, None, until)
    with_it = run(department, exams, outage, until, without)
    figures: Figures = {}
    series: dict[str, tuple[Numbers, Numbers]] = {}
    for at, modality in enumerate(department.modalities):
        pair = (
            _waiting(with_it[at].come, with_it[at].start, until),
            _waiting(without[at].come, without[at].start, until),
        )
        series[f"backlog {modality.name}"] = _hourly(pair)
        _queue(figures, "backlog", modality.name, pair, outage.ends)
    for readers in department.readers:
        mine = [at for at, one in enumerate(department.modalities) if one.name in readers.modalities]
        pair = _unread(with_it, mine, until), _unread(without, mine, until)
        series[f"unread {readers.name}"] = _hourly(pair)
        _queue(figures, "unread", readers.name, pair, outage.ends)
    for service in department.services:
        _service(figures, department, service, exams, (with_it, without), outage, until)
    _whole(figures, exams, with_it, without, until)
    _disks(figures, department, with_it, outage)
    if department.messages and scenario.effect.messages_wait:
        _messages(figures, department, exams, outage, until, np.random.default_rng([seed, 1_000_003]))
    _afterwards(figures, department, with_it, outage, np.random.default_rng([seed, 1_000_033]))
    return Outcome(figures, series)


def _waiting(come: Numbers, start: Numbers, until: float) -> Numbers:
    """Return how many wait at each step of the run."""
    edges = ceil(until * STEPS_AN_HOUR) + 1

    def reached(moments: Numbers) -> NDArray[np.int64]:
        steps = np.ceil(moments[moments < until] * STEPS_AN_HOUR).astype(np.int64)
        return np.cumsum(np.bincount(steps, minlength=edges)[:edges])

    return (reached(come) - reached(start)).astype(np.float64)


def _unread(passages: Sequence[Passage], mine: Sequence[int], until: float) -> Numbers:
    ends = np.concatenate([passages[at].acquired for at in mine])
    return _waiting(ends, np.concatenate([passages[at].read_start for at in mine]), until)


def _hourly(pair: tuple[Numbers, Numbers]) -> tuple[Numbers, Numbers]:
    return pair[0][::STEPS_AN_HOUR], pair[1][::STEPS_AN_HOUR]


def _queue(figures: Figures, measure: str, subject: str, pair: tuple[Numbers, Numbers], ends: float) -> None:
    """Measure a queue at the restore, and when it is what it would have been anyway, and when it is empty."""
    at = min(ceil(ends * STEPS_AN_HOUR - 1e-9), len(pair[0]) - 1)
    with_it, without = pair[0][at:], pair[1][at:]
    figures[measure, subject] = with_it[0]
    figures[f"{measure}_usual", subject] = without[0]
    figures[f"{measure}_max", subject] = float(pair[0].max())
    figures[f"{measure}_clearance_hours", subject] = _first(with_it <= without)
    figures[f"{measure}_empty_hours", subject] = _first(with_it == 0)


def _first(true: NDArray[np.bool_]) -> float:
    places = np.flatnonzero(true)
    return places[0] / STEPS_AN_HOUR if len(places) else nan


def waits(come: Numbers, until: Numbers, end: float) -> Numbers:
    """Return waits in minutes; one that has not ended at the end of the run counts as long as it lasted."""
    return np.asarray((np.minimum(until, end) - np.minimum(come, end)) * 60.0)


@dataclass(frozen=True, slots=True)
class ServiceWaits:
    """Waits of a service's exams in minutes, and which are beyond a limit."""

    come: Numbers
    done: NDArray[np.bool_]
    start: Numbers
    result: Numbers
    beyond: NDArray[np.bool_]
    breach_hours: Numbers
    """When the first limit passes by."""


def service_waits(
    department: Department, service: Service, exams: Sequence[Exams], passages: Sequence[Passage], until: float
) -> ServiceWaits:
    """Gather the waits of a service over its modalities."""
    number = [one.name for one in department.classes].index(service.class_name)
    chosen = [
        (passage, drawn.classes == number)
        for modality, drawn, passage in zip(department.modalities, exams, passages, strict=True)
        if modality.name in service.modalities
    ]
    come = np.concatenate([passage.come[mine] for passage, mine in chosen])
    start = waits(come, np.concatenate([passage.start[mine] for passage, mine in chosen]), until)
    result = waits(come, np.concatenate([passage.result[mine] for passage, mine in chosen]), until)
    start_limit = inf if service.start_minutes is None else service.start_minutes
    result_limit = inf if service.result_minutes is None else service.result_minutes
    late_start, late_result = start > start_limit, result > result_limit
    breach = np.minimum(
        np.where(late_start, come + start_limit / 60.0, inf), np.where(late_result, come + result_limit / 60.0, inf)
    )
    return ServiceWaits(come, np.isfinite(come), start, result, late_start | late_result, breach)


def _service(
    figures: Figures,
    department: Department,
    service: Service,
    exams: Sequence[Exams],
    runs: tuple[Sequence[Passage], Sequence[Passage]],
    outage: Outage,
    until: float,
) -> None:
    with_it, without = (service_waits(department, service, exams, passages, until) for passages in runs)
    during = with_it.done & (with_it.come >= outage.begins) & (with_it.come < outage.ends)
    newly = with_it.done & with_it.beyond & ~without.beyond & (with_it.breach_hours >= outage.begins)
    name = service.name
    figures["exams_during", name] = float(during.sum())
    figures["beyond_during", name] = float((with_it.beyond & during).sum())
    figures["newly_beyond", name] = float(newly.sum())
    figures["first_breach_hours", name] = (
        float(with_it.breach_hours[newly].min()) - outage.begins if newly.any() else nan
    )
    usual = without.done & (without.come >= outage.begins) & (without.come < outage.ends)
    for measure, one, mine in (("", with_it, during), ("_usual", without, usual)):
        if not mine.any():
            # Nobody came who could wait; a seed like this says nothing, rather than "never".
            continue
        for what, minutes in (("start", one.start[mine]), ("result", one.result[mine])):
            for share in (90, 95):
                figures[f"{what}_minutes_p{share}{measure}", name] = float(np.percentile(minutes, share))
        if usual.any() and during.any():
            figures[f"beyond_share{measure}", name] = float(one.beyond[mine].mean())


def _whole(
    figures: Figures, exams: Sequence[Exams], with_it: Sequence[Passage], without: Sequence[Passage], until: float
) -> None:
    delay = 0.0
    counts = dict.fromkeys((DEFERRED, DIVERTED, LOST), 0)
    surging = 0
    for drawn, one, other in zip(exams, with_it, without, strict=True):
        both = np.isfinite(one.come) & np.isfinite(other.come)
        delay += float((waits(one.come, one.start, until) - waits(other.come, other.start, until))[both].sum() / 60.0)
        for fate in counts:
            counts[fate] += int((one.fate == fate).sum())
        surging += int((drawn.surge & (one.fate != ABSENT)).sum())
    figures["delay_exam_hours", ""] = delay
    figures["deferred", ""], figures["diverted", ""] = counts[DEFERRED], counts[DIVERTED]
    figures["lost", ""], figures["surge", ""] = counts[LOST], surging


def _disks(figures: Figures, department: Department, passages: Sequence[Passage], outage: Outage) -> None:
    if not outage.scenario.effect.disks_fill:
        return
    for modality, passage in zip(department.modalities, passages, strict=True):
        if modality.disk is None:
            continue
        ends = passage.acquired
        during = np.sort(ends[(ends >= outage.begins) & (ends < outage.ends)])
        fits = int(modality.disk.exams_max)
        figures["disk_gb", modality.name] = len(during) * modality.disk.exam_gb
        figures["disk_full_hours", modality.name] = during[fits] - outage.begins if len(during) > fits else nan


def _messages(
    figures: Figures,
    department: Department,
    exams: Sequence[Exams],
    outage: Outage,
    until: float,
    random: np.random.Generator,
) -> None:
    """Count what waits at the restore, then drain it a minute at a time beside what comes."""
    told = department.messages
    if told is None:
        return
    ordered = np.concatenate([one.ordered[~one.surge] for one in exams])
    during = int(((ordered >= outage.begins) & (ordered < outage.ends)).sum())
    held = during * told.per_exam + float(random.poisson(told.background_per_hour * outage.scenario.hours))
    edges = np.arange(outage.ends, until, 1 / 60)
    figures["messages_waiting", ""] = held
    figures["messages_drain_seconds", ""] = nan
    if len(edges) < 2:
        return
    coming = np.histogram(ordered[ordered >= outage.ends], edges)[0] * told.per_exam
    coming = coming + random.poisson(told.background_per_hour / 60, len(edges) - 1)
    capacity = 60.0 / told.seconds_each
    left = held + np.cumsum(coming - capacity)
    empty = np.flatnonzero(left <= 0)
    if len(empty):
        at = int(empty[0])
        before = held if at == 0 else left[at - 1]
        figures["messages_drain_seconds", ""] = 60.0 * (at + before / (before - left[at])) if before else 0.0


def _afterwards(
    figures: Figures, department: Department, passages: Sequence[Passage], outage: Outage, random: np.random.Generator
) -> None:
    """Measure the work that the outage leaves behind, and what all of it costs where the site says so."""
    scenario, told = outage.scenario, department.reconciliation
    ends = np.concatenate([one.acquired for one in passages])
    exams = int(((ends >= outage.begins) & (ends < outage.ends)).sum()) if scenario.effect.to_reconcile else 0
    wrong, unordered = random.binomial(exams, told.error_share), random.binomial(exams, told.unordered_share)
    minutes = exams * told.match_minutes + wrong * told.fix_minutes + unordered * told.order_minutes
    figures["downtime_exams", ""] = float(exams)
    figures["reconciliation_hours", ""] = minutes / 60.0
    ranks = department.ranks()
    first = min(ranks.values())
    urgent = {m.name for m in department.modalities for d in m.demands if ranks[d.class_name] == first}
    clear = [figures["backlog_clearance_hours", name] for name in urgent]
    figures["work_recovery_hours", ""] = float(np.max([*clear, minutes / 60.0 / told.people]))
    values = department.unit_values
    if values is not None:
        figures["cost", ""] = (
            figures["lost", ""] * values.lost_exam
            + figures["diverted", ""] * values.diverted_exam
            + figures["deferred", ""] * values.deferred_exam
            + exams * values.downtime_exam
            + minutes / 60.0 * values.reconciliation_hour
            + scenario.hours * values.outage_hour
        )
