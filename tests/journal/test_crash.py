"""What `append` has returned is there after the process was killed."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from safelight.core.clock import SetClock
from safelight.journal.journal import Journal

APPENDER = """
import sys
from pathlib import Path
from safelight.core.clock import SystemClock
from safelight.journal.journal import Journal
journal = Journal.open(Path(sys.argv[1]), SystemClock(), "node-a")
while True:
    entries = journal.append_all([("served-start", {"text": "x" * 500})] * int(sys.argv[2]))
    print(entries[-1].position, flush=True)
"""


@pytest.mark.parametrize(("batch", "reports"), [(1, 1), (1, 40), (7, 13)])
def test_every_reported_position_outlives_a_kill(tmp_path: Path, batch: int, reports: int) -> None:
    path = tmp_path / "journal.db"
    clock = SetClock(datetime(2026, 3, 1, tzinfo=UTC))
    Journal.create(path, clock, "node-a").close()
    with subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path), str(batch)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(reports):
            line = process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().splitlines(keepends=True)
    reported = [int(one) for one in [line, *rest] if one.endswith("\n")]
    journal = Journal.open(path, clock, "node-a")
    last = journal.last()
    assert last is not None
    assert last.position >= max(reported)
    # A batch is there whole or not at all.
    assert last.position % batch == 0
    assert journal.verify(at_least=max(reported)) == []
    assert journal.append("served-stop", {}).position == last.position + 1


def test_the_file_cut_back_to_any_committed_length_still_opens(tmp_path: Path) -> None:
    path, log = tmp_path / "journal.db", tmp_path / "journal.db-wal"
    clock = SetClock(datetime(2026, 3, 1, tzinfo=UTC))
    journal = Journal.create(path, clock, "node-a")
    journal.append("home-made", {})
    ends = []
    for number in range(6):
        journal.append("served-start", {"number": number})
        ends.append((number + 2, log.stat().st_size))
    content, base = log.read_bytes(), path.read_bytes()
    for number, (position, size) in enumerate(ends):
        for torn in (0, 1, 100, 2000):
            here = tmp_path / f"cut-{number}-{torn}.db"
            here.write_bytes(base)
            here.with_name(here.name + "-wal").write_bytes(content[: size + torn])
            again = Journal.open(here, clock, "node-a")
            last = again.last()
            assert last is not None
            assert last.position >= position
            assert again.verify(at_least=position) == []
            again.close()
