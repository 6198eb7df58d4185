"""A case: one thing that was done, as far as an exam that was registered and studies that arrived tell of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from safelight.reconciliation.sides import Exam, HeldStudy, Patient


@dataclass(frozen=True, slots=True)
class Case:
    """An exam with its studies, or a study that nobody registered."""

    exam: Exam | None
    studies: tuple[HeldStudy, ...] = ()
    study_name: str = ""
    """The Study Instance UID under which it was acquired, where nobody registered it."""

    @property
    def name(self) -> str:
        """By what people call it, and decisions name it: the exam's accession number, else the Study Instance UID."""
        return self.exam.accession if self.exam is not None else self.study_name

    @property
    def patient(self) -> Patient:
        """Who it is, as known without an order."""
        if self.exam is None:
            return self.studies[0].patient
        return self.exam.identified_as or self.exam.patient

    @property
    def waits_for_identity(self) -> bool:
        """Whether nobody knows yet who the patient is."""
        return self.exam is not None and self.exam.is_unidentified and self.exam.identified_as is None


def cases_of(
    exams: Sequence[Exam], studies: Sequence[HeldStudy], replaced: Mapping[str, str] = MappingProxyType({})
) -> list[Case]:
    """Bring exams and studies together; an exam that was cancelled and has no images is none.

    A study belongs to the exam under whose UID the worklist offered it, else to the one with its accession number. A
    modality where everything was typed by hand makes its own UID and may lack the accession number: then to the
    only exam of that patient with that modality. Corrected instances belong where those belonged that they replace.
    """
    owner = _owners(exams, studies)
    by_name: dict[str, list[HeldStudy]] = {}
    for study in studies:
        origin = replaced.get(study.study, study.study)
        by_name.setdefault(owner.get(origin, owner.get(study.study, origin)), []).append(study)
    by_exam = {exam.accession: by_name.pop(exam.accession, []) for exam in exams}
    alone = [Case(None, tuple(several), name) for name, several in by_name.items()]
    registered = [
        Case(exam, tuple(by_exam[exam.accession])) for exam in exams if by_exam[exam.accession] or not exam.is_cancelled
    ]
    return registered + alone


def _owners(exams: Sequence[Exam], studies: Sequence[HeldStudy]) -> Mapping[str, str]:
    by_study = {exam.study: exam.accession for exam in exams}
    known = {exam.accession for exam in exams}
    found: dict[str, str] = {}
    for study in studies:
        if study.study in by_study:
            found[study.study] = by_study[study.study]
        elif study.accession in known:
            found[study.study] = study.accession
    taken = set(found.values())
    for study in studies:
        if study.study in found or study.accession:
            continue
        fitting = [
            exam.accession
            for exam in exams
            if exam.accession not in taken
            and exam.patient.patient_id == study.patient.patient_id
            and exam.modality in study.modalities
        ]
        if len(fitting) == 1:
            found[study.study] = fitting[0]
    return found
