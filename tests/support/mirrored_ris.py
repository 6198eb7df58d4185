"""The RIS whose worklist is mirrored: `odd_ris.py` in a process of its own, told how to behave."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from safelight.core.names import AETitle, Peer
from support.dicom_peers import free_port, running

PROGRAM = Path(__file__).with_name("odd_ris.py")
TODAY = datetime.now().astimezone()


def day(ahead: int = 1) -> str:
    """Return a day from today, as DICOM writes it."""
    return f"{TODAY + timedelta(days=ahead):%Y%m%d}"


def rows(count: int, ahead: int = 1, minutes: int = 1) -> list[tuple[int, str, str]]:
    """Return so many steps of one day: number, date and time of each."""
    return [
        (number + 1, day(ahead), f"{number * minutes // 60 % 24:02d}{number * minutes % 60:02d}00")
        for number in range(count)
    ]


class OddRis:
    """A running RIS."""

    def __init__(self, port: int, told: Path) -> None:
        self.peer = Peer(AETitle("RIS"), "127.0.0.1", port)
        self._told = told
        self.behave([])

    def behave(self, listed: list[Any], way: str = "well", **more: Any) -> None:
        """Have it list these steps from now on, in some way."""
        self._told.write_text(json.dumps({"rows": listed, "way": way, **more}))

    @property
    def queries(self) -> int:
        """How often it was asked since it was told how to behave."""
        return int(json.loads(self._told.read_text()).get("queries", 0))


@contextmanager
def odd_ris(folder: Path) -> Iterator[OddRis]:
    """Run one."""
    port = free_port()
    found = OddRis(port, folder / "told.json")
    with running([sys.executable, "-W", "ignore", PROGRAM, str(port), folder / "told.json"], port):
        yield found
