"""Reserving numbers, allotting them in blocks, and printing them on labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.core.errors import UsageError
from safelight.downtime.exam import UnknownExam
from safelight.downtime.number import Block, NumberFact, NumberFor, Numbers, Range, UnknownBlock, allot, reserve
from safelight.site.exams import exams_of, numbers_of
from safelight.site.home import Home
from safelight.site.saying import deciding, signed
from safelight.site.status import looked_at

if TYPE_CHECKING:
    from safelight.site.opened import Site

LABELS_EACH_MAX: Final = 10


class TooManyLabels(UsageError):
    """Each number goes on 1 to 10 labels."""

    code: ClassVar[str] = "downtime.too-many-labels"
    hint: ClassVar[str] = "Give --each 1 to 10."


def reserve_range(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Reserve a range of numbers that the hospital's own systems never give out.

    Raises:
        BadRange, RangesCollide, NotSigned: it cannot be reserved.
    """
    reason, by = signed(told)
    with deciding:
        numbers = numbers_of(site.records.journal)
        of, digits = NumberFor(told["of"]), told.get("digits")
        asked = reserve(numbers, of, str(told["prefix"]), int(told["first"]), int(told["last"]), digits)
        _record(site, NumberFact(asked, reason, by), dry_run=bool(told.get("dry_run")))
    return {"dry_run": bool(told.get("dry_run")), **_range_document(asked, asked.last - asked.first + 1)}


def allot_block(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Allot the next numbers to a device at a site; they are told only after that is durable.

    Raises:
        BadBlock, RangeUsedUp, NotSigned: there is nothing to allot.
    """
    reason, by = signed(told)
    with deciding:
        numbers = numbers_of(site.records.journal)
        of = NumberFor(told["of"])
        block = allot(numbers, of, int(told["count"]), str(told["site"]).strip(), str(told["device"]).strip())
        _record(site, NumberFact(block, reason, by), dry_run=bool(told.get("dry_run")))
    return {"dry_run": bool(told.get("dry_run")), **_block_document(numbers, block, set())}


def numbers_document(home: Home) -> dict[str, Any]:
    """Return what `safelight downtime numbers list --json` prints."""
    with looked_at(home) as (_, journal):
        numbers = numbers_of(journal)
        exams = exams_of(journal).values()
        taken = {one.registered.accession for one in exams} | {one.registered.person.patient_id for one in exams}
        return {
            "ranges": [_range_document(one, numbers.left(one.number)) for one in numbers.ranges.values()],
            "blocks": [_block_document(numbers, one, taken) for one in numbers.blocks.values()],
        }


def print_labels(home: Home, block_number: int, to: Path, each: int) -> dict[str, Any]:
    """Write a block's labels as PDF.

    Raises:
        UnknownBlock: no such block was allotted.
        TooManyLabels: too many of each.
    """
    from safelight.downtime.labels import labels_html, labels_pdf

    _judge_each(each)
    with looked_at(home) as (_, journal):
        numbers = numbers_of(journal)
    block = numbers.blocks.get(block_number)
    if block is None:
        raise UnknownBlock(block=block_number)
    to.write_bytes(labels_pdf(labels_html(numbers, block, each)))
    return {"block": block.number, "labels": (block.last - block.first + 1) * each, "file": str(to)}


def print_exam_labels(home: Home, accession: str, to: Path, each: int) -> dict[str, Any]:
    """Write an exam's labels as PDF.

    Raises:
        UnknownExam: there is none of this number.
        TooManyLabels: too many.
    """
    from safelight.downtime.labels import exam_labels_html, labels_pdf

    _judge_each(each)
    with looked_at(home) as (_, journal):
        exam = exams_of(journal).get(accession)
    if exam is None:
        raise UnknownExam(accession=accession)
    to.write_bytes(labels_pdf(exam_labels_html(exam.registered, each)))
    return {"accession": accession, "labels": each, "file": str(to)}


def _judge_each(each: int) -> None:
    if not 1 <= each <= LABELS_EACH_MAX:
        raise TooManyLabels(each=each)


def _record(site: "Site", fact: NumberFact, *, dry_run: bool) -> None:
    if not dry_run:
        site.records.record(fact.kind, fact.to_body())


def _range_document(known: Range, left: int) -> dict[str, Any]:
    return {
        "range": known.number,
        "for": known.of.value,
        "first": known.write(known.first),
        "last": known.write(known.last),
        "not_allotted": left,
    }


def _block_document(numbers: Numbers, block: Block, taken: set[str]) -> dict[str, Any]:
    texts = list(numbers.texts(block))
    return {
        "block": block.number,
        "for": numbers.ranges[block.range].of.value,
        "site": block.site,
        "device": block.device,
        "first": texts[0],
        "last": texts[-1],
        "numbers": len(texts),
        "taken": len(taken.intersection(texts)),
    }
