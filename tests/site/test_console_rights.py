"""Who may do what over HTTPS: every role at every address, as the documents say."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from safelight.console.api_table import DEEDS, DOCUMENTS, SHEETS
from safelight.console.role import BOARD_RIGHTS, RIGHTS, Right, Role
from safelight.site.web_changes import CHANGED_BY, EVERYTHING
from support.console_house import Browser, ConsoleHouse, console_house

PAGE = (Path(__file__).parents[2] / "docs/console-api.md").read_text()
READ = {**{one.name: one.right for one in (*DOCUMENTS, *SHEETS)}, "events": Right.LOOK}
DONE = {one.name: one.right for one in DEEDS}
NEEDS = {one.name: one.fields for one in DEEDS}
VISITORS = (*(role.value for role in Role), "board", "nobody")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleHouse]:
    with console_house(tmp_path_factory.mktemp("rights")) as house:
        yield house


@pytest.fixture(scope="module")
def browsers(house: ConsoleHouse) -> dict[str, Browser]:
    return {
        **{role.value: house.browser(role.value) for role in Role},
        "board": house.browser(Role.PACS_ADMINISTRATOR.value, board=True),
        "nobody": house.browser(),
    }


def rights_of(visitor: str) -> frozenset[Right]:
    return BOARD_RIGHTS if visitor == "board" else RIGHTS[Role(visitor)]


def test_the_document_shows_the_table_of_roles_and_rights() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| (yes)? ?\| (yes)? ?\| (yes)? ?\|", PAGE, re.MULTILINE)
    shown = {Right(right): [bool(one) for one in cells] for right, *cells in rows}
    assert shown == {right: [right in RIGHTS[role] for role in Role] for right in Right}


def test_the_document_names_every_address_with_its_right() -> None:
    for name, right in READ.items():
        assert re.search(rf"`GET /api/{name}`( \(right `{right}`\)|.*\| {right} \|)", PAGE), name
    for name, right in DONE.items():
        folder, _, last = name.rpartition("/")
        assert re.search(rf"`POST /api/{folder}/.*{last}`.* \| {right}\b", PAGE), name


def test_events_name_documents_that_can_be_fetched_and_the_document_lists_them() -> None:
    told = PAGE.partition("- `documents` are addresses")[2].partition("\n- ")[0]
    assert set(re.findall(r"`([a-z/-]+)`", told)) - {"/api/"} == set(EVERYTHING)
    assert set(EVERYTHING) <= {one.name for one in DOCUMENTS}
    assert {name for names in CHANGED_BY.values() for name in names} <= set(EVERYTHING)


@pytest.mark.parametrize("visitor", VISITORS)
@pytest.mark.parametrize("name", READ)
def test_who_may_read(browsers: dict[str, Browser], visitor: str, name: str) -> None:
    if name == "events" and visitor != "nobody":
        with browsers[visitor].events() as events:
            assert next(events)[1] == "hello"
        return
    answered = browsers[visitor].get(f"/api/{name}")
    if visitor == "nobody":
        assert (answered.status, answered.code) == (401, "console.login-needed")
    elif READ[name] in rights_of(visitor):
        # No probes are named, and nobody says which difference, or what to print: they are asked for in vain.
        unsaid = {one.name for one in (*DOCUMENTS, *SHEETS) if any(field.needed for field in one.fields)}
        in_vain = {"downtime/advise": "downtime.no-probes", **dict.fromkeys(unsaid, "console.bad-request")}
        expected = in_vain.get(name)
        assert answered.status == 200 if expected is None else answered.code == expected
    else:
        assert (answered.status, answered.code) == (403, "console.not-your-role")


@pytest.mark.parametrize("visitor", VISITORS)
@pytest.mark.parametrize("name", DONE)
def test_who_may_do(browsers: dict[str, Browser], visitor: str, name: str) -> None:
    answered = browsers[visitor].post(f"/api/{name}", {})
    if visitor == "nobody":
        assert (answered.status, answered.code) == (401, "console.login-needed")
    elif DONE[name] in rights_of(visitor):
        # What needs no word of its visitor finds that nobody said which PACS to ask.
        expected = "console.bad-request" if any(field.needed for field in NEEDS[name]) else "reconciliation.no-target"
        assert (answered.status, answered.code) == (400, expected)
    else:
        assert (answered.status, answered.code) == (403, "console.not-your-role")


@pytest.mark.parametrize("visitor", VISITORS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_may_use_dicomweb(browsers: dict[str, Browser], visitor: str, method: str) -> None:
    answered = browsers[visitor].ask(method, "/dicomweb/studies", b"" if method == "POST" else None)
    right = Right.FIND if method == "GET" else Right.STORE
    if visitor == "nobody":
        assert answered.status == 401
        assert answered.headers["www-authenticate"].startswith("Basic")
    elif right in rights_of(visitor):
        assert answered.status == (204 if method == "GET" else 415)
    else:
        assert (answered.status, answered.code) == (403, "console.not-your-role")


def test_a_technologist_declares_what_is_away_and_plans_nothing(browsers: dict[str, Browser]) -> None:
    told = {"scopes": ["viewers"], "reason": "dark", "dry_run": True}
    browser = browsers[Role.TECHNOLOGIST.value]
    assert browser.post("/api/downtime/declare", told).status == 200
    planned = browser.post("/api/downtime/declare", {**told, "planned_start": "2999-01-01T00:00:00Z"})
    assert (planned.status, planned.code) == (403, "console.not-your-role")
    administrator = browsers[Role.PACS_ADMINISTRATOR.value]
    planned = administrator.post("/api/downtime/declare", {**told, "planned_start": "2999-01-01T00:00:00Z"})
    assert planned.json["scopes"][0]["phase"] == "planned"
