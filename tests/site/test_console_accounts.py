"""Accounts: never one of which the journal does not say who made it, and a file that is looked at again."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from safelight.console.account import Account, write_accounts
from safelight.console.role import Role
from safelight.core.errors import SafelightError
from safelight.core.progress import silent
from safelight.site.account_file import AccountFile, accounts_of
from safelight.site.acts import act
from safelight.site.opened import Site
from safelight.site.web_house import ROWS_MAX, newest
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.hl7_house import make_home

WHO = {"reason": "test", "by": "A. Admin"}
JANE = {"account": "jroe", "name": "Jane Roe", "role": "viewer", "password": "a lamp in the darkroom"}
KINDS = {"console-account-made": "viewer", "console-role-changed": "technologist", "console-account-removed": ""}


def _life(site: Site, done: list[str]) -> None:
    steps: tuple[tuple[str, dict[str, Any]], ...] = (
        ("add", JANE),
        ("role", {"account": "jroe", "role": "technologist"}),
        ("remove", {"account": "jroe"}),
    )
    for name, told in steps:
        act(site, f"console.account.{name}", {**told, **WHO}, silent)
        done.append(name)


@pytest.mark.slow
def test_no_power_cut_leaves_an_account_that_nobody_made(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    make_home(prepared)
    with Machine(copy_machine(prepared, tmp_path / "whole")) as machine, machine.site() as site:
        opening = len(machine.disk.calls)
        _life(site, [])
        whole = len(machine.disk.calls)
    assert whole - opening >= 9, "three facts, and three files with their directory"
    for number in range(opening + 1, whole + 1):
        root, done = copy_machine(prepared, tmp_path / f"cut{number}"), list[str]()
        with Machine(root) as machine:
            machine.disk.cut_at(number, When.AFTER)
            with suppress(PowerCut), machine.site() as site:
                _life(site, done)
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            accounts = accounts_of(site.home)
            facts = [KINDS[entry.kind] for entry in site.journal.entries(kinds=KINDS)]
        now = accounts["jroe"].role.value if accounts else ""
        # What holds now was said last, or next to last, when the cut came between saying and doing.
        assert now in ["", *facts][-2:], (number, now, facts)
        assert len(facts) >= len(done), (number, done, facts)


def test_no_list_grows_for_ever() -> None:
    document = newest({"exams": list(range(ROWS_MAX + 5)), "open": 7}, "exams")
    assert (document["exams"][0], document["exams"][-1]) == (5, ROWS_MAX + 4)
    assert (document["open"], document["is_more"]) == (7, True)
    assert newest({"exams": [1]}, "exams") == {"exams": [1], "is_more": False}


def test_a_file_that_was_mended_is_read_again_however_it_was_mended(tmp_path: Path) -> None:
    home, told = make_home(tmp_path), list[SafelightError]()
    kept = AccountFile(home, told.append)
    whole = write_accounts([Account("jroe", "Jane Roe", Role.VIEWER, "kept")])
    home.accounts.write_bytes(whole.replace(b'"viewer"', b'"vieweR"'))
    facts = home.accounts.stat()
    assert (dict(kept.accounts()), dict(kept.accounts()), len(told)) == ({}, {}, 1), "told once, and not at every look"
    # As a copy that keeps its times, or `chown` after one that was not ours to read: only the file system sees it.
    with home.accounts.open("r+b") as file:
        file.write(whole)
    os.utime(home.accounts, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    while home.accounts.stat().st_ctime_ns == facts.st_ctime_ns:
        # The clock of file systems goes in steps of milliseconds.
        os.utime(home.accounts, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert list(kept.accounts()) == ["jroe"]
