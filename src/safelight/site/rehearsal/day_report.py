"""What the rehearsal day tells of each exam, and whether it ended as it must."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.dataset import Dataset

from safelight.site.rehearsal.day import OLGA, DayExam, Story
from safelight.site.rehearsal.modality import Acquired

STEP_TOLD: Final = ("IN PROGRESS", "COMPLETED")
"""An N-CREATE, then an N-SET, each once."""


@dataclass(slots=True)
class ExamTold:
    """What happened to one exam, for the report."""

    exam: DayExam
    accession: str = ""
    """Under which it was done."""
    made: Acquired | None = None
    lines: list[str] = field(default_factory=list)
    at_pacs: Dataset | None = None
    """How the restored PACS has it."""
    steps: tuple[str, ...] = ()
    """What the information system was told of the performed procedure step, in order."""

    @property
    def is_right(self) -> bool:
        """Whether the restored PACS has it as it must be, or rightly has nothing."""
        if self.exam.story is Story.CANCELLED:
            return self.made is None
        if self.made is None or self.at_pacs is None:
            return False
        if self.exam.is_done_in_the_outage and self.steps != STEP_TOLD:
            return False
        whose = OLGA if self.exam.story is Story.MERGED else self.exam.order.patient
        return (
            str(self.at_pacs.PatientID) == whose.patient_id
            and str(self.at_pacs.AccessionNumber) == self.exam.order.accession
            and int(self.at_pacs.NumberOfStudyRelatedInstances) == len(self.made.instances)
        )


def table_row(told: ExamTold) -> tuple[str, str, str, str]:
    """Return an exam as a row of the report."""
    found = told.at_pacs
    there = "nothing" if found is None else f"{found.AccessionNumber}, {found.PatientID}"
    if found is not None:
        there += f", {found.NumberOfStudyRelatedInstances} images"
    mark = "[green]✓[/green]" if told.is_right else "[red]✗[/red]"
    return told.exam.order.accession, told.exam.story.value, "\n".join(told.lines), f"{mark} {there}"


def exam_document(told: ExamTold) -> Mapping[str, Any]:
    """Return an exam as JSON."""
    found = told.at_pacs
    return {
        "order": told.exam.order.number,
        "accession": told.exam.order.accession,
        "done_as": told.accession,
        "story": told.exam.story.value,
        "happened": told.lines,
        "at_pacs": None
        if found is None
        else {
            "patient_id": str(found.PatientID),
            "accession": str(found.AccessionNumber),
            "instances": int(found.NumberOfStudyRelatedInstances),
        },
        "step_told_to_ris": list(told.steps),
        "as_it_must_be": told.is_right,
    }
