"""The console's API as two tables: documents that are asked for, acts that are done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from safelight.catalog.order_changes import StepState
from safelight.console.fields import Field, Kind
from safelight.console.role import Right
from safelight.downtime.device import Item
from safelight.downtime.exam import Way
from safelight.downtime.number import NumberFor
from safelight.downtime.outage import Event, Scope
from safelight.reconciliation.difference import Kind as DifferenceKind
from safelight.reconciliation.facts import FREE_VERDICTS, Verdict

LIMIT_MAX: Final = 500
OFFSET_MAX: Final = 9_000
"""Who leafs further shall narrow the question."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document under ``GET /api/NAME``."""

    name: str
    right: Right
    fields: Sequence[Field] = ()
    is_slow: bool = False
    """It waits for other systems."""


@dataclass(frozen=True, slots=True)
class Deed:
    """An act under ``POST /api/NAME``."""

    name: str
    right: Right
    act: str
    fields: Sequence[Field]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    special: Callable[[dict[str, Any]], tuple[Right, dict[str, Any]]] | None = None
    """Looks at what is told: it may need another right, or go in other words."""
    is_slow: bool = False
    """It waits for other systems."""
    is_proven: bool = False
    """Whoever does it types the password of their own account again."""


def _paged(otherwise: int) -> tuple[Field, ...]:
    return (
        Field("limit", Kind.NUMBER, lowest=1, highest=LIMIT_MAX, otherwise=otherwise),
        Field("offset", Kind.NUMBER, highest=OFFSET_MAX, otherwise=0),
    )


_OUTAGE: Final = Field("outage", Kind.NUMBER, lowest=1, highest=1_000_000)
_DATES: Final = (Field("date_from"), Field("date_to"))
DOCUMENTS: Final = (
    Document("status", Right.LOOK),
    Document("downtime/status", Right.LOOK),
    Document("downtime/log", Right.LOOK),
    Document("downtime/exam/list", Right.LOOK, (Field("open", Kind.FLAG, otherwise=False),)),
    Document("downtime/advise", Right.PREPARE, is_slow=True),
    Document("downtime/device/list", Right.PREPARE),
    Document("downtime/numbers/list", Right.PREPARE),
    Document("reconciliation/status", Right.LOOK, (_OUTAGE,)),
    Document(
        "reconciliation/list",
        Right.LOOK,
        (Field("kind", choices=[one.value for one in DifferenceKind]), _OUTAGE),
    ),
    Document("reconciliation/show", Right.LOOK, (Field("difference", needed=True), _OUTAGE)),
    Document("reconciliation/report", Right.FIND, (_OUTAGE,)),
    Document("reconciliation/exam", Right.FIND, (Field("exam", needed=True), _OUTAGE)),
    Document("reconciliation/log", Right.FIND),
    Document("plan/show", Right.PLAN, is_slow=True),
    Document("plan/assess", Right.PLAN, is_slow=True),
    Document(
        "catalog/worklist",
        Right.LOOK,
        (
            *_DATES,
            Field("modality"),
            Field("station"),
            Field("patient_id"),
            Field("accession"),
            Field("state", Kind.TEXTS, choices=[one.value for one in StepState], goes_as="states"),
            *_paged(200),
        ),
    ),
    Document(
        "catalog/find",
        Right.FIND,
        (
            Field("patient_id"),
            Field("name"),
            Field("accession"),
            Field("study"),
            Field("modality"),
            *_DATES,
            *_paged(50),
        ),
    ),
    Document(
        "catalog/reports",
        Right.FIND,
        (Field("patient_id"), Field("accession"), Field("study"), _paged(50)[0]),
    ),
)
SHEETS: Final = (
    Document(
        "downtime/numbers/labels",
        Right.PREPARE,
        (Field("block", Kind.NUMBER, needed=True), Field("each", Kind.NUMBER, lowest=1, highest=10, otherwise=1)),
    ),
    Document(
        "downtime/exam/labels",
        Right.EXAMINE,
        (Field("accession", needed=True), Field("each", Kind.NUMBER, lowest=1, highest=10, otherwise=3)),
    ),
)
"""What is answered as PDF."""

_DRY: Final = Field("dry_run", Kind.FLAG, otherwise=False)
_BY: Final = Field("by", otherwise="")
_REASON: Final = Field("reason", needed=True)
_SCOPES: Final = Field("scopes", Kind.TEXTS, needed=True, choices=[one.value for one in Scope])
_SINCE: Final = Field("since")
_ACCESSION: Final = Field("accession", needed=True)
_AT: Final = Field("at")
_FOR: Final = Field("for", needed=True, choices=[one.value for one in NumberFor], goes_as="of")


def _planned(told: dict[str, Any]) -> tuple[Right, dict[str, Any]]:
    """Let a declaration with a planned start be the plan that it is."""
    start = told.pop("planned_start", None)
    if start is None:
        return Right.DECLARE, told
    return Right.CONCLUDE, {**told, "event": Event.PLANNED.value, "since": start}


def _say(name: str, event: Event, *more: Field) -> Deed:
    fields = (_SCOPES, _REASON, _BY, _DRY, *more)
    if event is Event.DECLARED:
        return Deed(name, Right.DECLARE, "downtime.say", fields, {"event": event.value}, _planned)
    return Deed(name, Right.CONCLUDE, "downtime.say", fields, {"event": event.value})


def _step(name: str, step: str, *more: Field) -> Deed:
    fields = (_ACCESSION, _AT, _BY, _DRY, *more)
    return Deed(f"downtime/exam/{name}", Right.EXAMINE, "downtime.exam.step", fields, {"step": step})


def _listed(told: dict[str, Any]) -> tuple[Right, dict[str, Any]]:
    """Let what is one thing here be the list that the command takes."""
    for one, several in (("outage", "outages"), ("exam", "differences")):
        if one in told:
            told[several] = [told.pop(one)]
    return Right.RECONCILE, told


def _reconcile(name: str, *fields: Field, act: str = "", is_slow: bool = False, **fixed: str) -> Deed:
    act = act or f"reconciliation.{name}"
    return Deed(f"reconciliation/{name}", Right.RECONCILE, act, (*fields, _BY), fixed, _listed, is_slow)


_VERDICT: Final = Field("as", needed=True, choices=[one.value for one in FREE_VERDICTS], goes_as="verdict")

DEEDS: Final = (
    _say("downtime/declare", Event.DECLARED, _SINCE, Field("planned_start")),
    _say("downtime/cancel", Event.CANCELLED),
    _say("downtime/recover", Event.RECOVERY_STARTED, _SINCE),
    _say("downtime/end", Event.ENDED, _SINCE),
    _say("downtime/close", Event.CLOSED, Field("leave_open", Kind.FLAG, otherwise=False)),
    Deed(
        "downtime/exam/register",
        Right.EXAMINE,
        "downtime.exam.register",
        (
            Field("way", needed=True, choices=[one.value for one in Way]),
            Field("site", needed=True),
            Field("device", needed=True),
            Field("modality", needed=True),
            *(
                Field(name)
                for name in ("procedure", "place", "name", "patient_id", "accession", "birth_date", "sex", "at")
            ),
            _BY,
            _DRY,
        ),
    ),
    _step("arrived", "arrived"),
    _step("acquired", "acquired"),
    _step("read", "read", Field("text", needed=True), Field("urgent", Kind.FLAG, otherwise=False)),
    _step(
        "called",
        "called",
        Field("to", needed=True),
        Field("read", Kind.NUMBER, lowest=1, highest=10_000, otherwise=1),
        Field("read_back", Kind.FLAG, otherwise=False),
    ),
    _step("identify", "identified", Field("patient_id", needed=True), _REASON),
    _step("cancel", "cancelled", _REASON),
    Deed(
        "downtime/numbers/reserve",
        Right.CONCLUDE,
        "downtime.numbers.reserve",
        (
            _FOR,
            Field("prefix", otherwise=""),
            Field("first", Kind.NUMBER, needed=True),
            Field("last", Kind.NUMBER, needed=True),
            Field("digits", Kind.NUMBER, lowest=1, highest=16),
            _REASON,
            _BY,
            _DRY,
        ),
    ),
    Deed(
        "downtime/numbers/allot",
        Right.PREPARE,
        "downtime.numbers.allot",
        (
            _FOR,
            Field("count", Kind.NUMBER, needed=True, highest=100_000),
            Field("site", needed=True),
            Field("device", needed=True),
            _REASON,
            _BY,
            _DRY,
        ),
    ),
    Deed(
        "downtime/device/check",
        Right.PREPARE,
        "downtime.device.check",
        (
            Field("device", needed=True),
            Field("item", needed=True, choices=[one.value for one in Item]),
            Field("undo", Kind.FLAG, otherwise=False),
            _REASON,
            _BY,
            _DRY,
        ),
    ),
    _reconcile("compare", Field("target"), Field("deep", Kind.FLAG, otherwise=False), _OUTAGE, is_slow=True),
    _reconcile(
        "match",
        Field("exam", needed=True),
        Field("order"),
        Field("also", Kind.FLAG, otherwise=False),
        _OUTAGE,
        _REASON,
        _DRY,
        act="reconciliation.decide",
        verdict=Verdict.MATCHED.value,
    ),
    _reconcile("decide", Field("differences", Kind.TEXTS, needed=True), _VERDICT, _OUTAGE, _REASON, _DRY),
    _reconcile("undo", Field("decision", Kind.NUMBER, needed=True, lowest=1), _REASON, _DRY),
    _reconcile("send", Field("target"), _OUTAGE, _DRY, is_slow=True),
    Deed(
        "plan/sign",
        Right.PLAN,
        "plan.sign",
        (Field("password", needed=True), Field("shown", needed=True), _REASON, _BY, _DRY),
        is_proven=True,
    ),
)
