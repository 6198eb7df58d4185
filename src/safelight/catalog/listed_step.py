"""One step of a list of scheduled steps that somebody else keeps, and what a newer edition of the list changes."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from safelight.catalog.order_changes import PatientName

STUDY: Final = "StudyInstanceUID"
_IDENTITY: Final = ("AccessionNumber", "RequestedProcedureID", "ScheduledProcedureStepID")
IN_FACT_MAX: Final = 500
"""A longer change is said in several facts, committed together."""


class ListingWay(StrEnum):
    """How a list comes here. Where two lists have a step, the first of these ways counts."""

    MIRROR = "mirror"
    """Asked for at the RIS."""
    IMPORT = "import"
    """Read from a file."""


@dataclass(frozen=True, slots=True, repr=False)
class ListedStep:
    """One scheduled procedure step of a list; attributes by DICOM keyword, dates and times as they came."""

    patient: PatientName
    of_patient: Mapping[str, str]
    attributes: Mapping[str, str]

    @property
    def names_itself(self) -> bool:
        """Whether it says whose it is, and which: without that it cannot be told from others."""
        return bool(self.patient.patient_id and any(self.attributes.get(name) for name in (*_IDENTITY, STUDY)))

    @property
    def identity(self) -> str:
        """The same for the same step of the same list at every look.

        Without the study, which some systems invent anew at each query, where anything else tells steps apart.
        """
        told = [self.attributes.get(name, "") for name in _IDENTITY]
        if not any(told):
            told.append(self.attributes.get(STUDY, ""))
        text = "\\".join((self.patient.patient_id, *told))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_body(self) -> dict[str, Any]:
        """Return it as it stands in a fact."""
        patient = {"patient_id": self.patient.patient_id, "issuer": self.patient.issuer}
        return {**patient, "patient": dict(self.of_patient), "attributes": dict(self.attributes)}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_body` wrote."""
        return cls(PatientName(body["patient_id"], body["issuer"]), body["patient"], body["attributes"])


@dataclass(frozen=True, slots=True)
class ListingChange:
    """What a newer edition of a list changes."""

    listed: Mapping[str, ListedStep]
    """By key: new, or other than before."""
    gone: Sequence[str]
    count: int
    """Steps of the newer edition."""

    def to_bodies(self, source: str, as_of: str, more: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what the facts say that make it durable: at least one, since the list was seen to be so."""
        listed = [{"key": key, **step.to_body()} for key, step in self.listed.items()]
        parts = [listed[at : at + IN_FACT_MAX] for at in range(0, len(listed), IN_FACT_MAX)] or [[]]
        common = {"source": source, "as_of": as_of, "count": self.count, **more}
        last = len(parts) - 1
        return [
            {**common, "listed": part, "gone": list(self.gone) if number == last else [], "is_whole": number == last}
            for number, part in enumerate(parts)
        ]


def keyed(steps: Iterable[ListedStep]) -> dict[str, ListedStep]:
    """Give each step of a list its key; steps that say the same of themselves are told apart by what else they say."""
    found: dict[str, ListedStep] = {}
    for step in sorted(steps, key=lambda one: json.dumps(one.to_body(), sort_keys=True)):
        identity, number = step.identity, 0
        while (key := f"{identity}-{number}" if number else identity) in found:
            if found[key].to_body() == step.to_body():
                break
            number += 1
        found[key] = step
    return found


def steadied(before: Mapping[str, ListedStep], now: Mapping[str, ListedStep]) -> dict[str, ListedStep]:
    """Return a newer edition with the studies of the one before, if it names others for most of the same steps.

    Some systems invent a Study Instance UID whenever they are asked: then a modality must go on with the one it has.
    """
    both = now.keys() & before.keys()
    other = {key for key in both if now[key].attributes.get(STUDY) != before[key].attributes.get(STUDY, "")}
    if len(other) * 2 <= len(both):
        return dict(now)
    kept = {
        key: replace(now[key], attributes={**now[key].attributes, STUDY: before[key].attributes[STUDY]})
        for key in other
        if before[key].attributes.get(STUDY)
    }
    return {**now, **kept}


def change_of(before: Mapping[str, ListedStep], now: Mapping[str, ListedStep]) -> ListingChange:
    """Compare two editions of a list."""
    listed = {key: step for key, step in now.items() if key not in before or before[key].to_body() != step.to_body()}
    return ListingChange(listed, sorted(before.keys() - now.keys()), len(now))
