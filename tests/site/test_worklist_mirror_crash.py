"""I6 for the mirrored worklist: the power goes at every durable write of a refresh, and of computing it again."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog import listed_step
from safelight.core.clock import SetClock, to_text
from safelight.core.progress import silent
from safelight.gateway.dicom.retrieval import QueryFailed
from safelight.site import hl7_records
from safelight.site.acts import act
from safelight.site.hl7_worklist import lists_document, worklist_document
from safelight.site.home import Home
from safelight.site.opened import Site
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.hl7_house import make_home, opened
from support.mirrored_ris import OddRis, odd_ris, rows

pytestmark = [pytest.mark.peer, pytest.mark.slow]

OLD, FAILED, NEW = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (0, 5, 10))
BEFORE = [*rows(5), *rows(2, ahead=2)]
AFTER = [(1, *BEFORE[0][1:]), (2, BEFORE[1][1], "235900"), *rows(6, ahead=3)[2:]]
"""One step stays, one moves, some go and more come than one fact takes."""


@dataclass(frozen=True)
class Seen:
    """A worklist as a technologist sees it."""

    as_of: str
    steps: tuple[tuple[str, str, str, str], ...]


@pytest.fixture(scope="module")
def ris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OddRis]:
    with odd_ris(tmp_path_factory.mktemp("ris")) as found:
        yield found


@pytest.fixture(autouse=True)
def few_in_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each edition of the list several facts."""
    monkeypatch.setattr(listed_step, "IN_FACT_MAX", 2)


def _mirror(site: Site, ris: OddRis, at: datetime, listed: list[Any], **told: Any) -> None:
    site.clock = SetClock(at)  # type: ignore[assignment]
    ris.behave(listed, told.pop("way", "well"))
    act(site, "gateway.worklist.mirror", {"source": str(ris.peer), **told}, silent)


def _seen(home: Home) -> Seen:
    document = worklist_document(home, {"limit": 99})
    steps = []
    for one in document["steps"]:
        told = one["attributes"]
        date, time = told["ScheduledProcedureStepStartDate"], told["ScheduledProcedureStepStartTime"]
        steps.append((told["AccessionNumber"], date, time, one["as_of"]))
    return Seen(next((one["as_of"] for one in document["lists"]), ""), tuple(sorted(steps)))


def _edition(listed: list[Any], at: datetime) -> Seen:
    return Seen(to_text(at), tuple(sorted((f"A{number}", date, time, to_text(at)) for number, date, time in listed)))


def _frozen(home: Home) -> str:
    (one,) = lists_document(home)["lists"]
    return str(one["frozen"])


def _every_cut(
    prepared: Path,
    tmp_path: Path,
    when: When,
    work: Callable[[Site], None],
    check: Callable[[Path], None],
    seed: int = 0,
) -> int:
    for number in itertools.count(1):
        root = copy_machine(prepared, tmp_path / f"cut{number}")
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                work(site)
            calls = len(machine.disk.calls)
            machine.lose_power(number + 1000 * seed)
        check(root)
        if calls < number:
            return number
    raise AssertionError


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("shrinks", [False, True])
def test_a_power_cut_in_a_refresh_leaves_the_old_list_or_the_new_one_with_its_own_moment(
    tmp_path: Path, ris: OddRis, when: When, shrinks: bool
) -> None:
    listed = rows(2) if shrinks else AFTER
    accepted = {"accept": True, "reason": "a quiet day", "by": "A. Admin"} if shrinks else {}
    old, new = _edition(BEFORE, OLD), _edition(listed, NEW)
    home = make_home(tmp_path / "prepared")
    with opened(home) as site:
        _mirror(site, ris, OLD, BEFORE)
        if shrinks:
            _mirror(site, ris, FAILED, listed)
        else:
            with pytest.raises(QueryFailed):
                _mirror(site, ris, FAILED, BEFORE, way="fails")
    assert _seen(home) == old and _frozen(home)
    found: set[Seen] = set()

    def check(root: Path) -> None:
        home = Home.at(root / "home")
        # Somebody may look before the program runs again, and then is told what was known last.
        looked = _seen(home)
        with Machine(root) as machine, machine.site() as site:
            assert site.messages.index.listed_counts()
            recovered = _seen(home)
            assert {looked, recovered} <= {old, new} and (looked, recovered) != (new, old)
            assert recovered == new or _frozen(home)
            found.add(recovered)
            _mirror(site, ris, NEW, listed, **accepted)
            assert _seen(home) == new and _frozen(home) == ""
            assert not [one for one in site.catalog.findings() if one.code.startswith("gateway.worklist")]
            assert site.records.journal.verify() == []

    number = _every_cut(
        tmp_path / "prepared", tmp_path, when, lambda site: _mirror(site, ris, NEW, listed, **accepted), check
    )
    assert number > 5 and found == {old, new}
    print(f"{number} durable writes")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_lost", [False, True])
def test_a_power_cut_while_the_list_is_computed_from_the_journal_shows_no_mixture(
    tmp_path: Path, ris: OddRis, monkeypatch: pytest.MonkeyPatch, is_lost: bool, seed: int
) -> None:
    old, new = _edition(BEFORE, OLD), _edition(AFTER, NEW)
    home = make_home(tmp_path / "prepared")
    with opened(home) as site:
        _mirror(site, ris, OLD, BEFORE)
    known = {path: path.read_bytes() for path in home.directory.glob("messages.db*")}
    with opened(home) as site:
        _mirror(site, ris, NEW, AFTER)
    # The facts of the new edition are durable, and the index knows nothing of them, or is not there at all.
    for path in home.directory.glob("messages.db*"):
        path.unlink()
    for path, data in ({} if is_lost else known).items():
        path.write_bytes(data)
    monkeypatch.setattr(hl7_records, "CAUGHT_UP_AT_ONCE", 1)
    nothing = Seen("", ())

    def check(root: Path) -> None:
        home = Home.at(root / "home")
        assert _seen(home) in ({nothing, old, new} if is_lost else {old, new})
        with Machine(root) as machine, machine.site() as site:
            assert site.messages.index.listed_counts()
            assert _seen(home) == new

    number = _every_cut(tmp_path / "prepared", tmp_path, When.AFTER, lambda site: site.messages.close(), check, seed)
    assert number > 2
