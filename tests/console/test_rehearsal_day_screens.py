"""The rehearsal day with the console open: people declare, register, read and call on the screens of a real browser."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from safelight.site.downtime_demonstration import rehearse_day
from safelight.site.rehearsal.day import DayExam, Story
from safelight.site.rehearsal.program import RehearsalHome
from safelight.site.rehearsal.staff import READER, TECHNOLOGIST, Registered, Staff, StaffAtTheCommandLine
from support.browser import chromium, needs_pages, show, window

pytestmark = [pytest.mark.peer, pytest.mark.slow, needs_pages]

ADMINISTRATOR = "A. Admin"
PATIENCE_MILLISECONDS = 60_000
SYSTEMS = {"pacs": "PACS", "ris": "RIS"}


@dataclass
class _Pages:
    """Where a browser finds the pages of a home."""

    url: str
    logged_in: dict[str, Any] = field(default_factory=dict)


class StaffAtTheScreens:
    """Whatever is done by hand is done on the screens; what has an order is taken over by command."""

    def __init__(self, home: RehearsalHome, browser: Browser, pictures: Path, stack: ExitStack) -> None:
        self._commands = StaffAtTheCommandLine(home)
        self._url = f"http://127.0.0.1:{home.http_port}"
        self._browser, self._pictures, self._stack = browser, pictures, stack
        self._window: Page | None = None
        self.done: list[str] = []

    @contextmanager
    def _page(self, name: str, picture: str) -> Iterator[Page]:
        if self._window is None:
            # One window, open all day as on a desk; at the end it must have done nothing wrong.
            pages = _Pages(self._url)
            self._window = self._stack.enter_context(window(self._browser, pages))  # type: ignore[arg-type]
            self._window.set_default_timeout(PATIENCE_MILLISECONDS)
        show(self._window, name)
        yield self._window
        self.done.append(picture)
        self._window.screenshot(path=self._pictures / f"{len(self.done):02}-{picture}.png", full_page=True)

    def declare(self, scopes: Sequence[str], since: datetime, reason: str) -> None:
        """Declare a downtime on the board."""
        del since
        with self._page("Board", "declared") as page:
            page.get_by_role("button", name="Declare a downtime").click()
            for scope in scopes:
                _dialog(page).get_by_label(SYSTEMS[scope], exact=True).check()
            _sign(page, "Declare", ADMINISTRATOR, reason)
            expect(page.locator(".headline")).to_contain_text("Downtime")
            expect(page.locator(".scopes")).to_contain_text(reason)

    def register(self, exam: DayExam) -> Registered:
        """Register a walk-in or somebody whom nobody knows."""
        if not exam.is_by_hand:
            return self._commands.register(exam)
        of, patient = exam.order, exam.order.patient
        with self._page("Worklist", "unidentified" if exam.story is Story.TRAUMA else "walk-in") as page:
            page.get_by_role("button", name="Register an exam").click()
            form = _dialog(page)
            if exam.story is Story.TRAUMA:
                form.get_by_label("Unidentified").check()
                form.get_by_label("Where from").fill("TRAUMA 2")
            else:
                form.get_by_label("Name", exact=True).fill(_shown(exam))
                day = patient.birth_date
                form.get_by_label("Birth date").fill(f"{day[:4]}-{day[4:6]}-{day[6:]}")
            form.get_by_label("Sex").select_option(patient.sex)
            form.get_by_label("Device or desk").fill(of.station)
            form.get_by_label("Modality").fill(of.modality)
            form.get_by_label("Procedure").fill(of.procedure)
            _sign(page, "Register", TECHNOLOGIST)
            told = page.locator(".told")
            expect(told).to_contain_text("Registered: accession number DTA")
            accession = re.search(r"DTA\d+", told.inner_text())
            assert accession
            row = page.locator("table.rows tbody tr").filter(has_text=accession[0])
            patient_id = re.search(r"DTP\d+", row.inner_text())
            assert patient_id
            return Registered(accession[0], patient_id[0])

    def note(self, accession: str, step: str) -> None:
        """Note a step."""
        self._commands.note(accession, step)

    def read(self, exam: DayExam, accession: str, *, urgent: bool) -> None:
        """Write a preliminary read down."""
        del accession
        with self._page("Reads and calls", "read-urgent" if urgent else "read") as page:
            page.locator(".exam-choice").filter(has_text=_shown(exam)).click()
            page.get_by_role("button", name="Write a read").click()
            _dialog(page).get_by_label("What you see").fill(exam.read)
            if urgent:
                _dialog(page).get_by_label("Urgent").check()
            _sign(page, "Record as urgent" if urgent else "Record", READER)
            expect(page.get_by_role("region", name="Read 1")).to_contain_text(exam.read)

    def call(self, exam: DayExam, accession: str, to: str) -> None:
        """Call an urgent result and have it read back."""
        del accession
        with self._page("Reads and calls", "called") as page:
            page.locator(".exam-choice").filter(has_text=_shown(exam)).click()
            read = page.get_by_role("region", name="Read 1")
            expect(read).to_contain_text(exam.read)
            read.get_by_role("button", name="Note the call").click()
            _dialog(page).get_by_label("Told to").fill(to)
            _dialog(page).get_by_label("Read back").check()
            _sign(page, "Record the call", READER)
            expect(read.locator(".told-to li")).to_contain_text("read back")

    def say(self, event: str, scope: str, reason: str) -> None:
        """Say on the board that a system is back in service; the rest by command."""
        if event != "end":
            self._commands.say(event, scope, reason)
            return
        with self._page("Board", f"back-{scope}") as page:
            mine = page.locator(".scopes li").filter(has_text=re.compile(rf"^{SYSTEMS[scope]}\b"))
            mine.get_by_role("button", name="Change…").click()
            _dialog(page).get_by_label("Back in service").check()
            _sign(page, "Back in service", ADMINISTRATOR, reason)
            expect(mine).to_contain_text(re.compile(r"\bback since"))


def _shown(exam: DayExam) -> str:
    """Return by which name the screens show whose exam it is."""
    return "Unidentified" if exam.story is Story.TRAUMA else exam.order.patient.dicom_name.replace("^", ", ")


def _dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def _sign(page: Page, submit: str, by: str, reason: str = "") -> None:
    """Fill in who does it and why, and do it."""
    form = _dialog(page)
    if reason:
        form.get_by_label("Reason").fill(reason)
    form.get_by_label("Your name").fill(by)
    form.get_by_role("button", name=submit, exact=True).click()
    expect(form).to_have_count(0)


@pytest.mark.timeout(900)
def test_the_day_on_the_screens_ends_as_the_one_by_commands(tmp_path: Path) -> None:
    pictures, staff = tmp_path / "pictures", []
    pictures.mkdir()
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        expect.set_options(timeout=PATIENCE_MILLISECONDS)

        def staff_of(home: RehearsalHome) -> Staff:
            staff.append(StaffAtTheScreens(home, browser, pictures, stack))
            return staff[0]

        assert rehearse_day(tmp_path / "day", staff_of)
    report = json.loads((tmp_path / "day/report.json").read_text())
    assert report["differences_open"] == [] and all(one["as_it_must_be"] for one in report["exams"])
    assert report["reports_delivered"] == report["procedure_steps_kept"] == 7
    done = staff[0].done
    assert {one: done.count(one) for one in set(done)} == {
        "declared": 1,
        "walk-in": 2,
        "unidentified": 1,
        "read": 5,
        "read-urgent": 2,
        "called": 2,
        "back-pacs": 1,
        "back-ris": 1,
    }
    assert len(list(pictures.glob("*.png"))) == len(done)
