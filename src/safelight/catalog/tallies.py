"""Numbers that are kept in step instead of counted, so that asking costs the same at any size."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, select

from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.rows import Tally
from safelight.catalog.schema import tally_table

CENSUS: Final = "census."
NAMES: Final = (
    "instances_landed",
    "instances_packed",
    "instances_waiting",
    "studies",
    "series",
    "patients",
    "packs",
    "bytes_raw",
    "bytes_packed",
    "conflicts",
    "findings_open",
    "callers",
    "callers_not_kept",
    "journal_position",
    *(CENSUS + outcome.value for outcome in CensusOutcome),
)


def begin_tallies(connection: Connection) -> None:
    """Write every number as nought."""
    connection.execute(tally_table.insert(), [{"name": name, "value": 0} for name in NAMES])


def add_to_tallies(connection: Connection, changes: Mapping[str, int] | Counter[str]) -> None:
    """Add to some of the numbers."""
    rows = [{"counted": name, "change": change} for name, change in changes.items() if change]
    if rows:
        statement = (
            tally_table.update()
            .where(tally_table.c.name == bindparam("counted"))
            .values(value=tally_table.c.value + bindparam("change"))
        )
        connection.execute(statement, rows)


def raise_tally(connection: Connection, name: str, value: int) -> None:
    """Set a number that only grows."""
    connection.execute(
        tally_table.update().where(tally_table.c.name == name, tally_table.c.value < value).values(value=value)
    )


def read_tally(connection: Connection) -> Tally:
    """Return all numbers."""
    found = {row.name: row.value for row in connection.execute(select(tally_table))}
    census = {outcome.value: found.pop(CENSUS + outcome.value, 0) for outcome in CensusOutcome}
    return Tally(**{name: found.get(name, 0) for name in NAMES if not name.startswith(CENSUS)}, census=census)
