"""Differences: what they are, under which name they are decided upon, and what they wait for."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from safelight.reconciliation.matching import Proposal


class Kind(StrEnum):
    """How the sides differ."""

    STUDY_WITHOUT_ORDER = "study-without-order"
    """Something was done, and no order is known that it fulfils."""
    ORDER_WITHOUT_STUDY = "order-without-study"
    """Something was ordered or registered for the time of the outage, and there are no images of it."""
    IDENTITY_DIFFERS = "identity-differs"
    """Another system has it under another patient or number than it belongs to."""
    MISSING_AT_TARGET = "missing-at-target"
    """We hold instances that the restored PACS lacks."""
    UNKNOWN_TO_VAULT = "unknown-to-vault"
    """The restored PACS has a study of that time that we lack."""
    OTHER_BYTES = "same-uid-other-bytes"
    """Instances of one UID have several contents."""
    STEP_NOT_FORWARDED = "step-not-forwarded"
    """What a modality said of its work is not known to whoever follows the orders."""
    REPORT_NOT_DELIVERED = "report-not-delivered"
    """A preliminary read is not known to have reached anybody's system."""


class Wait(StrEnum):
    """What a difference waits for."""

    IDENTITY = "identity"
    """Somebody must find out who the patient is."""
    ORDER = "order"
    """An order must come, or somebody say that none will."""
    DECISION = "decision"
    """A person must choose."""
    IMAGES = "images"
    SENDING = "sending"
    """Everything is decided: `reconciliation send` does it."""
    FORWARDING = "forwarding"
    """Notices of modalities are told by a command of the gateway."""
    DELIVERY = "delivery"
    """A message is queued and not accepted yet."""
    LOOK = "look"
    """It was done; the next look at the target shows whether it is right."""
    MENDING = "mending"
    """Another system has what was taken back here: somebody must mend it there, and then say `left`."""
    SETTING = "setting"
    """Nobody said where such messages go."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which the sides differ."""

    kind: Kind
    subject: str
    """A case, a study, an order or a read, by a name that never changes."""
    told: str
    """In words, without names of people."""
    wait: Wait
    study: str = ""
    exam: str = ""
    order: str = ""
    proposals: tuple[Proposal, ...] = ()
    instances: frozenset[str] = frozenset()
    """Those that have several contents."""

    @property
    def identity(self) -> str:
        """Under which name people decide upon it; the same whenever it is found, on whichever day."""
        return hashlib.sha256(f"{self.kind}\0{self.subject}".encode()).hexdigest()[:8]
