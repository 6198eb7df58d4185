"""What is recorded of a reconciliation: decisions, what was taken back, and what was done in consequence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from safelight.core.clock import from_text, to_text
from safelight.journal.kinds import FactKind
from safelight.reconciliation.sides import Patient


class Verdict(StrEnum):
    """What is decided."""

    MATCHED = "matched"
    """An exam or study fulfils an order."""
    NO_ORDER = "no-order"
    """There is no order for it, and none will come; who the patient is, the decision says."""
    NOT_DONE = "not-done"
    """What was ordered was not done during the outage: put off, done elsewhere, patient did not come."""
    LEFT = "left"
    """The difference stays as it is."""
    REPLACED = "replaced"
    """The target's instances, made under a wrong worklist entry, are replaced by corrected ones under new UIDs."""
    REPLACED_FOR_SAFETY = "replaced-for-safety"
    """The same, and nobody must see the old ones: they endanger a patient."""
    OURS = "ours"
    """Of instances with several contents the one that counts here counts everywhere."""
    THEIRS = "theirs"
    """Of instances with several contents the target's counts, here too."""


FREE_VERDICTS: Final = tuple(one for one in Verdict if one is not Verdict.MATCHED)
"""What may be decided of any difference; a match names an order too."""
REPLACING: Final = (Verdict.REPLACED, Verdict.REPLACED_FOR_SAFETY, Verdict.OURS)
RULE: Final = "rule"
"""Stands in place of a person's name where a rule decided."""


@dataclass(frozen=True, slots=True)
class Identity:
    """As whose and under which numbers a case stands from a decision on."""

    patient: Patient
    accession: str = ""
    placer: str = ""
    filler: str = ""
    procedure: str = ""
    procedure_code: tuple[str, str] = ("", "")
    requested_procedure: str = ""
    study: str = ""
    """The order's Study Instance UID, which only a replacement takes on."""

    def to_body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            **self.patient.to_body(),
            "accession": self.accession,
            "placer": self.placer,
            "filler": self.filler,
            "procedure": self.procedure,
            "procedure_code": list(self.procedure_code),
            "requested_procedure": self.requested_procedure,
            "study": self.study,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read it back."""
        value, scheme = body["procedure_code"]
        return cls(
            Patient.from_body(body),
            body["accession"],
            body["placer"],
            body["filler"],
            body["procedure"],
            (value, scheme),
            body["requested_procedure"],
            body["study"],
        )


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, by a person or a rule."""

    kind: ClassVar[str] = FactKind.RECONCILIATION_DECIDED.value
    number: int
    verdict: Verdict
    subject: str
    """A case by name (matched, no order, replaced), an order's key (not done), a difference's identity (left)."""
    at: datetime
    reason: str
    by: str
    order: int | None = None
    """Key of the order that a case fulfils."""
    identity: Identity | None = None
    """What follows from the decision, as it was known when it was taken: repeating it gives the same bytes."""
    instances: tuple[str, ...] = ()
    """Those with several contents, where it is said which of them counts."""

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        return {
            "decision": self.number,
            "verdict": self.verdict.value,
            "subject": self.subject,
            "at": to_text(self.at),
            "reason": self.reason,
            "by": self.by,
            "order": self.order,
            "identity": self.identity.to_body() if self.identity else None,
            "instances": list(self.instances),
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_body`.
        """
        return cls(
            int(body["decision"]),
            Verdict(body["verdict"]),
            body["subject"],
            from_text(body["at"]),
            body["reason"],
            body["by"],
            body["order"],
            Identity.from_body(body["identity"]) if body["identity"] else None,
            tuple(body.get("instances", ())),
        )


@dataclass(frozen=True, slots=True)
class Undone:
    """A decision was taken back."""

    kind: ClassVar[str] = FactKind.RECONCILIATION_UNDONE.value
    number: int
    at: datetime
    reason: str
    by: str

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        return {"decision": self.number, "at": to_text(self.at), "reason": self.reason, "by": self.by}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_body`.
        """
        return cls(int(body["decision"]), from_text(body["at"]), body["reason"], body["by"])


@dataclass(frozen=True, slots=True)
class Done:
    """A consequence of a decision was done."""

    kind: ClassVar[str] = FactKind.RECONCILIATION_DONE.value
    number: int
    """Of the decision."""
    what: str
    """The command's name."""
    at: datetime
    told: Mapping[str, Any] = field(default_factory=dict)
    """A message's destination, control id and journal position; old and new digests of corrected instances ..."""

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        return {"decision": self.number, "what": self.what, "at": to_text(self.at), "told": dict(self.told)}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_body`.
        """
        return cls(int(body["decision"]), body["what"], from_text(body["at"]), dict(body["told"]))


Fact = Decided | Undone | Done
_READERS: Final = {one.kind: one.from_body for one in (Decided, Undone, Done)}
KINDS: Final = (
    FactKind.RECONCILIATION_DECIDED,
    FactKind.RECONCILIATION_UNDONE,
    FactKind.RECONCILIATION_DONE,
)


def fact_of(kind: str, body: Mapping[str, Any]) -> Fact:
    """Read a fact of the journal back."""
    return _READERS[kind](body)
