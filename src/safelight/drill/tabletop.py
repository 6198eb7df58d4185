"""Scripts of table-tops, and answers given in a file."""

from collections.abc import Mapping
from importlib.resources import files
from typing import ClassVar, Final

from safelight.core.errors import UsageError
from safelight.drill.facts import Inject, OpenItem
from safelight.plan.source import Listing, Node, Scalar, Table, compose

SHIPPED: Final = ("ransomware", "hardware")
FIELDS: Final = ("id", "tells", "it", "radiology")
TEXT_MAX: Final = 4000


class BadScript(UsageError):
    """A script or a file of answers is not written as it must be."""

    code: ClassVar[str] = "drill.bad-script"
    hint: ClassVar[str] = "See docs/drill.md, and the scripts that ship with Safelight, for how they are written."


def shipped_script(disruption: str) -> str:
    """Return the text of a script that ships with Safelight; the one for hardware where there is no other."""
    name = disruption if disruption in SHIPPED else "hardware"
    return files("safelight.drill").joinpath(f"tabletop_{name}.yaml").read_text("utf-8")


def read_script(file: str, text: str) -> tuple[str, tuple[Inject, ...]]:
    """Return title and injects.

    Raises:
        BadScript: something is missing, unknown or there twice.
        BadPlan: it is no YAML of ours.
    """
    top = _table(compose(file, text), ("title", "injects"))
    injects = tuple(Inject(*(_text(row[name]) for name in FIELDS)) for row in _rows(top["injects"], FIELDS))
    if not injects or len({one.id for one in injects}) != len(injects):
        raise BadScript(file=file, what="there are no injects, or two have one id")
    return _text(top["title"]), injects


Given = tuple[str, str, tuple[OpenItem, ...]]
"""What IT answers, what radiology answers, what stays open."""


def read_answers(file: str, text: str) -> Mapping[str, Given]:
    """Return the answers by inject.

    Raises:
        BadScript: something is missing, unknown or there twice.
        BadPlan: it is no YAML of ours.
    """
    found: dict[str, Given] = {}
    for row in _rows(_table(compose(file, text), ("answers",))["answers"], ("inject", "it", "radiology"), ("open",)):
        items = _rows(row["open"], ("what", "owner")) if "open" in row else []
        opened = tuple(OpenItem(_text(one["what"]), _text(one["owner"])) for one in items)
        found[_text(row["inject"])] = (_text(row["it"]), _text(row["radiology"]), opened)
    return found


def left_open(given: Given) -> tuple[OpenItem, ...]:
    """Return what stays open: what was said to, and each side that had no answer."""
    it, radiology, items = given
    silent = [side for side, text in (("IT", it), ("Radiology", radiology)) if not text.strip()]
    return (*items, *(OpenItem(f"{side} had no answer", "") for side in silent))


def _rows(node: Node, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> list[dict[str, Node]]:
    if not isinstance(node, Listing):
        raise BadScript(where=str(node.place), what="a list is expected")
    return [_table(one, names, optional) for one in node.items]


def _table(node: Node, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Node]:
    if not isinstance(node, Table):
        raise BadScript(where=str(node.place), what=f"a table is expected, with {', '.join(names)}")
    found = {key.text: value for key, value in node.entries}
    if missing := [one for one in names if one not in found]:
        raise BadScript(where=str(node.place), missing=", ".join(missing))
    if unknown := [one for one in found if one not in (*names, *optional)]:
        raise BadScript(where=str(node.place), unknown=", ".join(unknown))
    return found


def _text(node: Node) -> str:
    if not isinstance(node, Scalar) or len(node.text) > TEXT_MAX:
        raise BadScript(where=str(node.place), what=f"a text of at most {TEXT_MAX} characters is expected")
    return node.text
