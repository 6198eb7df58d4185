"""An inventory as IT has it (CSV or XLSX) into a file of a plan: systems that the plan does not know yet."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from safelight.core.errors import UsageError
from safelight.core.table_file import Line, TableForm, TableUnreadable, read_lines
from safelight.plan.model import Plan
from safelight.plan.source import quoted
from safelight.plan.words import SystemKind

ROWS_MAX: Final = 20_000
BYTES_MAX: Final = 16 * 1024 * 1024
HEADINGS: Final = {
    "id": ("id", "ci", "asset", "asset id", "kennung"),
    "name": ("name", "system", "application", "description"),
    "kind": ("kind", "type", "class", "category"),
    "site": ("site", "location", "data center", "data centre"),
    "segment": ("segment", "vlan", "subnet", "network"),
    "tier": ("tier", "recovery tier", "criticality"),
}


class BadInventory(UsageError):
    """This inventory cannot be read."""

    code: ClassVar[str] = "site.bad-inventory"
    hint: ClassVar[str] = "Give a CSV (UTF-8) or XLSX file whose first row has headings, among them `name`."


@dataclass(frozen=True, slots=True)
class Imported:
    """What would be, or was, taken from an inventory."""

    text: str
    taken: tuple[str, ...]
    known: tuple[str, ...]
    """Systems that the plan has already; they are left alone."""
    remarks: tuple[str, ...]


def inventory(file: Path, plan: Plan) -> Imported:
    """Read an inventory against a plan.

    Raises:
        BadInventory: it is no table with headings, or is too large.
    """
    rows = _lines(file)
    columns = _columns(next(rows, Line(1, None)).cells or (), file)
    present = {one.id for one in plan.systems} | {one.name.casefold() for one in plan.systems}
    sites, segments = [one.id for one in plan.sites], {one.id for one in plan.segments}
    if not sites:
        raise BadInventory(file=str(file), trouble="the plan has no site yet")
    lines, taken, known, remarks = ["systems:"], [], [], []
    for line in rows:
        number, row = line.number, line.cells
        if number > ROWS_MAX:
            raise BadInventory(file=str(file), rows_max=ROWS_MAX)
        if row is None:
            remarks.append(f"row {number} cannot be read and is left out")
            continue
        told = {field: row[at].strip() for field, at in columns.items() if at < len(row) and row[at].strip()}
        if "name" not in told:
            continue
        name = re.sub(r"[^a-z0-9]+", "-", told.get("id", told["name"]).lower()).strip("-") or f"row-{number}"
        if name in present or told["name"].casefold() in present:
            known.append(name)
            continue
        present |= {name, told["name"].casefold()}
        taken.append(name)
        kind = told.get("kind", "").lower().replace(" ", "-")
        if kind not in set(SystemKind):
            remarks.append(f"row {number}, {name}: kind `{told.get('kind', '')}` is taken as `other`")
            kind = "other"
        site = told.get("site", "").lower()
        if site not in sites:
            remarks.append(f"row {number}, {name}: site `{told.get('site', '')}` is taken as `{sites[0]}`")
            site = sites[0]
        segment = told.get("segment", "").lower()
        more = f", segment: {segment}" if segment in segments else ""
        more += f", tier: {told['tier']}" if re.fullmatch(r"\d{1,2}", told.get("tier", "")) else ""
        spoken = quoted(told["name"])
        lines.append(f"  - {{id: {quoted(name)}, name: {spoken}, kind: {kind}, site: {site}, in_it_plan: yes{more}}}")
    return Imported("\n".join(lines) + "\n", tuple(taken), tuple(known), tuple(remarks))


def _columns(heads: Sequence[str], file: Path) -> dict[str, int]:
    at = {head.strip().casefold(): index for index, head in enumerate(heads)}
    found = {field: at[word] for field, words in HEADINGS.items() for word in reversed(words) if word in at}
    if "name" not in found:
        raise BadInventory(file=str(file), headings=", ".join(heads)[:200])
    return found


def _lines(file: Path) -> Iterator[Line]:
    if file.stat().st_size > BYTES_MAX:
        raise BadInventory(file=str(file), bytes_max=BYTES_MAX)
    try:
        yield from read_lines(file.read_bytes(), TableForm())
    except TableUnreadable as error:
        raise BadInventory(file=str(file), **error.facts) from error
