"""Deciding when waiting instances become a pack, and which of them share one.

A pack holds one series, or a part of it. Series that are small by themselves wait until their whole study
is quiet and then share a pack, as long as it stays small: a study of forty one-image series (mammography
markers, reports, presentation states) would otherwise make forty packs, each with its own file, fact, copy
and verification. Different studies never share a pack, so that retention and export stay by study.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class PackingSettings:
    """When a pack is made and how large it may be; the sizes count raw bytes, before coding."""

    quiet_seconds: float = 3.0
    wait_seconds_max: float = 60.0
    """A series that never falls quiet is packed this long after its oldest waiting instance came."""
    pack_bytes_max: int = 64 * 1024 * 1024
    shared_bytes_max: int = 16 * 1024 * 1024
    """A series below this is small, and several small ones of one study share a pack up to this size."""


class Urgency(StrEnum):
    """How hard the landing log pushes."""

    CALM = "calm"
    PRESSURE = "pressure"
    """Landing fills: everything is packed at once, largest first, since that frees most."""
    FLUSH = "flush"
    """Somebody asked for everything to be packed, as at shutdown or before a drill."""


class Because(StrEnum):
    """Why a job is due."""

    QUIET = "quiet"
    FULL = "full"
    WAITED = "waited"
    PRESSURE = "pressure"
    FLUSH = "flush"


@dataclass(frozen=True, slots=True)
class SeriesGroup:
    """What waits in the landing log of one series. Opaque files wait under an empty study and series."""

    study: str
    series: str
    count: int
    bytes: int
    oldest_at: datetime
    newest_at: datetime
    settled: bool = False
    """Whether its senders have gone on to another series, or away: then it is quiet without waiting."""


@dataclass(frozen=True, slots=True)
class PackingJob:
    """Series of one study that are due; `cut_packs` divides their instances into packs."""

    study: str
    series: tuple[str, ...]
    bytes: int
    count: int
    tail: bool
    """Whether what is left after the last full pack is packed too, or waits for more."""
    because: Because


def decide_packing(
    groups: Sequence[SeriesGroup], now: datetime, settings: PackingSettings, urgency: Urgency
) -> Sequence[PackingJob]:
    """Return what is to be packed now: oldest first, under pressure largest first."""
    studies: dict[str, list[SeriesGroup]] = defaultdict(list)
    for group in groups:
        if group.count:
            studies[group.study].append(group)
    due = [
        (min(group.oldest_at for group in taken), job)
        for study_groups in studies.values()
        for taken, job in _study_jobs(study_groups, now, settings, urgency)
    ]
    if urgency is Urgency.PRESSURE:
        due.sort(key=lambda pair: (-pair[1].bytes, pair[0], pair[1].study, pair[1].series))
    else:
        due.sort(key=lambda pair: (pair[0], pair[1].study, pair[1].series))
    return [job for _, job in due]


def cut_packs(sizes: Sequence[int], bytes_max: int, *, tail: bool) -> Iterator[range]:
    """Divide waiting instances, in their order, into packs of at most ``bytes_max`` raw bytes.

    An instance is never split: one that is larger than a pack has a pack of its own. Without ``tail`` a
    last pack that is not full waits for more.
    """
    start = 0
    filled = 0
    for index, size in enumerate(sizes):
        if filled and filled + size > bytes_max:
            yield range(start, index)
            start, filled = index, 0
        filled += size
    if start < len(sizes) and (tail or filled >= bytes_max):
        yield range(start, len(sizes))


def _study_jobs(
    groups: Sequence[SeriesGroup], now: datetime, settings: PackingSettings, urgency: Urgency
) -> Iterator[tuple[Sequence[SeriesGroup], PackingJob]]:
    study_quiet = all(_is_quiet(group, now, settings) for group in groups)
    small: list[SeriesGroup] = []
    small_because: Because | None = None
    for group in sorted(groups, key=lambda group: (group.oldest_at, group.series)):
        is_small = group.bytes < settings.shared_bytes_max
        quiet = study_quiet if is_small else _is_quiet(group, now, settings)
        because = _because(group, now, settings, urgency, quiet=quiet)
        if because is None:
            continue
        if is_small:
            small.append(group)
            small_because = small_because or because
        else:
            yield [group], _job([group], because)
    if small_because is not None:
        for shared in _share(small, settings.shared_bytes_max):
            yield shared, _job(shared, small_because)


def _is_quiet(group: SeriesGroup, now: datetime, settings: PackingSettings) -> bool:
    return group.settled or now - group.newest_at >= timedelta(seconds=settings.quiet_seconds)


def _because(
    group: SeriesGroup, now: datetime, settings: PackingSettings, urgency: Urgency, *, quiet: bool
) -> Because | None:
    if urgency is Urgency.PRESSURE:
        return Because.PRESSURE
    if urgency is Urgency.FLUSH:
        return Because.FLUSH
    if now - group.oldest_at >= timedelta(seconds=settings.wait_seconds_max):
        return Because.WAITED
    if quiet:
        return Because.QUIET
    if group.bytes >= settings.pack_bytes_max:
        return Because.FULL
    return None


def _share(groups: Sequence[SeriesGroup], bytes_max: int) -> Iterator[Sequence[SeriesGroup]]:
    for part in cut_packs([group.bytes for group in groups], bytes_max, tail=True):
        yield [groups[index] for index in part]


def _job(groups: Sequence[SeriesGroup], because: Because) -> PackingJob:
    return PackingJob(
        study=groups[0].study,
        series=tuple(group.series for group in groups),
        bytes=sum(group.bytes for group in groups),
        count=sum(group.count for group in groups),
        tail=because is not Because.FULL,
        because=because,
    )
