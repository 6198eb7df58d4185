"""Reserved numbers: no text is in two ranges, no number in two blocks."""

from itertools import product

import pytest

from safelight.downtime.number import (
    BadBlock,
    BadRange,
    Block,
    NumberFact,
    NumberFor,
    Numbers,
    NumbersOverlap,
    Range,
    RangesCollide,
    RangeUsedUp,
    allot,
    fold_numbers,
    reserve,
)

ACCESSION = NumberFor.ACCESSION
PREFIXES = ("", "1", "A", "A1", "A12", "B")
SMALL = [
    Range(1, ACCESSION, prefix, first, last, digits)
    for prefix, digits, (first, last) in product(PREFIXES, (1, 2, 3), ((0, 9), (2, 5), (12, 34), (100, 130)))
    if len(str(last)) <= digits
]


def _record(state: Numbers, what: Range | Block) -> Numbers:
    fact = NumberFact(what, "r", "b")
    return fold_numbers(state, NumberFact.from_entry(fact.kind, fact.to_body()))


def _reserved(prefix: str = "DT", first: int = 1, last: int = 50, digits: int | None = None) -> Numbers:
    return _record(Numbers(), reserve(Numbers(), ACCESSION, prefix, first, last, digits))


def _texts(known: Range) -> set[str]:
    return {known.write(number) for number in range(known.first, known.last + 1)}


def test_ranges_collide_exactly_when_they_have_a_text_in_common() -> None:
    for one, other in product(SMALL, SMALL):
        assert one.collides_with(other) == bool(_texts(one) & _texts(other)), (one, other)


def test_a_range_reads_its_own_texts_and_no_others() -> None:
    every = set().union(*map(_texts, SMALL))
    for known in SMALL:
        assert {text for text in every if known.read(text) is not None} == _texts(known)
        assert all(known.write(known.read(text) or 0) == text for text in _texts(known))


def test_a_range_that_collides_is_refused_and_another_purpose_is_another_matter() -> None:
    numbers = _reserved()
    with pytest.raises(RangesCollide):
        reserve(numbers, ACCESSION, "DT", 50, 60, 2)
    with pytest.raises(RangesCollide):
        reserve(numbers, ACCESSION, "DT0", 0, 9, 1)
    assert reserve(numbers, ACCESSION, "DT", 50, 60, 3)
    assert reserve(numbers, NumberFor.PATIENT, "DT", 1, 50, None)


@pytest.mark.parametrize(
    ("prefix", "first", "last", "digits"),
    [
        ("dt", 1, 9, None),
        ("A^B", 1, 9, None),
        ("A\\", 1, 9, None),
        ("A\n", 1, 9, None),
        ("ABCDEFGHIJKL", 1, 99999, None),
        ("A", 9, 1, None),
        ("A", -1, 5, None),
        ("A", 1, 1000, 3),
    ],
)
def test_what_cannot_be_an_accession_number_everywhere_is_no_range(
    prefix: str, first: int, last: int, digits: int | None
) -> None:
    with pytest.raises(BadRange):
        reserve(Numbers(), ACCESSION, prefix, first, last, digits)


def test_blocks_follow_each_other_and_use_a_range_up() -> None:
    numbers = _reserved(last=25)
    seen: list[str] = []
    for device in ("CT1", "CT2"):
        block = allot(numbers, ACCESSION, 10, "main", device)
        numbers = _record(numbers, block)
        seen += numbers.texts(block)
    assert seen == [f"DT{number:02d}" for number in range(1, 21)]
    with pytest.raises(RangeUsedUp):
        allot(numbers, ACCESSION, 10, "main", "CT3")
    with pytest.raises(RangeUsedUp):
        allot(numbers, NumberFor.PATIENT, 1, "main", "CT3")
    assert numbers.left(1) == 5


def test_a_range_that_is_too_short_is_passed_over_for_the_next() -> None:
    numbers = _reserved(last=5)
    numbers = _record(numbers, reserve(numbers, ACCESSION, "X", 1, 99, None))
    assert allot(numbers, ACCESSION, 6, "main", "CT1").range == 2
    assert allot(numbers, ACCESSION, 5, "main", "CT1").range == 1


@pytest.mark.parametrize(("count", "site", "device"), [(0, "a", "b"), (1001, "a", "b"), (1, "", "b"), (1, "a", "\n")])
def test_a_block_has_numbers_and_an_owner(count: int, site: str, device: str) -> None:
    with pytest.raises(BadBlock):
        allot(_reserved(last=9999), ACCESSION, count, site, device)


@pytest.mark.parametrize("first", [1, 10])
def test_a_journal_that_allots_a_number_twice_stops_everything(first: int) -> None:
    numbers = _record(_reserved(), Block(1, 1, 1, 10, "main", "CT1"))
    with pytest.raises(NumbersOverlap):
        _record(numbers, Block(2, 1, first, first + 5, "main", "CT2"))


def test_a_number_is_found_in_the_block_that_has_it() -> None:
    numbers = _record(_reserved(), Block(1, 1, 1, 10, "main", "CT1"))
    found = numbers.block_of(ACCESSION, "DT10")
    assert found is not None and found.device == "CT1"
    assert numbers.block_of(ACCESSION, "DT11") is None
    assert numbers.block_of(NumberFor.PATIENT, "DT10") is None
