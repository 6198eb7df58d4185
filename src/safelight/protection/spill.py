"""Sorting more entries than memory holds, through an unnamed file that vanishes with the process."""

import heapq
import json
import os
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import ClassVar, Final, Self

from safelight.core.errors import ResourceError

_READ_BYTES: Final = 32 * 1024

Entry = tuple[str, str, str, int, str]
"""Study, series, locator, size and SOP Instance UID of one file."""


class SpillFailed(ResourceError):
    """The temporary file that sorts a scattered source could not be written."""

    code: ClassVar[str] = "protection.spill-failed"
    hint: ClassVar[str] = "Free space in the home's file system, then run the same seed again; what is held is skipped."


class Spill:
    """Entries that come in any order and leave by study, series and locator.

    Memory stays within one run of entries while adding, and one block a run while reading.
    """

    def __init__(self, directory: str | None = None, run_entries_max: int = 20_000) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by __exit__)
        self._run_entries_max = run_entries_max
        self._waiting: list[Entry] = []
        self._runs: list[tuple[int, int]] = []
        self._end = 0

    @property
    def used(self) -> bool:
        """Whether anything was spilled."""
        return bool(self._waiting or self._runs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Take one entry.

        Raises:
            SpillFailed: the file system refused.
        """
        self._waiting.append(entry)
        if len(self._waiting) >= self._run_entries_max:
            self._write_run()

    def in_order(self) -> Iterator[Entry]:
        """Give all entries back, sorted; nothing may be added after.

        Raises:
            SpillFailed: the file system refused.
        """
        self._waiting.sort()
        runs = [self._read_run(start, end) for start, end in self._runs]
        return heapq.merge(self._waiting, *runs)

    def _write_run(self) -> None:
        self._waiting.sort()
        start = self._end
        try:
            for entry in self._waiting:
                self._end += self._file.write(json.dumps(entry).encode("ascii") + b"\n")
            self._file.flush()
        except OSError as error:
            raise SpillFailed(error=error.strerror) from error
        self._runs.append((start, self._end))
        self._waiting.clear()

    def _read_run(self, start: int, end: int) -> Iterator[Entry]:
        rest = b""
        while start < end:
            try:
                block = os.pread(self._file.fileno(), min(_READ_BYTES, end - start), start)
            except OSError as error:
                raise SpillFailed(error=error.strerror) from error
            start += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                study, series, locator, size, instance = json.loads(line)
                yield study, series, locator, size, instance
