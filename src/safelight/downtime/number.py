"""Numbers for patients and exams that nobody ordered: reserved in ranges, allotted in blocks, never twice.

A block belongs to one device at one site, so that two islands that cannot speak to each other give out different
numbers.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from safelight.core.errors import IntegrityError, StateError, UsageError
from safelight.journal.kinds import FactKind

PREFIX: Final = re.compile(r"[A-Z0-9-]{0,12}\Z")
NUMBER_CHARACTERS_MAX: Final = 16
"""What an accession number may have. Source: PS3.5 Table 6.2-1, value representation SH."""
BLOCK_NUMBERS_MAX: Final = 1000
NUMBER_KINDS: Final = (FactKind.DOWNTIME_RANGE_RESERVED, FactKind.DOWNTIME_BLOCK_ALLOTTED)


class NumberFor(StrEnum):
    """What a number names."""

    PATIENT = "patient"
    ACCESSION = "accession"


class BadRange(UsageError):
    """A range has a prefix of capital letters, digits and hyphens, and numbers of up to 16 characters in all."""

    code: ClassVar[str] = "downtime.bad-range"
    hint: ClassVar[str] = "For example: --prefix DT --first 1 --last 9999. Prefix: A-Z, 0-9 and -, at most 12."


class RangesCollide(UsageError):
    """A range would hold a number that another range for the same purpose holds."""

    code: ClassVar[str] = "downtime.ranges-collide"
    hint: ClassVar[str] = "See what is reserved: safelight downtime numbers list; choose another prefix."


class RangeUsedUp(StateError):
    """No range has so many numbers left in a row."""

    code: ClassVar[str] = "downtime.range-used-up"
    hint: ClassVar[str] = "Reserve a further range (safelight downtime numbers reserve), or allot fewer."


class BadBlock(UsageError):
    """A block has 1 to 1000 numbers, for a named device at a named site."""

    code: ClassVar[str] = "downtime.bad-block"
    hint: ClassVar[str] = "Give --count 1 to 1000, --site and --device."


class UnknownBlock(UsageError):
    """No block of this number was allotted."""

    code: ClassVar[str] = "downtime.unknown-block"
    hint: ClassVar[str] = "See: safelight downtime numbers list"


class NumbersOverlap(IntegrityError):
    """The journal says that a number was allotted twice."""

    code: ClassVar[str] = "downtime.numbers-overlap"
    hint: ClassVar[str] = "Use no number of these blocks. Run: safelight check; look for two journals of one home."


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that the hospital's systems never give out themselves."""

    number: int
    of: NumberFor
    prefix: str
    first: int
    last: int
    digits: int

    def write(self, number: int) -> str:
        """Write one of its numbers as it stands on a label."""
        return f"{self.prefix}{number:0{self.digits}d}"

    def read(self, text: str) -> int | None:
        """Return the number that a text is in this range; nothing when it is in no way of it."""
        digits = text[len(self.prefix) :]
        fits = text.startswith(self.prefix) and len(digits) == self.digits and digits.isascii() and digits.isdigit()
        return int(digits) if fits and self.first <= int(digits) <= self.last else None

    def collides_with(self, other: "Range") -> bool:
        """Say whether a text is in both. All texts of one range have one length, so this can be computed."""
        short, long = sorted((self, other), key=lambda one: len(one.prefix))
        rest = long.prefix[len(short.prefix) :]
        if self.of is not other.of or len(short.prefix) + short.digits != len(long.prefix) + long.digits:
            return False
        if not long.prefix.startswith(short.prefix) or (rest and not rest.isdigit()):
            return False
        base: int = int(rest or "0") * 10**long.digits
        return short.first <= base + long.last and base + long.first <= short.last


@dataclass(frozen=True, slots=True)
class Block:
    """Numbers of one range that one device gives out."""

    number: int
    range: int
    first: int
    last: int
    site: str
    device: str


@dataclass(slots=True)
class Numbers:
    """All ranges and blocks as their facts tell it. Only `fold_numbers` changes it."""

    ranges: dict[int, Range] = field(default_factory=dict)
    blocks: dict[int, Block] = field(default_factory=dict)
    next_free: dict[int, int] = field(default_factory=dict)
    """For each range the first number that no block has."""

    def left(self, range_number: int) -> int:
        """Return how many numbers of a range no block has."""
        return self.ranges[range_number].last - self.next_free[range_number] + 1

    def range_of(self, of: NumberFor, text: str) -> Range | None:
        """Return the range that a text belongs to."""
        return next((one for one in self.ranges.values() if one.of is of and one.read(text) is not None), None)

    def block_of(self, of: NumberFor, text: str) -> Block | None:
        """Return the block that a text was allotted in."""
        found = self.range_of(of, text)
        number = found.read(text) if found else None
        if found is None or number is None:
            return None
        return next(
            (one for one in self.blocks.values() if one.range == found.number and one.first <= number <= one.last), None
        )

    def texts(self, block: Block) -> Iterator[str]:
        """Give the numbers of a block as they stand on labels."""
        known = self.ranges[block.range]
        return (known.write(number) for number in range(block.first, block.last + 1))

    def blocks_for(self, of: NumberFor, site: str, device: str) -> list[Block]:
        """Return the blocks of a device, in the order in which they were allotted."""
        return [
            one
            for one in self.blocks.values()
            if (one.site, one.device) == (site, device) and self.ranges[one.range].of is of
        ]


@dataclass(frozen=True, slots=True)
class NumberFact:
    """A range was reserved, or a block of it allotted."""

    what: Range | Block
    reason: str
    by: str

    @property
    def kind(self) -> str:
        """The kind of the journal's fact."""
        reserved = isinstance(self.what, Range)
        return (FactKind.DOWNTIME_RANGE_RESERVED if reserved else FactKind.DOWNTIME_BLOCK_ALLOTTED).value

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        one, said = self.what, {"reason": self.reason, "by": self.by}
        if isinstance(one, Range):
            numbers = {"prefix": one.prefix, "first": one.first, "last": one.last, "digits": one.digits}
            return {"range": one.number, "of": one.of.value, **numbers, **said}
        place = {"site": one.site, "device": one.device}
        return {"block": one.number, "range": one.range, "first": one.first, "last": one.last, **place, **said}

    @classmethod
    def from_entry(cls, kind: str, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_body`.
        """
        first, last = int(body["first"]), int(body["last"])
        what: Range | Block
        if kind == FactKind.DOWNTIME_RANGE_RESERVED:
            of = NumberFor(body["of"])
            what = Range(int(body["range"]), of, str(body["prefix"]), first, last, int(body["digits"]))
        else:
            site, device = str(body["site"]), str(body["device"])
            what = Block(int(body["block"]), int(body["range"]), first, last, site, device)
        return cls(what, str(body["reason"]), str(body["by"]))


def fold_numbers(state: Numbers, fact: NumberFact) -> Numbers:
    """Take one fact in; the state given is used up and returned.

    Raises:
        NumbersOverlap: a number would be allotted twice.
    """
    one = fact.what
    if isinstance(one, Range):
        state.ranges[one.number] = one
        state.next_free[one.number] = one.first
        return state
    known = state.ranges.get(one.range)
    if known is None or one.first < state.next_free[one.range] or one.last > known.last or one.number in state.blocks:
        raise NumbersOverlap(block=one.number, range=one.range, first=one.first, last=one.last)
    state.blocks[one.number] = one
    state.next_free[one.range] = one.last + 1
    return state


def reserve(state: Numbers, of: NumberFor, prefix: str, first: int, last: int, digits: int | None) -> Range:
    """Judge a range that shall be reserved.

    Raises:
        BadRange: it is not one.
        RangesCollide: another range holds one of its numbers.
    """
    digits = len(str(last)) if digits is None else digits
    if not PREFIX.match(prefix) or not 0 <= first <= last or not len(str(last)) <= digits:
        raise BadRange(prefix=prefix.encode("unicode_escape").decode(), first=first, last=last, digits=digits)
    if len(prefix) + digits > NUMBER_CHARACTERS_MAX:
        raise BadRange(prefix=prefix, digits=digits, characters_max=NUMBER_CHARACTERS_MAX)
    asked = Range(len(state.ranges) + 1, of, prefix, first, last, digits)
    for other in state.ranges.values():
        if asked.collides_with(other):
            raise RangesCollide(prefix=prefix, first=first, last=last, range=other.number)
    return asked


def allot(state: Numbers, of: NumberFor, count: int, site: str, device: str) -> Block:
    """Choose the next numbers for a device: from the first range that has so many left.

    Raises:
        BadBlock: the count, site or device is none.
        RangeUsedUp: no range has so many left.
    """
    if not 1 <= count <= BLOCK_NUMBERS_MAX or not is_label(site) or not is_label(device):
        raise BadBlock(count=count)
    for known in state.ranges.values():
        if known.of is of and state.left(known.number) >= count:
            first = state.next_free[known.number]
            return Block(len(state.blocks) + 1, known.number, first, first + count - 1, site, device)
    raise RangeUsedUp(of=of, count=count)


def is_label(text: str) -> bool:
    """Say whether a text can name a site or device on a label."""
    return 1 <= len(text.strip()) <= 64 and text.isprintable()
