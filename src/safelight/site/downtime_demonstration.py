"""The rehearsal day: a hospital loses PACS and RIS in mid-morning, carries on, comes back, and reconciles.

Runs the program as its people would, beside a real PACS; modalities and the information system are our own, on real
sockets.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from pydicom.dataset import Dataset
from rich.table import Table

from safelight.core.clock import to_text
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import service_proposal
from safelight.site.rehearsal.day import BY_HAND_SITE, EXAMS, OLGA, OLGA_PRIOR, Story
from safelight.site.rehearsal.day_report import ExamTold, exam_document, table_row
from safelight.site.rehearsal.information_system import InformationSystem
from safelight.site.rehearsal.live_view import Show
from safelight.site.rehearsal.messages import admission, merge, order
from safelight.site.rehearsal.modality import Modality
from safelight.site.rehearsal.objects import item
from safelight.site.rehearsal.pacs import RehearsalPacs, pacs_in
from safelight.site.rehearsal.ports import free_port
from safelight.site.rehearsal.program import DemonstrationFailed, RehearsalHome, emptied
from safelight.site.rehearsal.staff import ADMINISTRATOR, READER, Staff, StaffAtTheCommandLine
from safelight.wire.dicom.uids import STUDY_ROOT_FIND

STEPS: Final = (
    "A hospital, its PACS and its RIS; two exams of the morning",
    "Mid-morning: PACS and RIS are gone",
    "Downtime is declared",
    "Exams go on: worklist, images, storage commitment",
    "Preliminary reads, an urgent call",
    "PACS and RIS come back; the PACS is refilled",
    "What was ordered afterwards, what waited",
    "Reconciliation",
    "Back to normal",
)
WHO: Final = ("--by", ADMINISTRATOR)
PATIENCE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.2
ROUNDS_MAX: Final = 20
T = TypeVar("T")


def rehearse_day(folder: Path, staff_of: Callable[[RehearsalHome], Staff] = StaffAtTheCommandLine) -> bool:
    """Run the day in ``folder``, which is emptied first; return whether it ended with nothing open.

    ``staff_of`` gives the people who declare, register and read in a home.
    """
    folder = emptied(folder)
    show = Show("a day without PACS and RIS", STEPS)
    day = _Day(folder, show, staff_of)
    with show.shown():
        day.go()
    return day.tell()


class _Day:
    """One rehearsal day."""

    def __init__(self, folder: Path, show: Show, staff_of: Callable[[RehearsalHome], Staff]) -> None:
        self._folder = folder
        self._show = show
        self._home = RehearsalHome(folder / "home", free_port(), free_port(), free_port())
        self._staff = staff_of(self._home)
        self._pacs: RehearsalPacs = pacs_in(folder, own_port=self._home.dicom_port)
        here = Peer.parse(f"SAFELIGHT@127.0.0.1:{self._home.dicom_port}")
        self._devices = {
            f"{kind}1": Modality(f"{kind}1", kind, here, 100 * number)
            for number, kind in enumerate(("CT", "DX", "MR", "US"), 1)
        }
        self._exams = {exam.order.number: ExamTold(exam, exam.order.accession) for exam in EXAMS}
        self._broke_at = datetime.now(UTC)
        self._open: list[dict[str, Any]] = []
        self._decisions: list[dict[str, Any]] = []
        self._reports = self._steps = 0

    def go(self) -> None:
        """Live through the day."""
        self._home.make(self._folder / "second-site")
        self._home.tell_settings(
            f"""[reconciliation]
target = "{self._pacs_peer}"
identities_to = ["RIS"]
reports_to = "RIS"
steps_to = "RIS"
"""
        )
        try:
            with self._home.served(self._folder / "serve.log"), InformationSystem(self._home.hl7_port) as ris:
                self._morning(ris)
                self._lose(ris)
                self._declare()
                self._carry_on(ris)
                self._read_and_call()
                self._come_back(ris)
                self._order_afterwards(ris)
                self._reconcile()
                self._close(ris)
        finally:
            self._pacs.stop()

    # The chapters.

    def _morning(self, ris: InformationSystem) -> None:
        self._show.begin(0)
        self._pacs.start()
        self._safelight("gateway", "peer", "add", "PACS", f"127.0.0.1:{self._pacs.port}")
        self._safelight("gateway", "peer", "add", "RIS", f"127.0.0.1:{ris.steps.port}")
        self._safelight("gateway", "destination", "add", "RIS", f"127.0.0.1:{ris.port}", "--event", "ORU^*")
        for number, device in enumerate(self._devices, 1):
            self._prepare_numbers(device, first=number == 1)
        for told in self._exams.values():
            if told.exam.story not in (Story.ORDERED_LATER, Story.WALK_IN, Story.TRAUMA):
                ris.say(admission(told.exam.order.patient), order(told.exam.order))
                told.lines.append("ordered before the outage")
        for told in self._of(Story.MORNING):
            self._acquire(told, archive=self._pacs_peer)
        self._safelight("protection", "pull", "--source", str(self._pacs_peer))
        self._show.end(0, f"{len(self._of(Story.MORNING))} exams in the PACS, protected; orders come in")

    def _lose(self, ris: InformationSystem) -> None:
        self._show.begin(1)
        self._pacs.destroy()
        ris.go_away()
        self._broke_at = datetime.now(UTC)
        self._show.end(1, "the PACS is destroyed, the RIS answers no more")

    def _declare(self) -> None:
        self._show.begin(2)
        advice = self._safelight("downtime", "advise", "--probe", f"pacs echo {self._pacs_peer}", allow=(0, 1))[
            "advice"
        ]
        self._staff.declare(("pacs", "ris"), self._broke_at, "storage failed, RIS does not answer")
        phase = self._safelight("downtime", "status")["phase"]
        advised = ", ".join(f"{one['scope']}: {one['advice']}" for one in advice if one["advice"] != "nothing")
        self._show.end(2, f"phase {phase}; it was advised ({advised})")

    def _carry_on(self, ris: InformationSystem) -> None:
        step = self._show.begin(3)
        doing = [told for told in self._exams.values() if told.exam.is_done_in_the_outage]
        step.total = len(doing)
        for told in self._of(Story.CANCELLED):
            # The ward's system still lives, and its messages still come.
            ris.say(order(told.exam.order, "CA", "CA"))
            told.lines.append("cancelled in the outage; gone from the worklist")
        for told in doing:
            if told.exam.story is Story.ORDERED_LATER:
                ris.say(admission(told.exam.order.patient), order(told.exam.order))
                told.lines.append("ordered in the outage")
            self._register(told)
            self._acquire(told)
            self._staff.note(told.accession, "acquired")
            step.done += 1
            self._show.refresh()
        for told in self._of(Story.MERGED):
            ris.say(merge(OLGA, OLGA_PRIOR))
            told.lines.append(f"{OLGA_PRIOR.patient_id} was merged into {OLGA.patient_id} after the images were made")
        self._commit(doing)
        listed = {str(one.AccessionNumber) for device in self._devices.values() for one in device.worklist()}
        left = listed & {told.accession for told in self._exams.values() if told.exam.story is not Story.MORNING}
        if left:
            raise DemonstrationFailed(step="worklist", left=", ".join(sorted(left)))
        self._show.end(3, f"{len(doing)} exams made and committed to, the cancelled one is off the worklist")

    def _read_and_call(self) -> None:
        self._show.begin(4)
        for told in self._exams.values():
            if not told.exam.is_done_in_the_outage:
                continue
            urgent = told.exam.story in (Story.URGENT, Story.TRAUMA)
            self._staff.read(told.exam, told.accession, urgent=urgent)
            told.lines.append(f"read by {READER}: {told.exam.read}")
            if urgent:
                self._staff.call(told.exam, told.accession, "Dr. Ward, ext. 4711")
                told.lines.append("urgent: called to Dr. Ward, read back")
        board = self._safelight("downtime", "exam", "list")
        self._show.end(4, f"{len(board['exams'])} exams on the board, {board['open']} wait for something")

    def _come_back(self, ris: InformationSystem) -> None:
        self._show.begin(5)
        ris.come_back()
        self._pacs.start()
        # What was there before the outage goes home first; what was made in it waits for its orders.
        refilled = self._safelight(
            "recovery", "start", "--target", str(self._pacs_peer), "--as-of", to_text(self._broke_at),
            "--broke-at", to_text(self._broke_at), "--accept-side-effects", "--reason", "the PACS is back", *WHO,
        )  # fmt: skip
        self._staff.say("recover", "ris", "the RIS is back")
        for scope in ("pacs", "ris"):
            self._staff.say("end", scope, "back in service")
        self._show.end(5, f"{refilled['confirmed']} of {refilled['studies']} studies confirmed in the new PACS")

    def _order_afterwards(self, ris: InformationSystem) -> None:
        self._show.begin(6)
        for told in self._exams.values():
            if not told.exam.is_by_hand:
                continue
            of = told.exam.order
            if told.exam.story is Story.TRAUMA:
                self._identify(told)
            ris.say(admission(of.patient), order(of))
            told.lines.append(f"ordered afterwards as {of.accession} for {of.patient.patient_id}")
        forwarded = self._safelight(
            "gateway", "procedure-steps", "forward", "--to", "RIS", "--reason", "the RIS is back", *WHO
        )
        self._show.end(
            6, f"walk-ins and the trauma patient have orders; {forwarded['told']} notices of modalities told to the RIS"
        )

    def _reconcile(self) -> None:
        step = self._show.begin(7)
        first = self._safelight("reconciliation", "compare", allow=(0, 1))
        step.total, last = first["open"], first
        for _ in range(ROUNDS_MAX):
            self._decide(last)
            last = self._safelight("reconciliation", "send", allow=(0, 1))
            step.done = max(0, step.total - last["open"])
            self._show.refresh()
            if not last["open"]:
                break
            time.sleep(LOOK_SECONDS)
        self._open = last["differences"]
        self._decisions = self._safelight("reconciliation", "log")["decisions"]
        for told in self._exams.values():
            self._note_decisions(told)
        kinds = ", ".join(f"{count} {kind}" for kind, count in first["by_kind"].items())
        self._show.end(
            7, f"{first['open']} differences ({kinds}); {last['open']} open, {len(self._decisions)} decisions"
        )

    def _decide(self, listed: Mapping[str, Any]) -> None:
        """Say what only a person can say: which order an exam fulfils where more than one might be meant."""
        for one in listed["differences"]:
            if one["waits_for"] == "decision" and one["proposals"]:
                order_name = one["proposals"][0]["order"]
                words = ("--order", order_name, "--reason", "the request on paper", *WHO)
                self._safelight("reconciliation", "match", one["id"], *words)

    def _close(self, ris: InformationSystem) -> None:
        self._show.begin(8)
        for scope in ("pacs", "ris"):
            self._staff.say("close", scope, "nothing is open")
        for told in self._exams.values():
            self._look_at_pacs(told)
            self._look_at_steps(told, ris)
        self._reports = len(ris.received("ORU"))
        steps = self._safelight("gateway", "procedure-steps", "list")["steps"]
        self._steps = sum(one["status"] == "COMPLETED" for one in steps)
        phase = self._safelight("downtime", "status")["phase"]
        self._show.end(8, f"phase {phase}; {self._reports} preliminary reports reached the RIS")

    # What people and devices do.

    def _prepare_numbers(self, device: str, *, first: bool) -> None:
        """Long before: ranges are agreed, and every device has its block of labels."""
        for of, prefix in (("patient", "DTP"), ("accession", "DTA")):
            if first:
                reserve = ["--for", of, "--prefix", prefix, "--first", "1", "--last", "9999"]
                self._safelight("downtime", "numbers", "reserve", *reserve, "--reason", "agreed with the RIS", *WHO)
            allot = ["--for", of, "--count", "20", "--site", BY_HAND_SITE, "--device", device]
            self._safelight("downtime", "numbers", "allot", *allot, "--reason", "downtime box", *WHO)

    def _register(self, told: ExamTold) -> None:
        """Put an exam on the downtime board."""
        registered = self._staff.register(told.exam)
        told.accession = registered.accession
        if told.exam.is_by_hand:
            told.lines.append(f"registered as {registered.accession}, patient {registered.patient_id}")

    def _acquire(self, told: ExamTold, archive: Peer | None = None) -> None:
        device = self._devices[told.exam.order.station]
        listed = self._wait_for(f"{told.accession} on the worklist", lambda: _listed(device, told.accession))
        here = device.peer
        device.peer = archive or here
        told.made = device.acquire(listed, tells=archive is None)
        device.peer = here
        told.lines.append(
            f"{device.title}: {len(told.made.instances)} images to {'the PACS' if archive else 'Safelight'}"
        )

    def _commit(self, doing: list[ExamTold]) -> None:
        for device in self._devices.values():
            made = [told.made for told in doing if told.made and told.exam.order.station == device.title]
            if made and not device.is_committed(made):
                raise DemonstrationFailed(step="commitment", device=device.title)
        for told in doing:
            told.lines.append("storage commitment: two verified copies")

    def _identify(self, told: ExamTold) -> None:
        patient = told.exam.order.patient
        words = ("--patient-id", patient.patient_id, "--reason", "papers found, family confirms", *WHO)
        self._safelight("downtime", "exam", "identify", told.accession, *words)
        told.lines.append(f"identified as {patient.patient_id}")

    def _note_decisions(self, told: ExamTold) -> None:
        names = {told.accession, told.made.study if told.made else ""}
        for one in self._decisions:
            if one["subject"] in names and one["verdict"] == "matched":
                told.lines.append(f"matched to {one['identity']['accession']} by {one['by']}: {one['reason']}")
                told.lines += [done["what"] for done in one["done"] if not done["what"].startswith("send ")]

    def _look_at_pacs(self, told: ExamTold) -> None:
        """Note under whom the restored PACS has it."""
        asked = item(QueryRetrieveLevel="STUDY", StudyInstanceUID=told.made.study if told.made else "", PatientID="",
                     AccessionNumber="", NumberOfStudyRelatedInstances="")  # fmt: skip
        if told.made is None:
            return
        with connect(self._pacs_peer, AETitle.parse("CT1"), [service_proposal(STUDY_ROOT_FIND)]) as association:
            told.at_pacs = next(association.find(STUDY_ROOT_FIND, asked), None)

    def _look_at_steps(self, told: ExamTold, ris: InformationSystem) -> None:
        """Note what the information system was told of the work on it, and in which order."""
        if told.made is not None and told.made.performed:
            told.steps = ris.steps.told_of(told.made.performed)
            told.lines.append(f"performed step told to the RIS: {', '.join(told.steps).lower() or 'nothing'}")

    def _of(self, story: Story) -> list[ExamTold]:
        return [told for told in self._exams.values() if told.exam.story is story]

    @property
    def _pacs_peer(self) -> Peer:
        return Peer.parse(f"PACS@127.0.0.1:{self._pacs.port}")

    def _safelight(self, *words: str, allow: tuple[int, ...] = (0,)) -> dict[str, Any]:
        document: dict[str, Any] = self._home.safelight(*words, allow=allow)
        return document

    def _wait_for(self, what: str, look: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if (found := look()) is not None:
                return found
            time.sleep(LOOK_SECONDS)
        raise DemonstrationFailed(step=f"waiting for {what}")

    def tell(self) -> bool:
        """Print what happened to each exam; return whether it ended as it must."""
        console = self._show.console
        report = {
            "exams": [exam_document(told) for told in self._exams.values()],
            "decisions": self._decisions,
            "differences_open": self._open,
            "reports_delivered": self._reports,
            "procedure_steps_kept": self._steps,
        }
        (self._folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
        table = Table(title="What happened to each exam", title_style="bold", box=None, padding=(0, 2))
        for heading in ("exam", "story", "what happened", "in the restored PACS"):
            table.add_column(heading)
        for told in self._exams.values():
            table.add_row(*table_row(told))
        console.print(table)
        done = sum(told.exam.is_done_in_the_outage for told in self._exams.values())
        is_told = self._reports == self._steps == done
        is_right = is_told and not self._open and all(told.is_right for told in self._exams.values())
        console.print(
            "[bold green]Every exam is where it belongs; nothing is open.[/bold green]"
            if is_right
            else f"[bold red]Not as it must be: {len(self._open)} differences open; {self._reports} reports and "
            f"{self._steps} completed steps of {done}; see the marks above.[/bold red]"
        )
        home = self._home.directory
        self._show.say_what_next(
            f"safelight reconciliation log --home {home}",
            f"safelight downtime log --home {home}",
            f"safelight downtime exam list --home {home}",
            f"less {self._folder}/report.json",
        )
        return is_right


def _listed(device: Modality, accession: str) -> Dataset | None:
    return next((one for one in device.worklist() if str(one.AccessionNumber) == accession), None)
