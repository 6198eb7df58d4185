"""How well instances are kept: in how many whole copies, whatever version is meant."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from safelight.catalog.reading import chunks
from safelight.catalog.schema import encoding_table, holding_table, pack_table, version_table


@dataclass(frozen=True, slots=True)
class Custody:
    """What is kept under one SOP Instance UID."""

    sop_classes: frozenset[str]
    copies_whole: int
    """Of the version that is kept worst: the asker may mean any of them."""


def custody(connection: Connection, instances: Iterable[str]) -> dict[str, Custody]:
    """Return how these instances are kept; what is not held is absent."""
    found: dict[str, Custody] = {}
    version, best = version_table.c, func.coalesce(func.max(pack_table.c.copies_whole), 0)
    source = (
        version_table.join(encoding_table, encoding_table.c.key == version.encoding_key)
        .outerjoin(holding_table, holding_table.c.version_key == version.key)
        .outerjoin(pack_table, pack_table.c.key == holding_table.c.pack_key)
    )
    statement = select(version.sop_instance, encoding_table.c.sop_class, best).select_from(source)
    for chunk in chunks(dict.fromkeys(instances)):
        narrowed = statement.where(version.sop_instance.in_(chunk)).group_by(version.key)
        for instance, sop_class, copies in connection.execute(narrowed):
            known = found.get(instance)
            if known is None:
                found[instance] = Custody(frozenset((sop_class,)), copies)
            else:
                found[instance] = Custody(known.sop_classes | {sop_class}, min(known.copies_whole, copies))
    return found
