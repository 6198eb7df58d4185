"""What laws and standards ask for, in our own words, and which rules look at it; honest about what was not read."""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Verified(StrEnum):
    """How far a line can be trusted."""

    READ = "read"
    SECOND_HAND = "second hand"
    """Read where others report or quote it."""
    OUTLINE = "outline only"
    UNREAD = "general knowledge"
    """Not checked against the text: check it before you cite it."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand of a source."""

    ref: str
    text: str
    verified: Verified
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequirementPack:
    """The demands of one source, in one edition."""

    id: str
    source: str
    edition: str
    date: str
    requirements: tuple[Requirement, ...]


@cache
def requirement_packs() -> tuple[RequirementPack, ...]:
    """Return every pack that ships with Safelight."""
    folder = files("safelight.findings") / "requirements"
    found = sorted((one for one in folder.iterdir() if one.name.endswith(".toml")), key=lambda one: one.name)
    return tuple(_pack(one.name.removesuffix(".toml"), one.read_text("utf-8")) for one in found)


def _pack(name: str, text: str) -> RequirementPack:
    told = tomllib.loads(text)
    requirements = tuple(
        Requirement(one["ref"], one["text"], Verified(one["verified"]), tuple(one["rules"]))
        for one in told["requirement"]
    )
    return RequirementPack(name, told["source"], told["edition"], told["date"], requirements)
