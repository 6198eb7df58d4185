"""Reading on while what is read moves: an instance that is freed under its reader is given once and whole."""

import random
from pathlib import Path

from safelight.core.progress import silent
from safelight.site.flushing import pack_everything
from support.crash_acts import Day, found_home, receive
from support.crash_site import Machine
from support.raw_sender import make_instance


def test_an_instance_that_is_freed_from_the_log_meanwhile_is_given_on_from_its_pack(tmp_path: Path) -> None:
    root = tmp_path / "root"
    found_home(root)
    large = make_instance("2.25.901", 1, 1, 1200, random.Random(1))
    with Machine(root) as machine, machine.site() as site:
        receive(site, Day(), [large])
        (row,) = site.catalog.landed("2.25.901")
        pieces = site.holdings.stored(row)
        first = bytes(next(pieces))
        assert 0 < len(first) < len(large.data)
        pack_everything(site, silent)
        while site.landing.zero_one_freed():
            pass
        assert site.landing.usage().records_waiting == 0
        assert first + b"".join(pieces) == large.data


def test_an_arrival_that_is_packed_before_it_was_looked_at_is_looked_at_in_its_pack(tmp_path: Path) -> None:
    root = tmp_path / "root"
    found_home(root)
    instance = make_instance("2.25.902", 1, 1, 64, random.Random(1))
    with Machine(root) as machine, machine.site() as site:
        receive(site, Day(), [instance])
        (row,) = site.catalog.landed("2.25.902")
        untouched, begun = site.holdings.data_set(row), site.holdings.data_set(row)
        first = bytes(begun.read(0, 1000))
        pack_everything(site, silent)
        while site.landing.zero_one_freed():
            pass
        assert first + bytes(begun.read(1000, begun.size)) == instance.data
        assert bytes(untouched.read(0, untouched.size)) == instance.data
