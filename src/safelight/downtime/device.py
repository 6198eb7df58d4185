"""Each device's checklist for a downtime: what people checked, and what it was seen to do here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from safelight.core.clock import from_text, to_text
from safelight.core.names import AETitle
from safelight.journal.kinds import FactKind


class Item(StrEnum):
    """What is checked at a device before an outage."""

    SECOND_DESTINATION = "second-destination"
    """We are entered as a destination beside the PACS."""
    ADDRESS_TAKEOVER = "address-takeover"
    """It reaches us when we take over the PACS's address and title."""
    WORKLIST = "worklist"
    """We are entered as a worklist, and it shows one."""
    COMMITMENT = "commitment"
    """It deletes nothing before a commitment, and asks us for one."""
    LOCAL_DISK = "local-disk"
    """How many hours of images its own disk holds is known, and that it deletes none unasked."""
    MANUAL_REGISTRATION = "manual-registration"
    """A patient was registered by hand, as a trial."""
    LABELS = "labels"
    """Labels of its own block lie beside it."""
    LOCAL_LOGIN = "local-login"
    """Somebody can log in there without the directory."""


class Sight(StrEnum):
    """What a device was seen to do here."""

    STORE = "store"
    QUERY = "query"
    COMMITMENT = "commitment"


WAYS_HERE: Final = frozenset({Item.SECOND_DESTINATION, Item.ADDRESS_TAKEOVER})
"""Either of them brings a device's images here."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Somebody checked an item at a device, or found that it does not hold any more."""

    kind: ClassVar[str] = FactKind.DOWNTIME_DEVICE_CHECKED.value
    device: AETitle
    item: Item
    holds: bool
    said_at: datetime
    reason: str
    by: str

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        what = {"device": self.device.text, "item": self.item.value, "holds": self.holds}
        return {**what, "said_at": to_text(self.said_at), "reason": self.reason, "by": self.by}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_body`.
        """
        device, said_at = AETitle.parse(body["device"]), from_text(body["said_at"])
        return cls(device, Item(body["item"]), bool(body["holds"]), said_at, body["reason"], body["by"])


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of one device."""

    checked: Mapping[Item, Checked] = field(default_factory=dict)
    """What was said last of each item."""
    seen: Mapping[Sight, datetime] = field(default_factory=dict)
    """When it did something here last."""
    called: Mapping[str, int] = field(default_factory=dict)
    """How often it called us, by the title that it called: ours, or one that we stand in for."""

    def with_check(self, checked: Checked) -> "Device":
        """Return the device after somebody checked an item."""
        return Device({**self.checked, checked.item: checked}, self.seen, self.called)

    def holds(self, item: Item) -> bool:
        """Say whether the item was checked and holds."""
        return item in self.checked and self.checked[item].holds

    @property
    def missing(self) -> list[str]:
        """What is still to be checked, or was never seen; a check mark does not stand for having seen it."""
        items = [item.value for item in Item if item not in WAYS_HERE and not self.holds(item)]
        if not any(self.holds(item) for item in WAYS_HERE):
            items.insert(0, " or ".join(sorted(item.value for item in WAYS_HERE)[::-1]))
        return items + [f"never seen to {SEEN_WORDS[sight]}" for sight in Sight if sight not in self.seen]


SEEN_WORDS: Final = {Sight.STORE: "store", Sight.QUERY: "query", Sight.COMMITMENT: "ask for commitment"}
