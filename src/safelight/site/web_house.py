"""A served home as the screens see it: the documents and acts of the command line."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from safelight.console.account import Accounts
from safelight.core.errors import ResourceError, SafelightError, foreseen
from safelight.core.progress import silent
from safelight.downtime.exam import UnknownExam
from safelight.downtime.number import UnknownBlock
from safelight.site.account_file import AccountFile
from safelight.site.accounts import password_set
from safelight.site.acts import act
from safelight.site.devices import devices_document
from safelight.site.downtime import downtime_document, log_document
from safelight.site.downtime_exams import exams_document
from safelight.site.downtime_numbers import numbers_document
from safelight.site.exams import exams_of
from safelight.site.finding_studies import find_studies
from safelight.site.hl7_worklist import reports_document
from safelight.site.plan_console import assessed_document, shown_document
from safelight.site.probing import advice_document
from safelight.site.reconciliation_report import exam_document, report_document
from safelight.site.reconciliation_view import (
    counts_document,
    decisions_document,
    difference_named,
    differences_document,
)
from safelight.site.settled import SETTLE
from safelight.site.status import status_document
from safelight.site.web_changes import Changes, Mark
from safelight.site.web_memory import Memory
from safelight.site.web_worklist import merged_worklist

if TYPE_CHECKING:
    from safelight.site.opened import Site

ROWS_MAX: Final = 1000
ADVICE_KEPT: Final = timedelta(seconds=10)
WITH_ARRIVALS: Final = frozenset(
    {"catalog/worklist", "catalog/find", "catalog/reports"}
    | {f"reconciliation/{one}" for one in ("status", "list", "show", "report", "exam")}
)
"""Documents that change with what comes in; the others with the facts of the journal alone."""
PRINTING_SECONDS_MAX: Final = 120
NO_IMAGES: Final = frozenset(
    {"SR", "KO", "PR", "DOC", "AU", "REG", "PLAN", "FID", "RWV", "ECG", "HD", "SEG", "RTSTRUCT"}
)
"""Modalities of what a viewer cannot show by itself."""


class NotPrinted(ResourceError):
    """Labels could not be printed as PDF, or not in time."""

    code: ClassVar[str] = "console.not-printed"
    hint: ClassVar[str] = "Print fewer at once; or on this machine: safelight downtime numbers labels, exam labels."


class ServedHouse:
    """What the console asks of this home. Used by many threads."""

    def __init__(self, site: "Site", accounts: AccountFile, changes: Changes, *, has_viewer: bool) -> None:
        self._site = site
        self._accounts = accounts
        self._changes = changes
        self._has_viewer = has_viewer
        self._asking = threading.Lock()
        self._printing = threading.Lock()
        self._memory = Memory(site.clock)
        self._advice: tuple[timedelta, Mapping[str, Any]] | None = None
        home = self._home = replace(site.home, records=site)
        folder = site.settings.plan.folder
        self._documents: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "status": lambda _: status_document(home),
            "downtime/status": lambda _: downtime_document(home),
            "downtime/log": lambda _: newest(log_document(home), "said"),
            "downtime/exam/list": lambda asked: newest(exams_document(home, only_open=asked["open"]), "exams"),
            "downtime/advise": lambda _: self._advised(),
            "downtime/device/list": lambda _: newest(devices_document(home), "devices"),
            "downtime/numbers/list": lambda _: newest(numbers_document(home), "blocks"),
            "reconciliation/status": lambda asked: counts_document(home, _outages(asked)),
            "reconciliation/list": lambda asked: first(
                differences_document(home, _outages(asked), asked.get("kind")), "differences"
            ),
            "reconciliation/show": lambda asked: difference_named(home, asked["difference"], _outages(asked)),
            "reconciliation/report": lambda asked: first(
                first(report_document(home, _outages(asked)), "exams", is_open), "others"
            ),
            "reconciliation/exam": lambda asked: exam_document(home, asked["exam"], _outages(asked)),
            "reconciliation/log": lambda _: newest(decisions_document(home), "decisions"),
            "plan/show": lambda _: shown_document(home, folder),
            "plan/assess": lambda _: assessed_document(home, folder, site.clock.now().astimezone().date()),
            "catalog/worklist": lambda asked: merged_worklist(home, asked),
            "catalog/find": self._found,
            "catalog/reports": lambda asked: reports_document(
                home, asked.get("patient_id", ""), asked.get("accession", ""), asked.get("study", ""), asked["limit"]
            ),
        }

    @property
    def site(self) -> str:
        """The hospital's or site's name."""
        return self._site.settings.site.name

    def accounts(self) -> Accounts:
        """Return who may log in."""
        return self._accounts.accounts()

    def set_password(self, account: str, password: str) -> None:
        """Give an account another password; its owner asked for it."""
        by = self.accounts()[account].name
        password_set(self._site, {"account": account, "password": password, "reason": "by its owner", "by": by})

    def document(self, name: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the document that the command of this name prints with ``--json``.

        When something changed every screen asks at once: one answer is made for all that ask the same. Whatever was
        answered at a door is recorded before anybody looks for it.
        """
        if name in WITH_ARRIVALS:
            self.act(SETTLE, {})
        mark_of = self._changes.mark if name in WITH_ARRIVALS else self._site.journal.last_position
        return self._memory.remembered((name, repr(asked)), mark_of, lambda: self._documents[name](asked))

    def act(self, name: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do an act as the command line does."""
        return act(self._site, name, told, silent)

    def sheet(self, name: str, asked: Mapping[str, Any]) -> bytes:
        """Return what the command of this name prints as PDF, printed by a program that gives way to receiving.

        Raises:
            UnknownBlock, UnknownExam: there is nothing to print.
            NotPrinted: it took too long, or failed.
        """
        home, told = self._home, {**asked}
        if "block" in told and not any(one["block"] == told["block"] for one in numbers_document(home)["blocks"]):
            raise UnknownBlock(block=told["block"])
        if "accession" in told and told["accession"] not in exams_of(self._site.records.journal):
            raise UnknownExam(accession=told["accession"])
        named = [told.pop("accession")] if "accession" in told else []
        options = [f"--{option}={value}" for option, value in told.items()]
        with self._printing, tempfile.TemporaryDirectory(dir=home.run) as folder:
            file = Path(folder) / "sheet.pdf"
            command = ["nice", sys.executable, "-m", "safelight", *name.split("/"), f"--home={home.directory}"]
            try:
                subprocess.run(
                    [*command, *options, f"--to={file}", "--", *named],
                    check=True,
                    capture_output=True,
                    timeout=PRINTING_SECONDS_MAX,
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                raise NotPrinted(sheet=name, error=type(error).__name__) from error
            return file.read_bytes()

    def mark(self) -> str:
        """Return how far the house is."""
        return str(self._changes.mark())

    def changed_since(self, mark: str) -> Sequence[str]:
        """Return the names of the documents that may have changed since."""
        return self._changes.since(Mark.read(mark), self._changes.mark())

    def note(self, event: str, **facts: Any) -> None:
        """Write a log line."""
        self._site.log(event, **facts)

    def failed(self, error: BaseException) -> None:
        """Write down what went wrong in an answer."""
        self._site.log.failure(error if isinstance(error, SafelightError) else foreseen(error))

    def _advised(self) -> Mapping[str, Any]:
        """Ask the other systems, one question at a time: many screens shall not become a load on what is ailing."""
        with self._asking:
            now = self._site.clock.elapsed()
            if self._advice is None or now - self._advice[0] >= ADVICE_KEPT:
                document = advice_document(self._home, (), None)
                self._advice = (self._site.clock.elapsed(), document)
            return self._advice[1]

    def _found(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        limit = int(asked["limit"])
        rows = find_studies(self._home, {**asked, "limit": limit + 1})
        link = viewer_link if self._has_viewer else lambda *_: None
        shown = [{**row, "viewer": link(row["study"], row["modalities"])} for row in rows[:limit]]
        return {"studies": shown, "is_more": len(rows) > limit, "offset": asked["offset"]}


def newest(document: dict[str, Any], of: str) -> dict[str, Any]:
    """Return a document with no more rows than a page can show: the last ones, and whether there are more."""
    rows = document[of]
    return {**document, of: rows[-ROWS_MAX:], "is_more": len(rows) > ROWS_MAX}


def first(
    document: dict[str, Any], of: str, goes_before: Callable[[Mapping[str, Any]], bool] = lambda _: False
) -> dict[str, Any]:
    """Return a document with no more rows than a page can show: what waits for somebody, then the first of the rest."""
    rows = sorted(document[of], key=lambda row: not goes_before(row))
    is_more = document.get("is_more", False) or len(rows) > ROWS_MAX
    return {**document, of: rows[:ROWS_MAX], "is_more": is_more}


def is_open(exam: Mapping[str, Any]) -> bool:
    """Say whether anything of an exam of an outage is open."""
    return bool(exam["differences"])


def _outages(asked: Mapping[str, Any]) -> Sequence[int]:
    return [asked["outage"]] if "outage" in asked else []


def viewer_link(study: str, modalities: Sequence[str]) -> str | None:
    """Return where the viewer opens a study; nothing where none of it is an image."""
    has_images = not modalities or not NO_IMAGES.issuperset(modalities)
    return f"/viewer/viewer?StudyInstanceUIDs={quote(study, safe='')}" if has_images else None
