"""YAML that people write for a drill, read strictly: what is missing, unknown or no text is refused with its place."""

from typing import ClassVar, Final

from safelight.core.errors import UsageError
from safelight.plan.source import Listing, Node, Scalar, Table

TEXT_MAX: Final = 4000


class BadScript(UsageError):
    """A script or a file of answers is not written as it must be."""

    code: ClassVar[str] = "drill.bad-script"
    hint: ClassVar[str] = "See docs/drill.md, and the scripts that ship with Safelight, for how they are written."


def rows(node: Node, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> list[dict[str, Node]]:
    """Return a list of tables with these names.

    Raises:
        BadScript: it is none.
    """
    if not isinstance(node, Listing):
        raise BadScript(where=str(node.place), what="a list is expected")
    return [table(one, names, optional) for one in node.items]


def table(node: Node, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Node]:
    """Return a table with these names.

    Raises:
        BadScript: it is none.
    """
    if not isinstance(node, Table):
        raise BadScript(where=str(node.place), what=f"a table is expected, with {', '.join(names)}")
    found = {key.text: value for key, value in node.entries}
    if missing := [one for one in names if one not in found]:
        raise BadScript(where=str(node.place), missing=", ".join(missing))
    if unknown := [one for one in found if one not in (*names, *optional)]:
        raise BadScript(where=str(node.place), unknown=", ".join(unknown))
    return found


def texts(node: Node) -> tuple[str, ...]:
    """Return a list of texts.

    Raises:
        BadScript: it is none.
    """
    if not isinstance(node, Listing):
        raise BadScript(where=str(node.place), what="a list is expected")
    return tuple(text(one) for one in node.items)


def text(node: Node) -> str:
    """Return a text.

    Raises:
        BadScript: it is none, or too long.
    """
    if not isinstance(node, Scalar) or len(node.text) > TEXT_MAX:
        raise BadScript(where=str(node.place), what=f"a text of at most {TEXT_MAX} characters is expected")
    return node.text
