"""What can be wrong with a plan, said so that whoever wrote it can mend it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from safelight.core.errors import StateError, UsageError


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a plan; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Trouble:
    """One thing that is wrong with a plan, and how to mend it."""

    place: Place
    what: str
    mend: str


class BadPlan(UsageError):
    """The plan cannot be used as it is written; nothing of it was taken."""

    code: ClassVar[str] = "plan.bad-plan"
    hint: ClassVar[str] = "Mend the named line. `safelight plan lint FOLDER` lists everything that is wrong at once."

    def __init__(self, troubles: Sequence[Trouble]) -> None:
        first = troubles[0]
        super().__init__(where=str(first.place), what=first.what, mend=first.mend, more=len(troubles) - 1 or None)
        self.troubles = tuple(troubles)


class DependencyCycle(ValueError):
    """Systems wait for each other in a circle, so that none could be recovered first; no plan that was read has one."""

    def __init__(self, circle: Sequence[str]) -> None:
        super().__init__(" -> ".join(circle))
        self.circle = tuple(circle)


class UnknownSigner(UsageError):
    """The plan has no person with this name and this key."""

    code: ClassVar[str] = "plan.unknown-signer"
    hint: ClassVar[str] = "Add the person's public key to `people` as `signing_key`; `safelight plan sign --help`."


class NoSigningAccount(UsageError):
    """The plan names nobody who signs by this account's login at this Safelight."""

    code: ClassVar[str] = "plan.no-signing-account"
    hint: ClassVar[str] = (
        "Put `account: NAME` at the person in `people`, and `console_key: KEY` into `plan`; the plan's screen "
        "shows the key."
    )


class NothingToSign(StateError):
    """This side has signed every part of the plan as it is."""

    code: ClassVar[str] = "plan.nothing-to-sign"
    hint: ClassVar[str] = "Nothing to do. Who has yet to sign: safelight plan show FOLDER"


class PlanChanged(StateError):
    """The plan is not what was shown to whoever signs; nothing was signed."""

    code: ClassVar[str] = "plan.changed-since-shown"
    hint: ClassVar[str] = "Look at the plan as it is now, then sign that."
