"""How what is held of a study came."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from safelight.catalog.reading import chunks
from safelight.catalog.schema import origin_table, study_table, version_table
from safelight.core.instance import Way


def stored_studies(connection: Connection, studies: Iterable[str]) -> set[str]:
    """Return those of which everything was sent here, and nothing seeded or pulled: they came when they were made."""
    found: set[str] = set()
    version, study, origin = version_table.c, study_table.c, origin_table.c
    source = version_table.join(study_table, study.key == version.study_key).join(
        origin_table, origin.key == version.origin_key
    )
    for chunk in chunks(studies):
        statement = select(study.study).select_from(source).where(study.study.in_(chunk)).group_by(study.study)
        ways = func.min(origin.way) == Way.STORE.value, func.max(origin.way) == Way.STORE.value
        found.update(connection.execute(statement.having(*ways)).scalars())
    return found
