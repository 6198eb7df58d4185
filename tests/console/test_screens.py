"""The screens in a real browser before a real `serve`: each through what people do with it."""

import json
import re
import urllib.parse
from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.browser import PHONE, chromium, log_in, needs_pages, show, window
from support.contrast import CONTRAST
from support.department import ago, fill, register, send, step
from support.pages_house import ApiCaller, Ordered, PagesHouse

PAGES = ("Board", "Worklist", "Reads and calls", "Find", "Reconciliation")
pytestmark = [pytest.mark.peer, pytest.mark.slow, needs_pages]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        expect.set_options(timeout=20_000)
        yield browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesHouse]:
    with PagesHouse(tmp_path_factory.mktemp("screens")) as house:
        house.init()
        house.start()
        fill(house)
        yield house


@pytest.fixture(scope="module")
def api(house: PagesHouse) -> ApiCaller:
    return ApiCaller(house)


def row(page: Page, text: str) -> Locator:
    return page.locator("table.rows tbody tr").filter(has_text=text)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def test_a_wrong_password_is_told_and_a_right_one_opens_the_board(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house) as page:
        log_in(page, "ttech", "not this one")
        expect(page.get_by_role("alert")).to_contain_text("console.login-refused")
        log_in(page, "ttech")
        expect(page.locator(".headline")).to_contain_text("Downtime")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Password")).to_be_visible()


def test_the_board_shows_what_is_away_and_changes_by_itself(
    browser: Browser, house: PagesHouse, api: ApiCaller
) -> None:
    with window(browser, house, "vview") as page:
        expect(page.locator(".scopes")).to_contain_text(re.compile(r"PACS away since \d\d:\d\d"))
        expect(page.locator(".scopes")).to_contain_text("storage array failed, ticket 4711")
        expect(page.locator(".calls")).to_contain_text("Trauma 2, ext. 4402")
        before = int(page.locator(".counter.wait-images .counter-number").inner_text())
        accession = register(api, "walk-in", "CT1", "CT", name="Board^Live")
        expect(row(page, accession)).to_contain_text("Board, Live")
        expect(page.locator(".counter.wait-images .counter-number")).to_have_text(str(before + 1))
        step(api, "cancel", accession, reason="left")
        expect(row(page, accession)).to_have_count(0)


def test_an_outage_is_declared_and_taken_back_on_the_board(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "aadmin") as page:
        page.get_by_role("button", name="Declare a downtime").click()
        dialog(page).get_by_label("Viewers").check()
        dialog(page).get_by_label("Reason").fill("licence server away")
        dialog(page).get_by_role("button", name="Declare").click()
        mine = page.locator(".scopes li").filter(has_text="Viewers")
        expect(mine).to_contain_text("licence server away · A. Admin")
        mine.get_by_role("button", name="Change…").click()
        dialog(page).get_by_label("Take back").check()
        dialog(page).get_by_label("Reason").fill("was the network")
        dialog(page).get_by_role("button", name="Take back").click()
        expect(mine).to_have_count(0)


def test_a_walk_in_goes_from_the_door_to_the_read_back_call(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        page.get_by_role("button", name="Register an exam").click()
        form = dialog(page)
        form.get_by_label("Name").fill("Walker, Ida")
        form.get_by_label("Device or desk").fill("DX1")
        form.get_by_label("Modality").fill("dx")
        form.get_by_label("Procedure").fill("Hip left")
        form.get_by_label("Where from").fill("ED 3, ext. 4403")
        form.get_by_role("button", name="Register").click()
        told = page.locator(".told")
        expect(told).to_contain_text("Registered: accession number DT")
        accession = re.search(r"DT\d{4}", told.inner_text())
        assert accession
        mine = row(page, accession[0])
        expect(mine).to_contain_text("Walker, Ida")
        for verb in ("Arrived", "Acquired"):
            mine.get_by_role("button", name=verb, exact=True).click()
            dialog(page).get_by_role("button", name=verb, exact=True).click()
            expect(mine.locator(".mark").first).to_have_text(verb)
        show(page, "Reads and calls")
        page.locator(".exam-choice").filter(has_text="Walker, Ida").click()
        page.get_by_role("button", name="Write a read").click()
        dialog(page).get_by_label("What you see").fill("Fracture of the femoral neck.\nNo dislocation.")
        dialog(page).get_by_label("Urgent").check()
        dialog(page).get_by_role("button", name="Record as urgent").click()
        read = page.get_by_role("region", name="Read 1")
        expect(read).to_contain_text("Fracture of the femoral neck.")
        expect(read).to_contain_text("T. Tech")
        for is_read_back in (False, True):
            read.get_by_role("button", name="Note the call").click()
            dialog(page).get_by_label("Told to").fill("Dr. Hip, ext. 4403")
            dialog(page).get_by_label("Read back").set_checked(is_read_back)
            dialog(page).get_by_role("button", name="Record the call").click()
            expect(read.locator(".told-to li").nth(int(is_read_back))).to_contain_text(
                "read back" if is_read_back else "not read back"
            )
        # Nothing of it waits any more. It stays as long as somebody looks at it: nobody reads for the wrong patient.
        mine = page.locator(".exam-choice").filter(has_text="Walker, Ida")
        expect(mine).to_contain_text("nothing open")
        page.locator(".exam-choice").first.click()
        expect(mine).to_have_count(0)


def test_urgent_results_that_nobody_read_back_stand_on_top(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Reads and calls")
        expect(page.locator(".exam-choice").first.locator(".wait-call")).to_be_visible()
        marks = [one.locator(".wait-call").count() for one in page.locator(".exam-choice").all()]
        assert marks == sorted(marks, reverse=True) and 0 in marks


def test_an_order_from_before_is_taken_over_once(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        mine = row(page, "A0005")
        expect(mine).to_have_count(1)
        mine.get_by_role("button", name="Take over").click()
        assert dialog(page).get_by_label("Name").input_value() == "Sørensen^Renée"
        dialog(page).get_by_label("Site").fill("main")
        dialog(page).get_by_role("button", name="Register").click()
        expect(mine).to_contain_text("Registered")
        expect(mine).to_have_count(1)


def test_an_unidentified_patient_gets_a_name_later(browser: Browser, house: PagesHouse, api: ApiCaller) -> None:
    accession = register(api, "unidentified", "CT1", "CT", procedure="CT spine")
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        mine = row(page, accession)
        expect(mine).to_contain_text("Unidentified")
        mine.get_by_role("button", name="Identify").click()
        dialog(page).get_by_label("The hospital's patient ID").fill("H 4711")
        dialog(page).get_by_label("Reason").fill("driving licence")
        dialog(page).get_by_role("button", name="Identify").click()
        expect(mine).to_contain_text("is H 4711")


def test_a_refusal_says_why_and_what_to_do_and_costs_nothing_typed(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        page.get_by_role("button", name="Register an exam").click()
        form = dialog(page)
        form.get_by_label("Name").fill("Doe, Nobody")
        form.get_by_label("Device or desk").fill("MR9")
        form.get_by_label("Site").fill("main")
        form.get_by_label("Modality").fill("MR")
        form.get_by_role("button", name="Register").click()
        expect(form.get_by_role("alert")).to_contain_text("downtime.no-number-left")
        expect(form.get_by_role("alert")).to_contain_text("Allot a block")
        assert form.get_by_label("Name").input_value() == "Doe, Nobody"
        page.keyboard.press("Escape")
        expect(form).to_have_count(0)


def test_labels_are_printed_by_block(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        page.get_by_role("button", name="Labels").click()
        link = dialog(page).locator("li").filter(has_text="accession").get_by_role("link", name="PDF").first
        expect(link).to_be_visible()
        answer = page.request.get(house.url + str(link.get_attribute("href")), timeout=60_000)
        assert answer.ok and answer.body().startswith(b"%PDF")


def test_find_narrows_by_each_field(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "vview") as page:
        show(page, "Find")
        expect(row(page, "Müßig, Jürgen")).to_have_count(1)
        for label, right, wrong in (
            ("Patient ID", "RH-00001", "RH-00002"),
            ("Name", "mussig, j", "mussig, x"),
            ("Accession number", "RA000001", "RA000009"),
            ("Modality", "ct", "mr"),
            ("From", ago(0)[:10], "2099-01-01"),
        ):
            page.get_by_label(label, exact=True).fill(wrong)
            page.get_by_role("button", name="Find").click()
            expect(page.locator(".empty")).to_be_visible()
            page.get_by_label(label, exact=True).fill(right)
            page.get_by_role("button", name="Find").click()
            expect(row(page, "CT thorax")).to_have_count(1)


def test_who_may_not_is_told_why_and_the_button_does_nothing(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "vview") as page:
        show(page, "Worklist")
        button = page.get_by_role("button", name="Register an exam")
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_have_accessible_description("Needs the role technologist or PACS administrator.")
        button.click(force=True)
        expect(dialog(page)).to_have_count(0)


def test_a_shared_desk_says_who_acts(browser: Browser, house: PagesHouse, api: ApiCaller) -> None:
    accession = register(api, "walk-in", "CT1", "CT", name="Desk^Shared")
    with window(browser, house, "desk") as page:
        show(page, "Worklist")
        row(page, accession).get_by_role("button", name="Arrived").click()
        dialog(page).get_by_label("Your name").fill("Jane Roe")
        dialog(page).get_by_role("button", name="Arrived").click()
        expect(row(page, accession).locator(".mark").first).to_have_text("Arrived")
    known = {one["accession"]: one for one in api.get("downtime/exam/list")["exams"]}
    assert known[accession]["steps"][-1]["by"] == "Jane Roe (CT desk)"


def test_a_screen_on_the_wall_shows_the_board_without_names(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, viewport={"width": 1920, "height": 1080}) as page:
        page.get_by_label("This is a screen on the wall").check()
        log_in(page, "ttech")
        expect(row(page, "Ł. B.")).to_be_visible()
        assert "Łukasik" not in page.locator("main").inner_text()
        expect(page.get_by_role("button", name="Declare a downtime")).to_have_attribute("aria-disabled", "true")


def test_a_read_is_not_lost_when_the_session_ends(browser: Browser, house: PagesHouse, api: ApiCaller) -> None:
    accession = register(api, "walk-in", "CT1", "CT", name="Late^Session")
    step(api, "acquired", accession)
    with window(browser, house, "ttech") as page:
        show(page, "Reads and calls")
        page.locator(".exam-choice").filter(has_text="Late, Session").click()
        page.get_by_role("button", name="Write a read").click()
        dialog(page).get_by_label("What you see").fill("Nothing acute.")
        page.context.clear_cookies()
        dialog(page).get_by_role("button", name="Record").click()
        expect(page.get_by_role("heading", name="The session has ended")).to_be_visible()
        page.get_by_label("Password").fill("a lamp for the darkroom")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="The session has ended")).to_have_count(0)
        assert dialog(page).get_by_label("What you see").input_value() == "Nothing acute."
        dialog(page).get_by_role("button", name="Record").click()
        expect(dialog(page)).to_have_count(0)
    known = {one["accession"]: one for one in api.get("downtime/exam/list")["exams"]}
    assert [one["text"] for one in known[accession]["steps"] if one["step"] == "read"] == ["Nothing acute."]


def test_a_lost_answer_is_asked_for_again_and_recorded_once(
    browser: Browser, house: PagesHouse, api: ApiCaller
) -> None:
    accession = register(api, "walk-in", "CT1", "CT", name="Lost^Answer")
    step(api, "acquired", accession)
    with window(browser, house, "ttech") as page:
        show(page, "Reads and calls")
        page.locator(".exam-choice").filter(has_text="Lost, Answer").click()
        page.get_by_role("button", name="Write a read").click()
        dialog(page).get_by_label("What you see").fill("Once.")

        def done_and_lost(route) -> None:  # type: ignore[no-untyped-def]
            route.fetch()
            route.abort()

        page.route("**/api/downtime/exam/read", done_and_lost, times=1)
        dialog(page).get_by_role("button", name="Record").click()
        expect(dialog(page).get_by_role("alert")).to_contain_text("No answer from Safelight")
        dialog(page).get_by_role("button", name="Record").click()
        expect(dialog(page)).to_have_count(0)
    known = {one["accession"]: one for one in api.get("downtime/exam/list")["exams"]}
    assert len([one for one in known[accession]["steps"] if one["step"] == "read"]) == 1


def test_everything_is_reached_by_the_keyboard(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        expect(row(page, "A0001")).to_be_visible()
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.textContent.trim()"))
        assert {"Board", "Find", "Log out", "Labels", "Register an exam", "Take over"} <= reached
        button = page.get_by_role("button", name="Register an exam")
        button.focus()
        page.keyboard.press("Enter")
        expect(dialog(page)).to_be_visible()
        assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
        page.keyboard.press("Escape")
        expect(button).to_be_focused()


def test_an_exam_meets_its_order_and_the_match_is_taken_back(
    browser: Browser, house: PagesHouse, api: ApiCaller
) -> None:
    hour = datetime.now().astimezone().hour
    send(
        house,
        Ordered(21, "Moreau^Zoé", "CT abdomen", "CT1", "CT", hour),
        Ordered(22, "Moreau^Zoltan", "", "", "", hour),
    )
    person = {"name": "Moreau^Zoé", "birth_date": "19600101", "sex": "M", "procedure": "CT abdomen"}
    accession = register(api, "walk-in", "CT1", "CT", **person)
    step(api, "acquired", accession)
    step(api, "read", accession, text="No free air.")
    with window(browser, house, "aadmin") as page:
        show(page, "Reconciliation")
        page.locator(".exam-choice").filter(has_text="Moreau, Zoé").filter(has_text="images").click()
        fits = page.get_by_role("region", name="Order A0021")
        expect(fits).to_contain_text("For it: same name, same birth date, same modality, same device")
        expect(fits).to_contain_text("Against it: other sex")
        table = page.get_by_role("region", name="Table: each side beside the others")
        # What contradicts says so in a word; a number that was only lent contradicts nothing.
        expect(table.locator("td.is-other")).to_have_text(["Fdiffers"])
        expect(table.get_by_text("given out for the outage")).to_have_count(2)
        # By the keyboard alone.
        fits.get_by_role("button", name="Match to this order").focus()
        page.keyboard.press("Enter")
        dialog(page).get_by_label("Reason").fill("asked her")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").filter(has_text=f"Matched: {accession}")).to_be_visible()
        mine = page.get_by_role("article", name="Exam")
        expect(mine.get_by_role("region", name="Decision")).to_contain_text("Matched to order A0021")
        expect(mine).to_contain_text("P0021")
        page.get_by_role("button", name="Decisions").click()
        line = page.locator("table.decisions tbody tr").filter(has_text=accession)
        expect(line).to_contain_text("asked her")
        line.get_by_role("button", name="Take back").click()
        dialog(page).get_by_label("Reason").fill("it was her twin")
        dialog(page).get_by_role("button", name="Take back").click()
        expect(line).to_contain_text("Taken back by A. Admin: it was her twin")
        expect(line.get_by_role("button")).to_have_count(0)


def test_an_order_that_nobody_fulfilled_is_decided(browser: Browser, house: PagesHouse) -> None:
    send(house, Ordered(31, "Away^Stayed", "CT head", "CT1", "CT", datetime.now().astimezone().hour))
    with window(browser, house, "aadmin") as page:
        show(page, "Reconciliation")
        mine = page.locator(".exam-choice").filter(has_text="Away, Stayed")
        mine.click()
        page.get_by_role("article", name="Difference").get_by_role("button", name="Decide").click()
        dialog(page).get_by_label("It was not done").check()
        dialog(page).get_by_label("Reason").fill("did not come")
        dialog(page).get_by_role("button", name="It was not done").click()
        expect(mine).to_have_count(0)


def test_nobody_to_compare_with_is_told_in_the_dialog_and_a_technologist_only_looks(
    browser: Browser, house: PagesHouse
) -> None:
    with window(browser, house, "aadmin", provokes="status of 400") as page:
        show(page, "Reconciliation")
        page.get_by_role("button", name="Compare with the PACS").click()
        dialog(page).get_by_role("button", name="Compare").click()
        expect(dialog(page).get_by_role("alert")).to_contain_text("reconciliation.no-target")
    with window(browser, house, "ttech") as page:
        show(page, "Reconciliation")
        button = page.get_by_role("button", name="Do what was decided")
        expect(button).to_have_accessible_description("Needs the role PACS administrator.")


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_every_word_has_the_contrast_of_wcag_aa(browser: Browser, house: PagesHouse, appearance: str) -> None:
    with window(browser, house, "vview", color_scheme=appearance) as page:
        for name in PAGES:
            show(page, name)
            expect(page.locator(".rows, .exam-list").first).to_be_visible()
            assert page.evaluate(CONTRAST) == [], name


@pytest.mark.parametrize("system", ["light", "dark"])
def test_who_chose_an_appearance_has_it_whatever_the_system_says(
    browser: Browser, house: PagesHouse, system: str
) -> None:
    grounds = {"light": "rgb(247, 244, 240)", "dark": "rgb(15, 10, 8)"}
    with window(browser, house, "vview", color_scheme=system) as page:
        expect(page.locator("html")).to_have_css("background-color", grounds[system])
        for chosen in ("light", "dark"):
            page.get_by_role("button", name="Appearance").click()
            expect(page.locator("html")).to_have_css("background-color", grounds[chosen])
        page.reload()
        expect(page.locator("html")).to_have_css("background-color", grounds["dark"])


def test_on_a_telephone_nothing_is_wider_than_the_screen(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech", viewport=PHONE) as page:
        for name in PAGES:
            show(page, name)
            expect(page.locator(".rows, .exam-list").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name


def test_a_broken_line_is_told_and_mended_by_itself(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        expect(page.locator(".connection")).to_contain_text("Live")
        expect(page.locator(".headline")).to_contain_text("Downtime")
        house.stop()
        expect(page.locator(".connection")).to_contain_text(re.compile(r"as of \d\d:\d\d, no connection"))
        # What was there stays there.
        expect(page.locator(".headline")).to_contain_text("Downtime")
        house.start()
        accession = register(ApiCaller(house), "walk-in", "CT1", "CT", name="After^Blip")
        expect(page.locator(".connection")).to_contain_text("Live")
        expect(row(page, accession)).to_contain_text("After, Blip")


def test_an_open_home_says_so_on_every_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    with PagesHouse(tmp_path_factory.mktemp("open"), is_open=True) as house:
        house.init()
        house.start()
        with window(browser, house) as page:
            for name in PAGES:
                show(page, name)
                expect(page.get_by_role("note")).to_contain_text("Open home: nobody logs in")
            show(page, "Board")
            expect(page.locator(".headline")).to_contain_text("Every system is in service.")


def test_no_page_keeps_anything_of_a_patient(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        expect(row(page, "A0001")).to_be_visible()
        kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert json.loads(kept)[1:] == [{}, ""] and set(json.loads(kept)[0]) <= {"safelight-theme"}
        assert urllib.parse.urlparse(page.url).query == ""
