"""A recovery that is cut off before its order is on record never goes on in another order than the one asked for."""

import random
from pathlib import Path

import pytest

from safelight.core.progress import silent
from safelight.site import recoveries
from safelight.site.flushing import pack_everything
from safelight.site.opened import Site
from safelight.site.recoveries import OrderNotOnRecord, resume, start, state_of
from support.crash_acts import WHO, Day, found_home, receive
from support.crash_disk import PowerCut
from support.crash_site import Machine
from support.raw_sender import make_instance


def cut_off(site: Site, out: Path, monkeypatch: pytest.MonkeyPatch, **given: object) -> None:
    dice = random.Random(1)
    receive(site, Day(), [make_instance(f"2.25.90{number}", 1, 1, 16, dice) for number in (1, 2, 3)])
    pack_everything(site, silent)
    with monkeypatch.context() as broken, pytest.raises(PowerCut):
        broken.setattr(recoveries, "order_of", lambda *_: (_ for _ in ()).throw(PowerCut))
        start(site, {"folder": str(out), "associations": 1, **given, **WHO}, silent)


def test_the_lists_that_say_who_goes_first_are_asked_for_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_home(tmp_path / "root")
    with Machine(tmp_path / "root") as machine, machine.site() as site:
        cut_off(site, tmp_path / "out", monkeypatch, pins=["2.25.902"])
        with pytest.raises(OrderNotOnRecord) as refused:
            resume(site, WHO, silent)
        assert refused.value.facts["missing"] == "pins"
        assert resume(site, {**WHO, "pins": ["2.25.902"]}, silent)["all_confirmed"]
        assert state_of(site.records.journal, None).order[0] == "2.25.902"


def test_without_lists_it_goes_on_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found_home(tmp_path / "root")
    with Machine(tmp_path / "root") as machine, machine.site() as site:
        cut_off(site, tmp_path / "out", monkeypatch)
        assert resume(site, WHO, silent)["all_confirmed"]
