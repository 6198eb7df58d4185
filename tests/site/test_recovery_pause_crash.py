"""The power goes while a recovery is held, or goes on: what is on record of it and its finding always agree."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from safelight.recovery.facts import Resumed, Started, to_body
from safelight.site.opened import Site
from safelight.site.recoveries import pause, state_of
from safelight.site.recovery_findings import PAUSED, record
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.hl7_house import make_home, opened
from support.recovery_journal import SETTINGS

WHO = {"reason": "clinic opens", "by": "K. Lee"}
NOW = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)


def hold(site: Site) -> None:
    pause(site, WHO)


def go_on(site: Site) -> None:
    record(site.records, Resumed("1", NOW, "evening", "K. Lee"), rehearses=False)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("act", [hold, go_on])
def test_a_recovery_is_held_and_its_finding_is_open_or_neither(
    tmp_path: Path, act: Callable[[Site], None], when: When
) -> None:
    home = make_home(tmp_path / "prepared")
    with opened(home) as site:
        begun = Started("1", NOW, SETTINGS)
        site.records.record(begun.kind, to_body(begun))
        if act is go_on:
            hold(site)
    seen: set[bool] = set()
    for number in itertools.count(1):
        root = copy_machine(tmp_path / "prepared", tmp_path / f"cut{number}")
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                act(site)
            calls = len(machine.disk.calls)
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            held = bool(state_of(site.records.journal, "1").paused)
            assert held == bool(site.catalog.findings(code=PAUSED)), f"cut {number}"
            seen.add(held)
        if calls < number:
            break
    assert seen == {True, False}
