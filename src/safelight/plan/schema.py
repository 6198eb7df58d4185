"""The JSON Schema of plan files, made from the classes that the reader fills."""

from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, get_args, get_origin

from safelight.core.span import SPAN_PATTERN
from safelight.plan.model import Plan
from safelight.plan.reading import hints_of, without_none
from safelight.plan.values import DAY_PATTERN, MOMENT_PATTERN

_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": ["string", "number"]},
    bool: {"enum": [True, False, "yes", "no"]},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number", "minimum": 0},
    timedelta: {"type": "string", "pattern": SPAN_PATTERN},
    date: {"type": "string", "pattern": DAY_PATTERN},
    datetime: {"type": "string", "pattern": MOMENT_PATTERN},
}


def schema() -> dict[str, Any]:
    """Return the schema of one file of a plan; each file may hold any of the sections."""
    definitions: dict[str, Any] = {}
    top = _object(Plan, definitions)
    top.pop("required", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Safelight plan",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = hints_of(kind)
    properties = {}
    for one in fields(kind):
        properties[one.name] = {**_value(hints[one.name], definitions), "description": one.metadata["told"]}
    required = [one.name for one in fields(kind) if one.default is MISSING]
    document = {
        "description": (kind.__doc__ or "").partition("\n")[0],
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return {**document, "required": required} if required else document


def _value(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    kind = without_none(kind)
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], definitions)}
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [str(one) for one in kind]}
    return dict(_SCALARS[kind])
