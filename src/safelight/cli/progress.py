"""Progress on standard error: bars where somebody watches, a line now and then where nobody does."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from safelight.core.progress import Progress, Report, silent

SECONDS_BETWEEN_LINES: Final = 5.0


@contextmanager
def shown(*, quiet: bool) -> Iterator[Report]:
    """Give a report that shows progress as fits where standard error goes."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _Lines()


class _Lines:
    """Of each stage a line every few seconds and one at its end, for logs and pipes; no line twice in a row."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, float]] = {}
        """By stage, the last line and when it was told."""

    def __call__(self, progress: Progress) -> None:
        finished = progress.total > 0 and progress.done >= progress.total
        now = time.monotonic()
        last, told_at = self._told.get(progress.stage, ("", -SECONDS_BETWEEN_LINES))
        if not finished and now - told_at < SECONDS_BETWEEN_LINES:
            return
        of = f" of {progress.total:,}" if progress.total else ""
        note = f" ({progress.note})" if progress.note else ""
        line = f"{progress.stage}: {progress.done:,}{of} {progress.unit}{note}"
        if line != last:
            self._told[progress.stage] = (line, now)
            print(line, file=sys.stderr, flush=True)


@contextmanager
def _bars() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("[bold]{task.description:<12}"),
        BarColumn(bar_width=36),
        TextColumn("{task.fields[reading]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, object] = {}

        def report(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=None, reading="", note="")
            task = next(one for one in bars.tasks if one.id == tasks[progress.stage])
            rate = progress.done / task.elapsed if task.elapsed else 0.0
            reading = _reading(progress, rate)
            total = progress.total or None
            bars.update(task.id, completed=progress.done, total=total, reading=reading, note=progress.note)

        yield report


def _reading(progress: Progress, rate: float) -> str:
    if progress.unit == "bytes":
        of = f" / {progress.total / 1e6:,.0f}" if progress.total else ""
        return f"{progress.done / 1e6:,.0f}{of} MB  {rate / 1e6:,.0f} MB/s"
    of = f" / {progress.total:,}" if progress.total else ""
    return f"{progress.done:,}{of} {progress.unit}  {rate:,.0f}/s"
