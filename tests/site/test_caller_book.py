"""Who called outlives the catalog: the journal tells of it, at every power cut and however the catalog was lost."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog.caller import CallerAct, CallerRow
from safelight.core.clock import SetClock, SystemClock
from safelight.core.progress import silent
from safelight.gateway.dicom.ports import CallerSeen, Occasion
from safelight.journal.kinds import FactKind
from safelight.site.caller_book import CallerBook
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.rebuilding import rebuild_catalog
from safelight.site.register import caller_rows
from safelight.site.verifying import rebuild
from support.crash_acts import found_home
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found_home(tmp_path / "machine")
    return Home.at(tmp_path / "machine" / "home")


def _call(book: CallerBook, calling: str, stores: int, **told: Any) -> None:
    seen = {"host": "192.0.2.1", "called": "HERE", "implementation_class": "1.9", "implementation_version": "V"}
    seen |= {"sop_classes": ("1.2.3",), "transfer_syntaxes": ("1.2.840",), **told}
    for occasion in (Occasion.ASSOCIATED, *[Occasion.STORED] * stores):
        book.observe(CallerSeen(occasion=occasion, calling=calling, **seen))


def _facts(site: Site) -> list[list[str]]:
    """Return whom each fact tells of."""
    return [
        [str(one["title"]) for one in entry.facts["callers"]]  # type: ignore[index,call-overload,union-attr]
        for entry in site.journal.entries(kinds=[FactKind.CALLERS_SEEN])
    ]


def test_a_lost_catalog_takes_no_caller_with_it(home: Home) -> None:
    with Site.open(home) as site:
        book = CallerBook(site.records, site.clock)
        _call(book, "CT_1", 400)
        _call(book, "MR_1", 30, sop_classes=("1.2.4", "1.2.5"))
        book.flush()
        _call(book, "CT_1", 5)
        _call(book, "US_1", 1)
        book.settle()
        before = site.catalog.callers()
    assert {row.title: row.counts.get(CallerAct.STORE) for row in before} == {"CT_1": 405, "MR_1": 30, "US_1": 1}
    home.catalog.write_bytes(b"garbage" * 1000)
    with Site.open(home) as site:
        rebuild(site, silent)
        assert site.catalog.tally().callers == 3
    assert caller_rows(home) == before


def test_a_rebuild_loses_no_call_that_was_counted(home: Home) -> None:
    with Site.open(home) as site:
        book = CallerBook(site.records, site.clock)
        for stores in (3, 4):
            _call(book, "CT_1", stores)
            book.flush()
        before = site.catalog.callers()
        rebuild(site, silent)
        assert site.catalog.callers() == before


def test_facts_are_of_news_and_once_a_day_of_numbers(home: Home) -> None:
    clock = SetClock(SystemClock().now())

    def call(*who: Any, after: timedelta = timedelta(seconds=3), **told: Any) -> list[list[str]]:
        clock.advance(after)
        if who:
            _call(book, *who, **told)
        book.flush()
        return _facts(site)

    with Site.open(home) as site:
        book = CallerBook(site.records, clock)
        for _ in range(50):
            call("CT_1", 100)
        assert _facts(site) == [["CT_1"]], "a store is no fact"
        assert call("MR_1", 1)[1:] == [["MR_1"]]
        assert call("CT_1", 1, sop_classes=("9.9",))[2:] == [["CT_1"]]
        assert call("CT_1", 1, implementation_version="another")[3:] == []
        assert call(after=timedelta(days=1))[3:] == [["CT_1"]], "nothing new of the other one"
        assert call(after=timedelta(days=1))[4:] == [], "nothing happened"
        book.settle()
        CallerBook(site.records, clock).settle()
        assert _facts(site)[4:] == [], "another run knows what was told"


def test_a_register_that_no_fact_tells_of_is_told_at_the_first_look(home: Home) -> None:
    with Site.open(home) as site:
        book = CallerBook(site.records, site.clock)
        _call(book, "CT_1", 1)
        book._write()
        _call(book, "CT_1", 7)
        book._write()
        [before] = site.catalog.callers()
        CallerBook(site.records, site.clock).flush()
        assert _rebuilt(site) == {"CT_1": before}


def _rebuilt(site: Site) -> Mapping[str, CallerRow]:
    """Return the register as the journal alone gives it."""
    rebuild_catalog(site.home, site.journal, site.placements, site.secret, site.disk, site.log.failure)
    site.reopen_catalog()
    return {row.title: row for row in site.catalog.callers()}


@pytest.mark.parametrize("when", When)
def test_no_power_cut_loses_a_caller_that_the_register_showed(home: Home, tmp_path: Path, when: When) -> None:
    def play(site: Site, shown: dict[str, CallerRow]) -> None:
        book = CallerBook(site.records, site.clock)
        for calling, title in (("CT_1", "HERE"), ("CT_1", "HERE"), ("MR_1", "HERE"), ("CT_1", "DOWN")):
            _call(book, calling, 2, called=title)
            book.flush()
            shown.update((row.title, row) for row in site.catalog.callers())
        book.settle()
        shown["settled"] = shown["CT_1"]

    prepared = home.directory.parent
    with Machine(copy_machine(prepared, tmp_path / "whole")) as machine, machine.site() as site:
        opening = len(machine.disk.calls)
        play(site, {})
        whole = len(machine.disk.calls)
    assert whole - opening >= 8, "each turn writes into the catalog, and four times a fact"
    for number in range(opening + 1, whole + 1):
        root, shown = copy_machine(prepared, tmp_path / f"cut{number}"), {}
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                play(site, shown)
            machine.lose_power(number)
        settled = shown.pop("settled", None)
        with Machine(root) as machine, machine.site() as site:
            left = {row.title: row for row in site.catalog.callers()}
            after = _rebuilt(site)
            for title, row in [*shown.items(), *left.items()]:
                assert after[title].by_called.keys() >= row.by_called.keys(), number
                assert after[title].counts.keys() >= row.counts.keys(), number
            assert settled is None or after["CT_1"] == settled, number
