"""As whose a study must stand, whether it does, and by which way that is put right where an archive has it already."""

from enum import StrEnum

from safelight.reconciliation.case import Case
from safelight.reconciliation.facts import Identity
from safelight.reconciliation.matching import name_key
from safelight.reconciliation.sides import Order, Patient, Sides


class Way(StrEnum):
    """How the archive's study gets the right identity."""

    NONE = "none"
    """It has it."""
    MERGE = "merge"
    """ADT A40: the number given out for the outage becomes the patient's own."""
    UPDATE = "update"
    """ADT A08: the right patient, with other name, birth date or sex."""
    OBJECTS = "objects"
    """Corrected instances under UIDs of their own, and a rejection note for the old ones."""


def way_to_correct(theirs: Patient, accession: str, wanted: Identity, sides: Sides) -> Way:
    """Return how a study that an archive has under ``theirs`` comes to stand as ``wanted``.

    A merge moves everything of the prior patient. So it is only used for a number that we gave out ourselves, or that
    the hospital merged: where images were made under another person's own number, merging the two would be the
    worst mistake there is.
    """
    patient, their_id = wanted.patient, theirs.patient_id.text
    wanted_id = sides.current(patient.patient_id.text)
    if their_id != wanted_id:
        return Way.MERGE if their_id in sides.temporary or sides.current(their_id) == wanted_id else Way.OBJECTS
    if wanted.accession and accession != wanted.accession:
        return Way.OBJECTS
    return Way.UPDATE if differing_demographics(theirs, patient) else Way.NONE


def differing_demographics(theirs: Patient, ours: Patient) -> list[str]:
    """Name what differs of two records of one patient; what one does not tell does not count.

    Many archives do not answer with birth date and sex: that is no other patient.
    """
    pairs = {
        "name": (name_key(theirs.name.text), name_key(ours.name.text)),
        "birth date": (theirs.birth_date, ours.birth_date),
        "sex": (theirs.sex, ours.sex),
    }
    return [words for words, (their, our) in pairs.items() if our and their and their != our]


def needs_correction(theirs: Patient, accession: str, wanted: Identity) -> bool:
    """Say whether a study of ours must be corrected before it goes out."""
    patient = wanted.patient
    return (
        theirs.patient_id != patient.patient_id
        or bool(wanted.accession and accession != wanted.accession)
        or bool(differing_demographics(theirs, patient))
    )


def identity_by_order(order: Order) -> Identity:
    """Return the identity that an order gives to what fulfils it."""
    return Identity(
        order.patient,
        order.accession,
        order.placer,
        order.filler,
        order.procedure,
        order.procedure_code,
        order.requested_procedure,
        order.study,
    )


def identity_without_order(case: Case) -> Identity:
    """Return the identity of what nobody ordered: as registered, or as found out since."""
    exam = case.exam
    accession = exam.accession if exam is not None else case.studies[0].accession
    return Identity(case.patient, accession, procedure=exam.procedure if exam is not None else "")
