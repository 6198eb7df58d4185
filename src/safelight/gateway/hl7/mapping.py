"""The field mapping as data: which field of a message holds what, changeable for one sender."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Final, Self

from safelight.catalog.order_changes import StepState
from safelight.core.errors import UsageError
from safelight.gateway.attribute_values import judged
from safelight.gateway.hl7.moment import local_day_and_time
from safelight.wire.hl7.message import Field, Segment

_PATH: Final = re.compile(r"([A-Z][A-Z0-9]{2})-(\d{1,3})(?:\.(\d{1,2}))?(?:\.(\d{1,2}))?(?::([a-z-]+))?")
SECTIONS: Final = ("patient", "order", "imaging-order", "appointment", "report")
CANCELLATIONS: Final = ("CA", "OC", "CR", "DC", "OD")
_SEXES: Final = {"U": "", "A": "O", "N": "O"}
_PRIORITIES: Final = {"S": "STAT", "A": "HIGH", "P": "HIGH", "C": "HIGH", "R": "ROUTINE", "T": "MEDIUM"}


class BadMapping(UsageError):
    """A mapping of HL7 fields names a section, a path or a form that there is none of."""

    code: ClassVar[str] = "gateway.hl7-bad-mapping"
    hint: ClassVar[str] = "Compare order_mapping.toml of this home with docs/hl7.md, mend the named line."


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value stands, and how it is written there."""

    segment: str
    field: int
    component: int | None
    subcomponent: int | None
    form: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SEG-field.component.subcomponent:form``.

        Raises:
            BadMapping: it is not one.
        """
        found = _PATH.fullmatch(text)
        form = found[5] or "" if found else ""
        if found is None or (form and form not in _FORMS):
            raise BadMapping(path=text)
        numbers = [None if one is None else int(one) for one in found.groups()[1:4]]
        assert numbers[0] is not None
        return cls(found[1], numbers[0], numbers[1], numbers[2], form)

    def value(self, segments: Mapping[str, Segment]) -> str | None:
        """Return the value; empty where it is to be deleted, None where nothing is said."""
        segment = segments.get(self.segment)
        if segment is None:
            return None
        if not segment.written(self.field):
            return None
        field = segment.field(self.field)
        if field.is_null:
            return ""
        return self._text(field).strip() or None

    def _text(self, field: Field) -> str:
        if self.form:
            return _FORMS[self.form](field, self.component)
        if self.component is None:
            # A composite field as one text: components a reader would see, without empty ones.
            first = field.repetitions()[0]
            return " ".join(filter(None, first.components()))
        return field.component(self.component, self.subcomponent or 1)


def _person(field: Field, _component: int | None) -> str:
    """Write XPN as PN: suffix and prefix change places. Source: PS3.5 6.2; HL7 v2 2.A, XPN."""
    family, given, middle, suffix, prefix = (field.component(number) for number in range(1, 6))
    return _joined(family, given, middle, prefix, suffix)


def _provider(field: Field, _component: int | None) -> str:
    """Write XCN as PN; where only an identifier stands, that."""
    family, given, middle, suffix, prefix = (field.component(number) for number in range(2, 7))
    return _joined(family, given, middle, prefix, suffix) or field.component(1)


def _provider_parts(field: Field, component: int | None) -> str:
    """Write the subcomponents of one component (NDL) as PN."""
    number = component or 1
    family, given, middle, suffix, prefix = (field.component(number, sub) for sub in range(2, 7))
    return _joined(family, given, middle, prefix, suffix) or field.component(number, 1)


def _joined(*parts: str) -> str:
    # A caret inside of a part would begin the next one, an equals sign the name in another script.
    return "^".join(part.replace("^", " ").replace("=", " ").strip() for part in parts).rstrip("^")


def _date(field: Field, component: int | None) -> str:
    return local_day_and_time(field.component(component or 1).strip())[0]


def _time(field: Field, component: int | None) -> str:
    return local_day_and_time(field.component(component or 1).strip())[1]


def _day(field: Field, component: int | None) -> str:
    """Write the day as it is written: nobody is born on another one elsewhere."""
    return field.component(component or 1).strip()[:8]


def _priority(field: Field, component: int | None) -> str:
    return _PRIORITIES.get(field.component(component or 1).strip()[:1].upper(), "")


def _sex(field: Field, _component: int | None) -> str:
    """Write table 0001 as DICOM has it, which knows no word for unknown."""
    code = field.component().strip().upper()
    return _SEXES.get(code, code)


def _pregnancy(field: Field, _component: int | None) -> str:
    # B6 says pregnant; DICOM's 3 says definitely so.
    return "3" if any(one.component() == "B6" for one in field.repetitions()) else ""


_FORMS: Final = {
    "person": _person,
    "provider": _provider,
    "provider-parts": _provider_parts,
    "date": _date,
    "time": _time,
    "day": _day,
    "sex": _sex,
    "priority": _priority,
    "pregnancy": _pregnancy,
}


@dataclass(frozen=True, slots=True)
class SenderMapping:
    """How the messages of one sender are read."""

    sections: Mapping[str, Mapping[str, Sequence[Path]]]
    states: Mapping[str, StepState]
    appointment_states: Mapping[str, StepState]
    charset: str = ""
    """What the sender is known to write where MSH-18 is of no use."""

    def values(self, section: str, segments: Mapping[str, Segment]) -> dict[str, str]:
        """Return what segments say, by attribute; what they do not speak of is absent."""
        told = {}
        for name, paths in self.sections[section].items():
            for path in paths:
                if (value := path.value(segments)) is not None:
                    told[name] = value
                    if value:
                        break
        return told

    def carried(self, section: str, segments: Mapping[str, Segment], unfit: list[str]) -> dict[str, str]:
        """Return what segments say as DICOM can carry it; note which attributes had to be mended or left out."""
        told = {}
        for name, paths in self.sections[section].items():
            for path in paths:
                if (value := path.value(segments)) is None:
                    continue
                fit = judged(name, value)
                unfit += [f"{name}: {fit.fault}"] if fit.fault else []
                if fit.value or not value:
                    told[name] = fit.value
                if fit.value:
                    break
        return told

    def state(self, control: str, status: str) -> StepState | None:
        """Return the state that order control and status stand for; None where nobody here knows."""
        # A cancellation is one whatever the status says; of anything else the status says more than the control.
        by_control, by_status = f"{control}_*", f"*_{status}"
        order = (by_control, by_status) if control in CANCELLATIONS else (by_status, by_control)
        return next((self.states[name] for name in (f"{control}_{status}", *order) if name in self.states), None)


@dataclass(frozen=True, slots=True)
class Mappings:
    """The mapping of every sender."""

    usual: SenderMapping
    by_sender: Mapping[str, SenderMapping]
    name: str
    """Changes when anything in it does."""

    @classmethod
    def read(cls, own: str = "") -> Self:
        """Read the usual mapping, and what a hospital changed in it, as TOML.

        Raises:
            BadMapping: a section, path, form or state is none.
        """
        usual = _usual_document()
        try:
            changed = tomllib.loads(own)
        except tomllib.TOMLDecodeError as error:
            raise BadMapping(why=str(error)) from error
        for unknown in set(changed) - {"sender"}:
            raise BadMapping(section=unknown)
        by_sender = {}
        for sender, sections in changed.get("sender", {}).items():
            by_sender[sender] = _mapping(_over(usual, sections))
        text = json.dumps([usual, changed], sort_keys=True)
        return cls(_mapping(usual), by_sender, hashlib.sha256(text.encode()).hexdigest()[:16])

    def of(self, sender: str) -> SenderMapping:
        """Return how the messages of a sender are read."""
        return self.by_sender.get(sender, self.usual)


@cache
def _usual_document() -> dict[str, Any]:
    text = files("safelight.gateway.hl7").joinpath("order_mapping.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    # What a kind of order does not name for itself is where it is for any order.
    for kind in ("imaging-order", "appointment"):
        document[kind] = {**document["order"], **document[kind]}
    return document


def _over(usual: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    known = {*SECTIONS, "states", "appointment-states", "charset"}
    for unknown in set(changed) - known:
        raise BadMapping(section=unknown)
    merged: dict[str, Any] = dict(usual)
    for section, lines in changed.items():
        merged[section] = lines if section == "charset" else {**usual.get(section, {}), **lines}
    return merged


def _mapping(document: Mapping[str, Any]) -> SenderMapping:
    try:
        return SenderMapping(
            {
                section: {name: tuple(map(Path.parse, paths)) for name, paths in document[section].items()}
                for section in SECTIONS
            },
            {name: StepState(state) for name, state in document["states"].items()},
            {name: StepState(state) for name, state in document["appointment-states"].items()},
            str(document.get("charset", "")),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise BadMapping(why=str(error)) from error
