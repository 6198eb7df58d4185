"""How long work tells whoever waits how far it is."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Progress:
    """One reading: ``done`` of ``total`` in ``unit`` (``total`` is 0 while nobody knows it)."""

    stage: str
    done: int
    total: int
    unit: str
    note: str = ""


class Report(Protocol):
    """Takes progress readings; cheap to call often."""

    def __call__(self, progress: Progress) -> None:
        """Show or drop one reading."""


def silent(progress: Progress) -> None:
    """Show nothing."""
