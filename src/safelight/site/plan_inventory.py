"""An inventory as IT has it (CSV or XLSX) into a file of a plan: systems that the plan does not know yet."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from safelight.core.errors import UsageError
from safelight.core.table_file import Line, TableForm, TableUnreadable, read_lines
from safelight.plan.model import Plan
from safelight.plan.source import quoted
from safelight.plan.words import Side, SystemKind

ROWS_MAX: Final = 20_000
BYTES_MAX: Final = 16 * 1024 * 1024
HEADINGS: Final = {
    "id": ("id", "ci", "asset", "asset id", "kennung"),
    "name": ("name", "system", "application", "description"),
    "kind": ("kind", "type", "class", "category"),
    "site": ("site", "location", "data center", "data centre"),
    "segment": ("segment", "vlan", "subnet", "network"),
    "tier": ("tier", "recovery tier", "criticality"),
    "in_it_plan": ("in_it_plan", "in it plan", "in dr plan", "disaster recovery"),
    "it_owner": ("it_owner", "it owner", "owner"),
    "radiology_owner": ("radiology_owner", "radiology owner", "business owner"),
    "bought_by": ("bought_by", "bought by", "funded by"),
    "staffed_by": ("staffed_by", "staffed by", "run by"),
}
"""By the field of a system, what its column may be called; capitals do not matter."""
ANSWERS: Final = {
    **dict.fromkeys(("yes", "y", "true", "1", "x", "ja"), True),
    **dict.fromkeys(("no", "n", "false", "0", "nein"), False),
}
EXPECTED: Final = {
    "segment": "the plan has no such segment",
    "tier": "a tier is a whole number below 100",
    "in_it_plan": "an answer is `yes` or `no`",
    "it_owner": "nobody of the plan has this name",
    "radiology_owner": "nobody of the plan has this name",
    "bought_by": "a side is `it` or `radiology`",
    "staffed_by": "a side is `it` or `radiology`",
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
    if not plan.sites:
        raise BadInventory(file=str(file), trouble="the plan has no site yet")
    present = {one.id for one in plan.systems} | {one.name.casefold() for one in plan.systems}
    reader = _RowReader(file.name, plan)
    if "in_it_plan" not in columns:
        reader.remark(1, "no column `in_it_plan`, so each system is taken as not in IT's plan")
    lines, taken, known = ["systems:"], [], []
    for line in rows:
        number, row = line.number, line.cells
        if number > ROWS_MAX:
            raise BadInventory(file=str(file), rows_max=ROWS_MAX)
        if row is None:
            reader.remark(number, "cannot be read and is left out")
            continue
        told = {field: row[at].strip() for field, at in columns.items() if at < len(row) and row[at].strip()}
        if "name" not in told:
            if any(cell.strip() for cell in row):
                reader.remark(number, "has no name and is left out")
            continue
        name = re.sub(r"[^a-z0-9]+", "-", told.get("id", told["name"]).lower()).strip("-") or f"row-{number}"
        if name in present or told["name"].casefold() in present:
            known.append(name)
            continue
        present |= {name, told["name"].casefold()}
        taken.append(name)
        fields = {"id": quoted(name), "name": quoted(told["name"]), **reader.fields(number, name, told)}
        if "in_it_plan" not in fields:
            if "in_it_plan" in columns and "in_it_plan" not in told:
                reader.remark(number, f"{name}: nothing in `in_it_plan`, so it is taken as not in IT's plan")
            fields["in_it_plan"] = "no"
        lines.append(f"  - {{{', '.join(f'{field}: {value}' for field, value in fields.items())}}}")
    return Imported("\n".join(lines) + "\n", tuple(taken), tuple(known), tuple(reader.remarks))


class _RowReader:
    """Reads the cells of a row as fields of a system, and tells what cannot be taken as it stands."""

    def __init__(self, file: str, plan: Plan) -> None:
        self.remarks: list[str] = []
        self._file = file
        self._sites = [one.id for one in plan.sites]
        self._segments = {one.id for one in plan.segments}
        self._people = {text.casefold(): one.id for one in plan.people for text in (one.name, one.id)}

    def remark(self, row: int, what: str) -> None:
        """Tell something of a row."""
        self.remarks.append(f"{self._file}, row {row}: {what}")

    def fields(self, row: int, name: str, told: Mapping[str, str]) -> dict[str, str]:
        """Return what a row says of a system beside its name, as a plan writes it."""
        found = {"kind": self._kind(row, name, told), "site": self._site(row, name, told)}
        readers: dict[str, Callable[[str], str | None]] = {
            "segment": lambda text: quoted(text.lower()) if text.lower() in self._segments else None,
            "tier": lambda text: text if re.fullmatch(r"\d{1,2}", text) else None,
            "in_it_plan": _answer,
            "it_owner": self._person,
            "radiology_owner": self._person,
            "bought_by": _side,
            "staffed_by": _side,
        }
        for field, read in readers.items():
            if field not in told:
                continue
            value = read(told[field])
            if value is None:
                taken = "taken as `no`" if field == "in_it_plan" else "left out"
                self.remark(row, f"{name}: {field} `{told[field]}` is {taken}; {EXPECTED[field]}")
            else:
                found[field] = value
        return found

    def _kind(self, row: int, name: str, told: Mapping[str, str]) -> str:
        kind = told.get("kind", "").lower().replace(" ", "-")
        if kind in set(SystemKind):
            return kind
        self.remark(row, f"{name}: kind `{told.get('kind', '')}` is taken as `other`")
        return str(SystemKind.OTHER)

    def _site(self, row: int, name: str, told: Mapping[str, str]) -> str:
        site = told.get("site", "").lower()
        if site in self._sites:
            return site
        self.remark(row, f"{name}: site `{told.get('site', '')}` is taken as `{self._sites[0]}`")
        return self._sites[0]

    def _person(self, text: str) -> str | None:
        found = self._people.get(text.casefold())
        return None if found is None else quoted(found)


def _answer(text: str) -> str | None:
    found = ANSWERS.get(text.casefold())
    return None if found is None else ("yes" if found else "no")


def _side(text: str) -> str | None:
    return text.lower() if text.lower() in set(Side) else None


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
