"""Passwords, accounts, origins: what is let through the door and what is not."""

import json

import pytest

from safelight.console.account import (
    Account,
    AccountThere,
    BadAccount,
    BadAccounts,
    read_accounts,
    with_account,
    write_accounts,
)
from safelight.console.faults import BadRequest, ForeignOrigin, NameIsYours
from safelight.console.guard import EVERYBODY, Visitor, judge_origin
from safelight.console.password import BadPassword, fits, hashed, judge_password
from safelight.console.role import RIGHTS, Role

JANE = Account("jroe", "Jane Roe", Role.VIEWER, "kept")


def test_a_password_fits_itself_alone_and_is_kept_as_argon2id() -> None:
    kept = hashed("Löwe in der Dunkelkammer")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert fits("Löwe in der Dunkelkammer", kept), "however the keyboard writes it"
    assert not fits("Löwe in der Dunkelkammer ", kept)
    assert hashed("Löwe in der Dunkelkammer") != kept


@pytest.mark.parametrize("password", ["", "short", "aaaaaaaaaaaaaa", "jroe123456", "Jane Roe!1", "x" * 257])
def test_a_password_that_anybody_guesses_is_refused(password: str) -> None:
    with pytest.raises(BadPassword):
        judge_password(password, "jroe", "Jane Roe")


@pytest.mark.parametrize(
    ("account", "name", "role"),
    [
        ("", "Jane", "viewer"),
        ("JROE", "Jane", "viewer"),
        ("../etc", "Jane", "viewer"),
        ("j" * 33, "Jane", "viewer"),
        ("jroe", " ", "viewer"),
        ("jroe", "Jane\nRoe", "viewer"),
        ("jroe", "J" * 65, "viewer"),
        ("jroe", "Jane", "root"),
    ],
)
def test_what_cannot_be_an_account_is_refused(account: str, name: str, role: str) -> None:
    with pytest.raises(BadAccount):
        Account.parse(account, name, role, shared=False)


def test_no_two_accounts_sign_alike() -> None:
    accounts = with_account({}, JANE)
    for other in (Account("jroe", "Other", Role.VIEWER, ""), Account("other", "JANE ROE", Role.VIEWER, "")):
        with pytest.raises(AccountThere):
            with_account(accounts, other)


def test_accounts_are_read_as_they_were_written_and_a_spoilt_file_is_told() -> None:
    desk = Account("ct-desk", "CT Ünter", Role.TECHNOLOGIST, "kept", shared=True)
    written = write_accounts([JANE, desk])
    assert read_accounts(written) == {"jroe": JANE, "ct-desk": desk}
    document = json.loads(written)
    document["accounts"][0]["role"] = "root"
    for spoilt in (b"", b"[]", b"{}", written[:-20], json.dumps(document).encode(), b'{"accounts": [1]}', b"\xff"):
        with pytest.raises(BadAccounts):
            read_accounts(spoilt)


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({}, True),
        ({"host": "here:8080", "origin": "https://here:8080"}, True),
        ({"host": "HERE:8080", "origin": "https://here:8080", "sec-fetch-site": "same-origin"}, True),
        ({"host": "here:8080", "sec-fetch-site": "none"}, True),
        ({"host": "here:8080", "origin": "https://here:8081"}, False),
        ({"host": "here:8080", "origin": "https://here:8080.evil.example"}, False),
        ({"host": "here:8080", "origin": "null"}, False),
        ({"host": "here:8080", "origin": ""}, False),
        ({"host": "here:8080", "sec-fetch-site": "same-site"}, False),
        ({"origin": "https://here:8080"}, False),
        ({"host": "here:8080", "origin": "https://["}, False),
    ],
)
def test_an_act_comes_from_our_own_pages_or_from_no_page(headers: dict[str, str], is_own: bool) -> None:
    if is_own:
        judge_origin(headers)
    else:
        with pytest.raises(ForeignOrigin):
            judge_origin(headers)


def test_everybody_signs_with_their_own_name() -> None:
    personal = Visitor(RIGHTS[Role.VIEWER], JANE)
    shared = Visitor(RIGHTS[Role.VIEWER], Account("desk", "CT desk", Role.VIEWER, "", shared=True))
    assert personal.signs("") == "Jane Roe"
    with pytest.raises(NameIsYours):
        personal.signs("Somebody")
    assert (shared.signs(""), shared.signs(" Jane ")) == ("CT desk", "Jane (CT desk)")
    assert EVERYBODY.signs("R. Hearsal") == "R. Hearsal"
    for odd in ("a\nb", "x" * 65, "\u202eevil"):
        with pytest.raises(BadRequest):
            shared.signs(odd)
