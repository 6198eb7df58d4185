"""The rehearsal day: a hospital loses PACS and RIS in mid-morning, carries on, comes back, and reconciles.

Runs the program as its people would, beside a real PACS; modalities and the information system are our own, on real
sockets.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from pydicom.dataset import Dataset

from safelight.core.clock import to_text
from safelight.core.names import Peer
from safelight.site.rehearsal.day import BY_HAND_SITE, EXAMS, OLGA, OLGA_PRIOR, DayExam, Story
from safelight.site.rehearsal.information_system import InformationSystem, information_system
from safelight.site.rehearsal.live_view import Show
from safelight.site.rehearsal.messages import admission, merge, order
from safelight.site.rehearsal.modality import Acquired, Modality
from safelight.site.rehearsal.pacs import RehearsalPacs, pacs_in
from safelight.site.rehearsal.program import DemonstrationFailed, RehearsalHome, free_port

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
WHO: Final = ("--by", "the rehearsal")
PATIENCE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.2
T = TypeVar("T")


@dataclass(slots=True)
class _Told:
    """What happened to one exam, for the report."""

    exam: DayExam
    accession: str = ""
    """Under which it was done."""
    made: Acquired | None = None
    lines: list[str] = field(default_factory=list)


def rehearse_day(folder: Path) -> bool:
    """Run the day in ``folder``, which is emptied first; return whether it ended with nothing open."""
    folder = folder.absolute()
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    show = Show("a day without PACS and RIS", STEPS)
    day = _Day(folder, show)
    with show.shown():
        day.go()
    return day.tell()


class _Day:
    """One rehearsal day."""

    def __init__(self, folder: Path, show: Show) -> None:
        self._folder = folder
        self._show = show
        self._home = RehearsalHome(folder / "home", free_port(), free_port())
        self._pacs: RehearsalPacs = pacs_in(folder, own_port=self._home.dicom_port)
        here = Peer.parse(f"SAFELIGHT@127.0.0.1:{self._home.dicom_port}")
        self._devices = {
            f"{kind}1": Modality(f"{kind}1", kind, here, 100 * number)
            for number, kind in enumerate(("CT", "DX", "MR", "US"), 1)
        }
        self._exams = {exam.order.number: _Told(exam, exam.order.accession) for exam in EXAMS}
        self._broke_at = datetime.now(UTC)

    def go(self) -> None:
        """Live through the day."""
        self._home.make(self._folder / "second-site")
        try:
            with self._home.served(self._folder / "serve.log"), information_system(self._home.hl7_port) as ris:
                self._morning(ris)
                self._lose(ris)
                self._declare()
                self._carry_on(ris)
                self._read_and_call()
                self._come_back(ris)
        finally:
            self._pacs.stop()

    # The chapters.

    def _morning(self, ris: InformationSystem) -> None:
        self._show.begin(0)
        self._pacs.start()
        self._safelight("gateway", "peer", "add", "PACS", f"127.0.0.1:{self._pacs.port}")
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
        declared = self._safelight(
            "downtime", "declare", "--scope", "pacs", "--scope", "ris", "--since", to_text(self._broke_at),
            "--reason", "storage failed, RIS does not answer", *WHO,
        )  # fmt: skip
        advised = ", ".join(f"{one['scope']}: {one['advice']}" for one in advice if one["advice"] != "nothing")
        self._show.end(2, f"phase {declared['phase']}; it was advised ({advised})")

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
            self._note(told, "acquired")
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
            self._note(told, "read", "--text", told.exam.read, *(["--urgent"] if urgent else []), by="R. Reader")
            told.lines.append(f"read by R. Reader: {told.exam.read}")
            if urgent:
                self._note(told, "called", "--to", "Dr. Ward, ext. 4711", "--read-back", by="R. Reader")
                told.lines.append("urgent: called to Dr. Ward, read back")
        board = self._safelight("downtime", "exam", "list")
        self._show.end(4, f"{len(board['exams'])} exams on the board, {board['open']} wait for something")

    def _come_back(self, ris: InformationSystem) -> None:
        self._show.begin(5)
        ris.come_back()
        self._pacs.start()
        self._show.end(5, "")

    # What people and devices do.

    def _prepare_numbers(self, device: str, *, first: bool) -> None:
        """Long before: ranges are agreed, and every device has its block of labels."""
        for of, prefix in (("patient", "DTP"), ("accession", "DTA")):
            if first:
                reserve = ["--for", of, "--prefix", prefix, "--first", "1", "--last", "9999"]
                self._safelight("downtime", "numbers", "reserve", *reserve, "--reason", "agreed with the RIS", *WHO)
            allot = ["--for", of, "--count", "20", "--site", BY_HAND_SITE, "--device", device]
            self._safelight("downtime", "numbers", "allot", *allot, "--reason", "downtime box", *WHO)

    def _register(self, told: _Told) -> None:
        """Put an exam on the downtime board: by its order, or with numbers from the label box."""
        of, patient = told.exam.order, told.exam.order.patient
        words = ["--site", BY_HAND_SITE, "--device", of.station, "--modality", of.modality]
        words += ["--procedure", of.procedure, "--by", "T. Tech"]
        if told.exam.story is Story.TRAUMA:
            words += ["--way", "unidentified", "--place", "TRAUMA 2", "--sex", patient.sex]
        else:
            words += ["--name", patient.dicom_name, "--birth-date", patient.birth_date, "--sex", patient.sex]
            words += ["--way", "walk-in" if told.exam.is_by_hand else "ordered"]
        if not told.exam.is_by_hand:
            words += ["--patient-id", patient.patient_id, "--accession", of.accession]
        registered = self._safelight("downtime", "exam", "register", *words)
        told.accession = registered["accession"]
        if told.exam.is_by_hand:
            told.lines.append(f"registered as {registered['accession']}, patient {registered['patient_id']}")

    def _acquire(self, told: _Told, archive: Peer | None = None) -> None:
        device = self._devices[told.exam.order.station]
        listed = self._wait_for(f"{told.accession} on the worklist", lambda: _listed(device, told.accession))
        here = device.peer
        device.peer = archive or here
        told.made = device.acquire(listed, tells=archive is None)
        device.peer = here
        told.lines.append(
            f"{device.title}: {len(told.made.instances)} images to {'the PACS' if archive else 'Safelight'}"
        )

    def _commit(self, doing: list[_Told]) -> None:
        for device in self._devices.values():
            made = [told.made for told in doing if told.made and told.exam.order.station == device.title]
            if made and not device.is_committed(made):
                raise DemonstrationFailed(step="commitment", device=device.title)
        for told in doing:
            told.lines.append("storage commitment: two verified copies")

    def _note(self, told: _Told, step: str, *words: str, by: str = "T. Tech") -> None:
        self._safelight("downtime", "exam", step, told.accession, *words, "--by", by)

    def _of(self, story: Story) -> list[_Told]:
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
        """Print what happened to each exam; return whether nothing is open."""
        report = [_exam_document(told) for told in self._exams.values()]
        (self._folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
        for one in report:
            self._show.console.print(one)
        return True


def _listed(device: Modality, accession: str) -> Dataset | None:
    return next((one for one in device.worklist() if str(one.AccessionNumber) == accession), None)


def _exam_document(told: _Told) -> Mapping[str, Any]:
    return {"order": told.exam.order.number, "story": told.exam.story.value, "happened": told.lines}
