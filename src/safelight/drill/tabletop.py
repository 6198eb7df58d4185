"""Scripts of table-tops."""

from importlib.resources import files
from typing import Final

from safelight.drill.facts import Inject
from safelight.drill.sheet import BadScript, rows, table, text, texts
from safelight.plan.source import Node, compose

SHIPPED: Final = ("ransomware", "hardware")
FIELDS: Final = ("id", "tells", "it", "radiology")


def shipped_script(disruption: str) -> str:
    """Return the text of a script that ships with Safelight; the one for hardware where there is no other."""
    name = disruption if disruption in SHIPPED else "hardware"
    return files("safelight.drill").joinpath(f"tabletop_{name}.yaml").read_text("utf-8")


def read_script(file: str, content: str) -> tuple[str, tuple[Inject, ...]]:
    """Return title and injects.

    Raises:
        BadScript: something is missing, unknown or there twice.
        BadPlan: it is no YAML of ours.
    """
    top = table(compose(file, content), ("title", "injects"))
    injects = tuple(_inject(row) for row in rows(top["injects"], FIELDS, ("roles",)))
    if not injects or len({one.id for one in injects}) != len(injects):
        raise BadScript(file=file, what="there are no injects, or two have one id")
    return text(top["title"]), injects


def _inject(row: dict[str, Node]) -> Inject:
    name, tells, it, radiology = (text(row[field]) for field in FIELDS)
    return Inject(name, tells, it, radiology, texts(row["roles"]) if "roles" in row else ())
