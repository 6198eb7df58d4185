"""A department's file for the simulation: YAML, read by the plan's own reader, as plain values."""

import re
from pathlib import Path
from typing import Any, Final

from safelight.impact.errors import BadFile
from safelight.plan.errors import BadPlan
from safelight.plan.source import Limits, Listing, Node, Table, compose
from safelight.site.plan_folder import text_of

LIMITS: Final = Limits(file_bytes_max=1_000_000)
NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
NOTHING: Final = frozenset({"", "~", "null"})


def department_document(file: Path) -> dict[str, Any]:
    """Read a file that has `department` and `scenarios`; what is in them is judged by `safelight.impact.document`.

    Raises:
        BadFile: it is no YAML, is too large, or uses what a plan may not use either: anchors, tags, a name twice.
    """
    try:
        return _fields(compose(file.name, text_of(file, LIMITS), LIMITS))
    except BadPlan as error:
        first = error.troubles[0]
        place = first.place
        raise BadFile(file=place.file, line=place.line, column=place.column, problem=first.what) from error


def _fields(table: Table) -> dict[str, Any]:
    return {key.text: _plain(node) for key, node in table.entries}


def _plain(node: Node) -> Any:
    if isinstance(node, Table):
        return _fields(node)
    if isinstance(node, Listing):
        return [_plain(one) for one in node.items]
    if not node.quoted and node.text in NOTHING:
        return None
    # No value of a department is a flag or a day: what is no number is a name, `no` among them.
    return float(node.text) if not node.quoted and NUMBER.fullmatch(node.text) else node.text
