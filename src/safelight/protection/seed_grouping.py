"""Gathering the files of a seed by study and series, whatever order the source gives them in.

An archive may keep a series in one folder or scatter it over sixty thousand. A window of recent files finds
what lies near together; what is still small when it falls out of the window is spilled to disk and gathered
at the end in sorted order. Memory never grows with the number of files.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from safelight.protection.packing import cut_packs
from safelight.protection.spill import Entry, Spill


@dataclass(frozen=True, slots=True)
class SurveyedFile:
    """One file of the source whose head was read; an opaque one has an empty study, series and instance."""

    locator: str
    size: int
    study: str
    series: str
    instance: str = ""


@dataclass(frozen=True, slots=True)
class GroupingSettings:
    """How much is gathered before something must leave."""

    pack_bytes_max: int = 64 * 1024 * 1024
    shared_bytes_max: int = 16 * 1024 * 1024
    window_files_max: int = 10_000
    idle_files: int = 256
    """A study that got nothing during this many files is taken for whole, if it fills a fair pack."""
    spill_bytes_below: int = 8 * 1024 * 1024
    """A study smaller than this that falls out of the window is spilled and gathered at the end."""


@dataclass(slots=True)
class _Study:
    touched: int = 0
    count: int = 0
    bytes: int = 0
    series: dict[str, list[SurveyedFile]] = field(default_factory=dict)
    series_bytes: dict[str, int] = field(default_factory=dict)


Batch = Sequence[SurveyedFile]
"""Files that become one pack: of one study, at most a pack's raw bytes unless it is a single larger file."""


class Grouping:
    """The window over a stream of surveyed files."""

    def __init__(self, settings: GroupingSettings, spill: Spill) -> None:
        self._settings = settings
        self._spill = spill
        self._recent: OrderedDict[str, _Study] = OrderedDict()
        self._idle: OrderedDict[str, _Study] = OrderedDict()
        self._seen = 0
        self._held = 0

    def add(self, file: SurveyedFile) -> Iterator[Batch]:
        """Take a file and give the batches that are due because of it."""
        self._seen += 1
        self._held += 1
        study = self._idle.pop(file.study, None) or self._recent.get(file.study) or _Study()
        self._recent[file.study] = study
        self._recent.move_to_end(file.study)
        study.touched = self._seen
        due = self._put(study, file)
        if due:
            yield due
        yield from self._retire()

    def rest(self) -> Iterator[Batch]:
        """Give everything that is left: first what memory holds, then what was spilled.

        The largest study comes first, so that no packer begins with it when the others have nothing left to do.
        """
        left = sorted([*self._idle.values(), *self._recent.values()], key=lambda study: study.bytes, reverse=True)
        self._idle.clear()
        self._recent.clear()
        for study in left:
            yield from self._settle(study, spilled_before=self._spill.used)
        yield from gather(self._spill.in_order(), self._settings)

    def _put(self, study: _Study, file: SurveyedFile) -> Batch:
        files = study.series.setdefault(file.series, [])
        filled = study.series_bytes.get(file.series, 0)
        due: Batch = ()
        if files and filled + file.size > self._settings.pack_bytes_max:
            due = files
            study.series[file.series] = files = []
            self._forget(study, due, filled)
            filled = 0
        files.append(file)
        study.series_bytes[file.series] = filled + file.size
        study.count += 1
        study.bytes += file.size
        return due

    def _forget(self, study: _Study, files: Batch, size: int) -> None:
        study.count -= len(files)
        study.bytes -= size
        self._held -= len(files)

    def _retire(self) -> Iterator[Batch]:
        while self._recent:
            name, study = next(iter(self._recent.items()))
            if self._seen - study.touched < self._settings.idle_files:
                break
            del self._recent[name]
            if study.bytes >= self._settings.spill_bytes_below:
                self._held -= study.count
                yield from batches(study.series, self._settings)
            else:
                self._idle[name] = study
        while self._held > self._settings.window_files_max:
            _, study = (self._idle or self._recent).popitem(last=False)
            self._held -= study.count
            yield from self._settle(study, spilled_before=True)

    def _settle(self, study: _Study, *, spilled_before: bool) -> Iterator[Batch]:
        if spilled_before and study.bytes < self._settings.spill_bytes_below:
            for files in study.series.values():
                for file in files:
                    self._spill.add((file.study, file.series, file.locator, file.size, file.instance))
        else:
            yield from batches(study.series, self._settings)


def batches(series: dict[str, list[SurveyedFile]], settings: GroupingSettings) -> Iterator[Batch]:
    """Cut one study into packs; its small series share."""
    small: list[list[SurveyedFile]] = []
    for files in series.values():
        if sum(file.size for file in files) < settings.shared_bytes_max:
            small.append(files)
            continue
        for part in cut_packs([file.size for file in files], settings.pack_bytes_max, tail=True):
            yield [files[index] for index in part]
    sizes = [sum(file.size for file in files) for files in small]
    for shared in cut_packs(sizes, settings.shared_bytes_max, tail=True):
        together = [file for index in shared for file in small[index]]
        if together:
            yield together


def gather(entries: Iterable[Entry], settings: GroupingSettings) -> Iterator[Batch]:
    """Form batches of entries that come sorted by study and series."""
    current: dict[str, list[SurveyedFile]] = {}
    study_now = ""
    filled = 0
    for study, series, locator, size, instance in entries:
        if current and (study != study_now or filled + size > settings.pack_bytes_max):
            yield from batches(current, settings)
            current, filled = {}, 0
        study_now = study
        filled += size
        current.setdefault(series, []).append(SurveyedFile(locator, size, study, series, instance))
    if current:
        yield from batches(current, settings)
