"""Signing the recovery plan by login: who may, what is signed, and what counts afterwards."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.core.signing import SigningKey
from safelight.journal.kinds import FactKind
from safelight.plan.errors import NoSigningAccount, NothingToSign, PlanChanged
from safelight.plan.model import Plan
from safelight.plan.signature import Login, Signature, agreement, shown_digest, sign_by_login, unsigned_digests
from safelight.plan.words import Side
from safelight.site.plan_folder import PlanFolder, example_plan, example_texts, write_plan
from safelight.vault.keys import load_public_keys
from support.console_house import PASSWORD, ConsoleHouse, console_house

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
NODE = SigningKey.generate()
IT_ACCOUNT, RADIOLOGY_ACCOUNT = "pacs-administrator", "viewer"


def bound() -> Plan:
    plan = example_plan("400-bed", date(2026, 11, 24))
    accounts = {"ines": IT_ACCOUNT, "paula": RADIOLOGY_ACCOUNT}
    people = tuple(replace(one, account=accounts.get(one.id)) for one in plan.people)
    return replace(plan, people=people, plan=replace(plan.plan, console_key=NODE.verify_key.raw.hex()))


def signed(plan: Plan, account: str, before: tuple[Signature, ...] = (), key: SigningKey = NODE) -> Signature:
    person = next(one for one in plan.people if one.account == account)
    shown = shown_digest(unsigned_digests(plan, before, person.side))
    return sign_by_login(plan, Login(account, NOW), key, shown, before, NOW, "version 1")


def test_both_sides_approve_by_login_and_a_change_is_signed_alone() -> None:
    plan = bound()
    both = (signed(plan, IT_ACCOUNT), signed(plan, RADIOLOGY_ACCOUNT))
    assert agreement(plan, both).approved
    with pytest.raises(NothingToSign):
        signed(plan, IT_ACCOUNT, both)
    slower = replace(plan, systems=(replace(plan.systems[0], tier=3), *plan.systems[1:]))
    part = f"systems/{plan.systems[0].id}"
    assert agreement(slower, both).missing(Side.IT) == (part,)
    again = signed(slower, IT_ACCOUNT, both)
    assert set(again.covers) == {part}
    assert agreement(slower, (*both, again)).missing(Side.IT) == ()
    assert agreement(slower, (*both, again)).missing(Side.RADIOLOGY) == (part,)


def test_only_whom_the_plan_names_signs_and_only_what_was_shown() -> None:
    plan = bound()
    with pytest.raises(NoSigningAccount):
        sign_by_login(plan, Login("technologist", NOW), NODE, "", (), NOW, "")
    with pytest.raises(NoSigningAccount):
        signed(plan, IT_ACCOUNT, key=SigningKey.generate())
    with pytest.raises(PlanChanged):
        sign_by_login(plan, Login(IT_ACCOUNT, NOW), NODE, "0" * 64, (), NOW, "")


def test_a_signature_by_login_cannot_be_bent() -> None:
    plan = bound()
    good = signed(plan, IT_ACCOUNT)
    assert Signature.load(json.loads(json.dumps(good.document()))) == good
    bent = [
        replace(good, account=RADIOLOGY_ACCOUNT),
        replace(good, account=""),
        replace(good, proven_at=(NOW + timedelta(days=1)).isoformat()),
        replace(good, side=Side.RADIOLOGY),
        replace(good, person="paula"),
        replace(good, key=SigningKey.generate().verify_key.raw.hex()),
    ]
    told = agreement(plan, bent)
    assert len(told.refused) == len(bent) and not any(told.signed.values())
    # Whose account is taken out of the plan, or another Safelight put into it, has not signed any more.
    elsewhere = replace(plan, plan=replace(plan.plan, console_key=SigningKey.generate().verify_key.raw.hex()))
    nobody = replace(plan, people=tuple(replace(one, account=None) for one in plan.people))
    assert not agreement(elsewhere, [good]).counted and not agreement(nobody, [good]).counted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "plan"
    write_plan(folder, example_texts("400-bed", datetime.now().astimezone().date()))
    return folder


@pytest.fixture
def house(tmp_path: Path, folder: Path) -> Iterator[ConsoleHouse]:
    with console_house(tmp_path, plan=folder) as house:
        key = load_public_keys(house.site.home.keys).signing.raw.hex()
        for file in folder.glob("*.yaml"):
            text = file.read_text()
            for person, account in (("ines", IT_ACCOUNT), ("paula", RADIOLOGY_ACCOUNT)):
                text = text.replace(f"{{id: {person}, name", f"{{account: {account}, id: {person}, name")
            file.write_text(text.replace("  horizon:", f'  console_key: "{key}"\n  horizon:', 1))
        yield house


def told(house: ConsoleHouse, side: str, **more: Any) -> dict[str, Any]:
    shown = house.browser(IT_ACCOUNT).get("/api/plan/show").json["sides"][side]["shown"]
    return {"password": PASSWORD, "shown": shown, "reason": "version 1", **more}


def test_both_sides_sign_at_the_console(house: ConsoleHouse, folder: Path) -> None:
    it, radiology = house.browser(IT_ACCOUNT), house.browser(RADIOLOGY_ACCOUNT)
    before = it.get("/api/plan/show").json
    assert before["signs_here"] and not before["approved"]
    dry = it.post("/api/plan/sign", told(house, "it", dry_run=True))
    assert dry.json["side"] == "it" and PlanFolder(folder).signatures() == ()
    assert it.post("/api/plan/sign", told(house, "it")).json["approved"] is False
    assert radiology.post("/api/plan/sign", told(house, "radiology")).json["approved"] is True
    after = it.get("/api/plan/show").json
    assert after["approved"] and after["sides"]["it"]["signatures"][0]["account"] == IT_ACCOUNT
    facts = [one.facts for one in house.site.records.journal.entries(kinds=[FactKind.PLAN_SIGNED])]
    assert facts == [one.document() for one in PlanFolder(folder).signatures()]
    assert PASSWORD not in json.dumps(facts)
    assert it.post("/api/plan/sign", told(house, "it")).code == "plan.nothing-to-sign"


def test_who_is_not_named_or_not_sure_signs_nothing(house: ConsoleHouse, folder: Path) -> None:
    it, asked = house.browser(IT_ACCOUNT), told(house, "it")
    assert it.post("/api/plan/sign", {**asked, "password": "something else"}).code == "console.login-refused"
    assert it.post("/api/plan/sign", {**asked, "shown": "0" * 64}).code == "plan.changed-since-shown"
    assert house.browser("technologist").post("/api/plan/sign", asked).code == "plan.no-signing-account"
    desk = house.browser("ct-desk").post("/api/plan/sign", {**asked, "by": "Jane Roe"})
    assert desk.code == "console.not-your-role"
    assert PlanFolder(folder).signatures() == ()


def test_two_who_sign_at_once_both_have_signed(house: ConsoleHouse, folder: Path) -> None:
    both = {IT_ACCOUNT: told(house, "it"), RADIOLOGY_ACCOUNT: told(house, "radiology")}
    browsers = {account: house.browser(account) for account in both}
    threads = [
        threading.Thread(target=browsers[account].post, args=("/api/plan/sign", asked))
        for account, asked in both.items()
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {one.account for one in PlanFolder(folder).signatures()} == set(both)


def test_a_screen_that_asks_between_the_fact_and_the_signature_is_told_both(
    house: ConsoleHouse, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it, radiology = house.browser(IT_ACCOUNT), house.browser(RADIOLOGY_ACCOUNT)
    asked, add = told(house, "it"), PlanFolder.add_signature
    shown = list[Any]()
    asks = threading.Thread(target=lambda: shown.append(radiology.get("/api/plan/show").json))

    def asked_meanwhile(on_disk: PlanFolder, *what: Any) -> None:
        asks.start()
        asks.join(1)
        add(on_disk, *what)

    monkeypatch.setattr(PlanFolder, "add_signature", asked_meanwhile)
    assert it.post("/api/plan/sign", asked).status == 200
    asks.join()
    assert [one["account"] for one in shown[0]["sides"]["it"]["signatures"]] == [IT_ACCOUNT]


def test_a_plan_with_a_mistake_is_told_and_the_findings_come_with_the_drills(house: ConsoleHouse, folder: Path) -> None:
    browser = house.browser(RADIOLOGY_ACCOUNT)
    assessed = browser.get("/api/plan/assess").json
    assert assessed["has_plan"] and assessed["findings"] and assessed["drills"]
    (folder / "mistake.yaml").write_text("nonsense: yes\n")
    wrong = browser.get("/api/plan/show")
    assert (wrong.status, wrong.code) == (400, "plan.bad-plan")


def test_without_a_folder_the_screen_is_told_how(tmp_path: Path) -> None:
    with console_house(tmp_path) as house:
        browser = house.browser(IT_ACCOUNT)
        shown = browser.get("/api/plan/show").json
        assert shown == {"has_plan": False, "console_key": house.site.public.signing.raw.hex()}
        refused = browser.post("/api/plan/sign", {"password": PASSWORD, "shown": "0", "reason": "x"})
        assert refused.code == "plan.no-folder"
