"""Formulas that the simulation is held against; an outage as a steady flow, a queue as Erlang had it."""

from dataclasses import dataclass
from math import exp, inf, lgamma, log


@dataclass(frozen=True, slots=True)
class Flow:
    """An outage where work is a liquid: rates an hour, no chance."""

    backlog: float
    clear_hours: float
    delay_exam_hours: float
    longest_wait_hours: float


def flow(arrivals: float, capacity: float, hours: float, share: float, after: float, deferred: float = 0.0) -> Flow:
    """Return what an outage does at steady rates.

    Args:
        arrivals: exams an hour.
        capacity: exams an hour that can be done at normal speed.
        hours: how long the outage lasts.
        share: how much of the capacity is left during it.
        after: capacity after the restore.
        deferred: share of arrivals that are postponed, for as long as this lasts.
    """
    coming = arrivals * (1.0 - deferred)
    backlog = max(0.0, coming - share * capacity) * hours
    clear = backlog / (after - coming) if after > coming else inf
    return Flow(backlog, clear, 0.5 * backlog * (hours + clear), backlog / after)


def erlang_c(arrivals: float, rate: float, servers: int) -> tuple[float, float]:
    """Return the probability of waiting and the mean wait (hours) of M/M/c, first come first served."""
    offered = arrivals / rate
    if offered >= servers:
        return 1.0, inf
    busy = exp(servers * log(offered) - lgamma(servers + 1)) / (1.0 - offered / servers)
    waits = busy / (sum(exp(k * log(offered) - lgamma(k + 1)) for k in range(servers)) + busy)
    return waits, waits / (servers * rate - arrivals)


def queue_drain(per_second: float, seconds_each: float, hours: float) -> tuple[float, float]:
    """Return how many messages wait after an outage and how many seconds their queue takes to drain."""
    waiting = per_second * hours * 3600.0
    busy = per_second * seconds_each
    return waiting, waiting * seconds_each / (1.0 - busy) if busy < 1.0 else inf


def disk_hours(free_gb: float, reserve_share: float, exam_gb: float, exams_per_hour: float) -> float:
    """Return after how many hours the disks of a modality are full."""
    filling = exams_per_hour * exam_gb
    return free_gb * (1.0 - reserve_share) / filling if filling else inf


def reconciliation_hours(
    exams: float, match_minutes: float, error_share: float, fix_minutes: float, unordered: float, order_minutes: float
) -> float:
    """Return the hours of work that ``exams`` done without a worklist cost afterwards."""
    return exams * (match_minutes + error_share * fix_minutes + unordered * order_minutes) / 60.0
