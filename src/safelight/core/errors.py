"""Error families: who must act when something goes wrong.

Every error that Safelight raises on purpose belongs to one family. The family says who must act and
which exit code the program ends with; the code names the entry in docs/errors.md and the log event.
"""

import traceback
from typing import Any, ClassVar, Final

EXIT_DONE: Final = 0
EXIT_OBJECTIVE_NOT_MET: Final = 1
EXIT_DEFECT: Final = 70

FactValue = str | int | float | bool | None


class SafelightError(Exception):
    """Something went wrong in a way that we foresaw; raise a subclass of one of the families.

    Facts are identifiers (UIDs, digests, paths of our own, counts), never names of patients.
    """

    code: ClassVar[str] = "core.error"
    hint: ClassVar[str] = ""
    exit_code: ClassVar[int] = EXIT_DEFECT

    def __init__(self, **facts: FactValue) -> None:
        super().__init__(facts)
        self.facts = facts

    @property
    def reason(self) -> str:
        """What happened, in one sentence."""
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    def __str__(self) -> str:
        told = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.code} {told}".rstrip()


class UsageError(SafelightError):
    """Whoever wrote the command, the plan or the settings must change it."""

    exit_code = 2


class StateError(SafelightError):
    """The same person must act later, or in another phase."""

    exit_code = 10


class PeerError(SafelightError):
    """The owner of the other system must act."""

    exit_code = 20


class ResourceError(SafelightError):
    """The owner of this machine must act: space, access, device."""

    exit_code = 30


class IntegrityError(SafelightError):
    """Stop; page somebody; delete nothing."""

    exit_code = 40


class SystemRefused(ResourceError):
    """The operating system refused something: a file, a folder, a right."""

    code: ClassVar[str] = "core.system-refused"
    hint: ClassVar[str] = "Look at this path: does it exist, may this user read and write it, is it the right one?"


class Defect(SafelightError):
    """Safelight did something that it should not have done."""

    code: ClassVar[str] = "core.defect"
    hint: ClassVar[str] = "This is our fault. Report it, with the lines above it and the log of `safelight serve`."


def foreseen(error: BaseException) -> SafelightError:
    """Return an error of ours for any failure, so that each has a code, a hint and somebody who must act."""
    if isinstance(error, SafelightError):
        return error
    if isinstance(error, OSError):
        named = error.filename2 or error.filename
        where = named.decode("utf-8", "surrogateescape") if isinstance(named, bytes) else str(named or "")
        told: dict[str, FactValue] = {"where": where} if where else {}
        return SystemRefused(**told, error=error.strerror or type(error).__name__)
    # Its kind and its place and not its words: those may quote what a peer sent, a patient's name among it.
    return Defect(error=type(error).__name__, where=_place(error))


def error_document(error: SafelightError) -> dict[str, Any]:
    """Return an error as the JSON that a program or a page can act on."""
    return {
        "code": error.code,
        "reason": error.reason,
        "hint": error.hint,
        "facts": error.facts,
        "exit": error.exit_code,
    }


def _place(error: BaseException) -> str | None:
    """Return the innermost place in our own code that an exception passed through."""
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("safelight."):
            place = f"{name}:{line}"
    return place
