"""How a field of a plan is declared: its meaning, and what it refers to. Reader, schema and pages are made from it."""

from dataclasses import MISSING, field
from typing import Any


def told(text: str, default: Any = MISSING, *, ref: str = "", example: str = "") -> Any:
    """Declare a field: what it means, its default (required without), the section whose ids it names."""
    return field(default=default, metadata={"told": text, "ref": ref, "example": example})
