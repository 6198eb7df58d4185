"""Reading on while what is read moves: an instance that is freed under its reader is given once and whole."""

import random
from pathlib import Path

import pytest

from safelight.core.progress import silent
from safelight.site.flushing import pack_everything
from support.crash_acts import Day, found_home, harm, receive
from support.crash_site import Machine
from support.raw_sender import RawInstance, make_instance


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


@pytest.mark.parametrize(
    ("harmed", "blamed"),
    [
        ([("home", "pixels")], [("home", "pixels")]),
        ([("home", "pixels"), ("second", "own")], [("home", "pixels")]),
        ([("home", "own"), ("second", "pixels")], [("home", "own"), ("second", "pixels")]),
        ([("home", "own"), ("home", "pixels")], [("home", "own")]),
    ],
)
@pytest.mark.parametrize("in_ranges", [False, True])
def test_the_pack_that_is_damaged_is_blamed_and_not_the_one_that_refers_to_it(
    tmp_path: Path, harmed: list[tuple[str, str]], blamed: list[tuple[str, str]], in_ranges: bool
) -> None:
    root = tmp_path / "root"
    found_home(root)
    dice = random.Random(1)
    first = make_instance("2.25.902", 1, 1, 120, dice)
    alike = RawInstance("2.25.902.1.2", first.study, first.data.replace(first.uid.encode(), b"2.25.902.1.2"))
    with Machine(root) as machine, machine.site() as site:
        for one in (first, alike):
            receive(site, Day(), [one])
            pack_everything(site, silent)
        packs = {}
        for name, instance in (("pixels", first), ("own", alike)):
            (holding,) = site.catalog.holdings(digests=[bytes.fromhex(instance.digest)])
            packs[name] = holding.pack
        assert packs["pixels"] != packs["own"]
        for placement, pack in harmed:
            harm(site, Day(), placement, packs[pack])
        whole = b"".join(site.holdings.stored(holding))
        if in_ranges:
            source = site.holdings.ranged(holding)
            whole = bytes(source.read(0, source.size))
        assert whole == alike.data
        told = {finding.subject for finding in site.catalog.findings(code="vault.copy-damaged")}
        assert told == {f"{placement}/{packs[pack]}" for placement, pack in blamed}


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
