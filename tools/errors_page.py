"""Write docs/errors.md: every error code, who must act, and what to do. Run by `make docs`."""

import importlib
import pkgutil
import sys
from pathlib import Path

import safelight
from safelight.core.errors import SafelightError

PAGE = Path(__file__).parents[1] / "docs/errors.md"
HEAD = """# Every error code

Made by `make docs` from the code; do not edit. The word before the dot is the room: its code is in
`src/safelight/ROOM/`, its tests in `tests/ROOM/`. The exit code says who must act.

"""
FAMILIES = {
    "UsageError": "Whoever wrote the command, the plan or the settings",
    "StateError": "The same person, later or in another phase",
    "PeerError": "The owner of the other system",
    "ResourceError": "The owner of this machine: space, access, device",
    "IntegrityError": "Stop; page somebody; delete nothing",
    "SafelightError": "Us: it is a defect of Safelight",
}


def error_classes() -> list[type[SafelightError]]:
    """Return every error with a code of its own, by code."""
    for module in pkgutil.walk_packages(safelight.__path__, "safelight."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: dict[str, type[SafelightError]] = {}
    waiting = list(SafelightError.__subclasses__())
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if "code" in one.__dict__ and one.__module__.startswith("safelight."):
            found[one.code] = one
    return [found[code] for code in sorted(found)]


def family_of(error: type[SafelightError]) -> str:
    """Return the name of the family that the error belongs to."""
    return next(one.__name__ for one in error.__mro__ if one.__name__ in FAMILIES)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    errors = error_classes()
    for family, who in FAMILIES.items():
        rows = [one for one in errors if family_of(one) == family]
        if not rows:
            continue
        parts.append(
            f"## {who} (exit {rows[0].exit_code})\n\n| code | what happened | what to do |\n| --- | --- | --- |\n"
        )
        for one in rows:
            told = (one.__doc__ or "").strip().split("\n\n")[0]
            parts.append(f"| `{one.code}` | {_cell(told)} | {_cell(one.hint)} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{len(error_classes())} codes", file=sys.stderr)
