"""Where rules and requirements come from, and how far each source was checked by us."""

import tomllib
from collections.abc import Mapping
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
    OF_THE_SITE = "the site's own"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule comes from."""

    text: str
    verified: Verified

    def __str__(self) -> str:
        """Return it as it is printed: nobody takes for checked what was not."""
        return f"{self.text} ({self.verified})"


@dataclass(frozen=True, slots=True)
class Work:
    """A standard, paper or thread that rules cite by its short name and, behind that, a section."""

    name: str
    verified: Verified
    is_what: str


@cache
def works() -> Mapping[str, Work]:
    """Return everything that the fifty rules cite, by its short name."""
    told = tomllib.loads((files("safelight.findings") / "sources.toml").read_text("utf-8"))
    return {name: Work(name, Verified(one["verified"]), one["is"]) for name, one in told.items()}


def source_of(text: str) -> Source:
    """Return a source of the fifty rules with how far it was checked.

    Raises:
        KeyError: nothing is known of it.
    """
    known = [name for name in works() if text == name or text.startswith((f"{name} ", f"{name},"))]
    return Source(text, works()[max(known, key=len, default=text)].verified)
