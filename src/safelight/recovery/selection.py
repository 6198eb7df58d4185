"""Which instances of a study may go, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

from safelight.recovery.facts import InstanceNote
from safelight.recovery.ports import HeldInstance


@dataclass(frozen=True, slots=True)
class Selection:
    """The instances of a study, sorted into those that go and those that are withheld."""

    going: Sequence[HeldInstance]
    """Rejection notes first: a target that honours them never shows what they reject."""
    withheld: Sequence[HeldInstance]
    cut_short: Sequence[HeldInstance]
    notes: tuple[InstanceNote, ...]


def select(instances: Sequence[HeldInstance], *, honours_rejection: bool, with_rejected: bool = False) -> Selection:
    """Withhold what was rejected, from a target that is not proven to honour rejection, unless a person let it go.

    What is cut short never goes: archives drop the association over it, and sound instances with it.

    Source: IHE Imaging Object Change Management, RAD-66; the note goes with or before what it rejects.
    """
    all_go = honours_rejection or with_rejected
    whole = [one for one in instances if not one.cut_short]
    cut_short = [one for one in instances if one.cut_short]
    withheld = [one for one in whole if one.rejected and not all_go]
    going = [one for one in whole if not one.rejected or all_go]
    going.sort(key=lambda one: not one.is_rejection_note)
    notes = [InstanceNote(one.sop_instance, "cut-short", one.digest.hex()) for one in cut_short]
    notes += [InstanceNote(one.sop_instance, "rejected", one.rejected) for one in withheld]
    notes += [InstanceNote(one.sop_instance, "sent-though-rejected", one.rejected) for one in going if one.rejected]
    notes += [InstanceNote(one.sop_instance, "version-sent", one.digest.hex()) for one in going if one.versions > 1]
    return Selection(going, withheld, cut_short, tuple(notes))
