"""A drill writes into a rehearsal target and into nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from safelight.core.errors import StateError, UsageError


class NoRehearsalTarget(UsageError):
    """Nobody said where the drill may write to."""

    code: ClassVar[str] = "drill.no-rehearsal-target"
    hint: ClassVar[str] = "Give --rehearsal-target AET@HOST:PORT, or `target` at the rehearsal in the plan."


class ProductionTarget(StateError):
    """The target of the drill is, or may be, a system that the hospital works with; nothing was sent."""

    code: ClassVar[str] = "drill.production-target"
    hint: ClassVar[str] = "Name a PACS that nobody works with. It must have an address and a title of its own."


@dataclass(frozen=True, slots=True)
class Place:
    """Where an application entity answers; what is not known is empty."""

    title: str
    addresses: frozenset[str]
    """Every address that its host name leads to, and the name itself."""
    port: int | None
    said_by: str = ""
    """Who says that this is production."""


def refuse_production(target: Place, production: Iterable[Place]) -> None:
    """Return when the target is none of these.

    Raises:
        ProductionTarget: it has the address of one; or its title, where the address of that one is not known.
    """
    for one in production:
        known = bool(one.addresses) and one.port is not None
        same_place = known and one.port == target.port and not one.addresses.isdisjoint(target.addresses)
        same_title = not known and bool(one.title) and one.title == target.title
        if same_place or same_title:
            raise ProductionTarget(target=target.title, said_by=one.said_by)
