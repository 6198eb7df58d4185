"""The rehearsal day: who is examined, where, and what happens to each while PACS and RIS are away."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from safelight.site.rehearsal.messages import HospitalOrder, HospitalPatient
from safelight.site.rehearsal.objects import invent_uid

BY_HAND_SITE: Final = "main"


class Story(StrEnum):
    """What an exam of the day stands for."""

    MORNING = "done before the outage"
    ORDERED = "ordered before, done in the outage"
    ORDERED_LATER = "ordered in the outage"
    URGENT = "an urgent finding, called and read back"
    MERGED = "two records of one patient are merged in the outage"
    CANCELLED = "the order is cancelled in the outage"
    WALK_IN = "a walk-in without an order"
    TRAUMA = "an unidentified trauma patient"


@dataclass(frozen=True, slots=True)
class DayExam:
    """One exam of the day."""

    order: HospitalOrder
    """As the information system writes it; of somebody without an order, what it writes afterwards."""
    story: Story
    read: str = ""
    """What the radiologist writes down in the outage."""

    @property
    def is_by_hand(self) -> bool:
        """Whether nobody ordered it when it was done."""
        return self.story in (Story.WALK_IN, Story.TRAUMA)

    @property
    def is_done_in_the_outage(self) -> bool:
        """Whether its images are made while PACS and RIS are away."""
        return self.story not in (Story.MORNING, Story.CANCELLED)


def _exam(
    number: int, who: HospitalPatient, modality: str, procedure: str, story: Story, read: str = "No acute finding."
) -> DayExam:
    # The information system gives a Study Instance UID to some orders only, as many do.
    study = invent_uid("rehearsal day", number) if number % 2 else ""
    order = HospitalOrder(f"O{number:04d}", f"A{number:05d}", who, modality, f"{modality}1", procedure, study)
    return DayExam(order, story, read)


ANNA: Final = HospitalPatient("RH-20001", "Phantom", "Anna", "19610412", "F", "3B-04")
JURGEN: Final = HospitalPatient("RH-20002", "Müßig", "Jürgen", "19480923", "M", "ICU-2")
MARIA: Final = HospitalPatient("RH-20003", "Sample", "Maria", "19790130", "F")
OLGA: Final = HospitalPatient("RH-20004", "Примерова", "Ольга", "19850711", "F", "5A-11")
OLGA_PRIOR: Final = HospitalPatient("RH-10044", "Примерова", "Ольга", "19850711", "F")
"""The same person, admitted under a second number by mistake: what is ordered under it is hers."""
PETER: Final = HospitalPatient("RH-20005", "Example", "Peter", "19561201", "M")
ZOE: Final = HospitalPatient("RH-20006", "Lefèvre", "Zoë", "20010503", "F", "ED 4")
THOMAS: Final = HospitalPatient("RH-20007", "Example", "Thomas", "19700214", "M", "STROKE 1")
BOZENA: Final = HospitalPatient("RH-20008", "Łukasik", "Bożena", "19930309", "F")
JOSE: Final = HospitalPatient("RH-20009", "Núñez", "José", "19660627", "M")
IVAN: Final = HospitalPatient("RH-20010", "Образцов", "Иван", "19820815", "M", "TRAUMA 2")

EXAMS: Final = (
    _exam(1, ANNA, "CT", "CT chest", Story.MORNING),
    _exam(2, PETER, "DX", "Chest PA", Story.MORNING),
    _exam(3, JURGEN, "MR", "MR head", Story.ORDERED, "Old infarct on the left, no change."),
    _exam(4, OLGA_PRIOR, "CT", "CT chest", Story.MERGED),
    _exam(5, MARIA, "US", "Echocardiogram", Story.CANCELLED),
    _exam(6, THOMAS, "CT", "CT chest", Story.URGENT, "Central pulmonary embolism on both sides."),
    _exam(7, ZOE, "DX", "Chest PA", Story.ORDERED_LATER),
    _exam(8, BOZENA, "DX", "Chest PA", Story.WALK_IN),
    _exam(9, JOSE, "CT", "CT chest", Story.WALK_IN, "Nodule of 9 mm in the right upper lobe."),
    _exam(10, IVAN, "CT", "CT chest", Story.TRAUMA, "Rib fractures on the left, small pneumothorax."),
)
