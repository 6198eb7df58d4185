"""What a home puts into a downtime pack, seen in one look: numbers with their bars, and the schedule of the day."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from markupsafe import Markup

from safelight.core.errors import StateError
from safelight.site.home import Home
from safelight.site.plan_records import PlanRecords, records_in

if TYPE_CHECKING:
    from safelight.catalog.catalog import Catalog
    from safelight.journal.journal import Journal

LABELS_A_BLOCK_MAX: Final = 60
EXAMS_MAX: Final = 5000


class ScheduleTooLong(StateError):
    """Today's schedule has more exams than a pack can hold, and none must be left out."""

    code: ClassVar[str] = "site.schedule-too-long"
    hint: ClassVar[str] = "Make the pack without --home, and export the worklist: safelight catalog worklist --json"


@dataclass(frozen=True, slots=True)
class PackLook:
    """A home that is open for as long as its pack is made: what is allotted meanwhile is seen."""

    home: Home
    catalog: "Catalog"
    journal: "Journal"

    def records(self) -> PlanRecords:
        """Return what the home says to the plan."""
        return records_in(self.home, self.catalog, self.journal)

    def blocks(self, own: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
        """Return the labels of blocks: a pack's own ones whole, or the first of what each device has."""
        from safelight.downtime.code128 import code128_svg
        from safelight.downtime.labels import WORDS
        from safelight.site.exams import exams_of, numbers_of

        numbers = numbers_of(self.journal)
        exams = exams_of(self.journal).values()
        taken = {one.registered.accession for one in exams} | {one.registered.person.patient_id for one in exams}
        told = []
        for block in numbers.blocks.values():
            if own is not None and block.number not in {one["block"] for one in own}:
                continue
            free = [one for one in numbers.texts(block) if one not in taken]
            shown = free[:LABELS_A_BLOCK_MAX] if own is None else free
            # Drawn by us: nothing of the text itself is in it.
            labels = [{"text": one, "bars": Markup(code128_svg(one))} for one in shown]  # noqa: S704
            what = WORDS[numbers.ranges[block.range].of]
            more = {"labels": labels, "more": len(free) - len(shown)}
            more |= {"last": free[-1] if free else "", "own": own is not None}
            told.append({"number": block.number, "site": block.site, "device": block.device, "what": what, **more})
        return told

    def schedule(self, at: datetime) -> list[tuple[str, ...]]:
        """Return the exams of the day, all of them.

        Raises:
            ScheduleTooLong: the day has more than a pack holds.
        """
        from safelight.site.hl7_worklist import steps_document

        day = at.strftime("%Y%m%d")
        asked = {"date_from": day, "date_to": day, "limit": EXAMS_MAX + 1}
        steps = steps_document(self.home, self.catalog, self.journal, asked)["steps"]
        if len(steps) > EXAMS_MAX:
            raise ScheduleTooLong(exams_max=EXAMS_MAX)
        return [_scheduled(one) for one in steps]


@contextmanager
def looked_into(home: Home | None) -> Iterator[PackLook | None]:
    """Open a home for the making of a pack; None where no home was named."""
    if home is None:
        yield None
        return
    from safelight.site.status import looked_at

    with looked_at(home) as (catalog, journal):
        yield PackLook(home, catalog, journal)


def _scheduled(step: Mapping[str, Any]) -> tuple[str, ...]:
    told, patient = step["attributes"], step["patient"]
    time = told.get("ScheduledProcedureStepStartTime", "")
    exam = told.get("ScheduledProcedureStepDescription") or told.get("RequestedProcedureDescription", "")
    return (
        f"{time[:2]}:{time[2:4]}" if len(time) >= 4 else time,
        " ".join(filter(None, (told.get("Modality", ""), told.get("ScheduledStationAETitle", "")))),
        patient.get("PatientName", ""),
        step["patient_id"],
        patient.get("PatientBirthDate", ""),
        exam,
        told.get("AccessionNumber", ""),
        "☐",
    )
