"""What can be wrong with a journal or with a sealed segment of it."""

from typing import ClassVar

from safelight.core.errors import IntegrityError, StateError, UsageError


class JournalMissing(IntegrityError):
    """There is no journal where this home must have one."""

    code: ClassVar[str] = "journal.missing"
    hint: ClassVar[str] = "Restore the journal from the vault's sealed segments; do not start an empty one."


class JournalThere(StateError):
    """A journal is there already, and is never made anew over it."""

    code: ClassVar[str] = "journal.there"
    hint: ClassVar[str] = "Use the journal that is there, or move it aside first."


class JournalDamaged(IntegrityError):
    """The journal's file, or the entry on which the next must be chained, is damaged."""

    code: ClassVar[str] = "journal.damaged"
    hint: ClassVar[str] = "Delete nothing. Verify the journal and mend it from the vault's sealed segments."


class SegmentDamaged(IntegrityError):
    """A sealed segment does not parse, does not hash to its chain, or its signature does not hold."""

    code: ClassVar[str] = "journal.segment-damaged"
    hint: ClassVar[str] = "Read the same segment from another placement."


class SegmentsDisagree(IntegrityError):
    """Two sealed segments tell different facts for one position, or do not follow one another."""

    code: ClassVar[str] = "journal.segments-disagree"
    hint: ClassVar[str] = "Look for a segment of another node, or of a journal that was restored from older segments."


class SegmentDoesNotFit(StateError):
    """The segment does not cover the position to be mended, or belongs to another chain."""

    code: ClassVar[str] = "journal.segment-does-not-fit"
    hint: ClassVar[str] = "Take the segment whose first and last position enclose the damaged one."


class BadFact(UsageError):
    """A kind is not written in lower case with hyphens, or a fact is too large to be kept."""

    code: ClassVar[str] = "journal.bad-fact"
    hint: ClassVar[str] = "Keep large bytes in the vault and cite their digest in the fact."
