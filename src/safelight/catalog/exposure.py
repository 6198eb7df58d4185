"""What the exposure is computed from, each read by an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.census_rows import CensusRun, last_runs
from safelight.catalog.packs import packs_not_found
from safelight.catalog.schema import census_table, landed_table, pack_table
from safelight.catalog.tallies import read_tally

LACKING = (CensusOutcome.UNPROTECTED, CensusOutcome.DIFFERING, CensusOutcome.UNCOUNTED)


@dataclass(frozen=True, slots=True)
class ExposureInputs:
    """Everything that may be lost, by age."""

    oldest_unpacked_at: datetime | None
    """Receipt of the oldest instance that lies in the landing log alone."""
    oldest_lacking_copies_at: datetime | None
    """Oldest receipt in a pack that has fewer whole copies than demanded."""
    oldest_claimed_unprotected_at: datetime | None
    """When we first learned of the longest known study that the source has and no pack has whole."""
    claimed_unprotected: int
    """Studies of which that is so, or of which it is not known."""
    last_complete_census: Mapping[str, CensusRun]
    """By source."""
    packs_not_found: tuple[str, ...]
    """Packs that the journal says were sealed and that are not there."""


def exposure_inputs(connection: Connection, copies_min: int) -> ExposureInputs:
    """Read what the exposure is computed from."""
    unpacked = select(landed_table.c.received_at).where(landed_table.c.packed.is_(False))
    tally = read_tally(connection)
    return ExposureInputs(
        oldest_unpacked_at=connection.execute(unpacked.order_by(landed_table.c.received_at).limit(1)).scalar(),
        oldest_lacking_copies_at=_oldest_lacking(connection, copies_min),
        oldest_claimed_unprotected_at=_oldest_unprotected(connection),
        claimed_unprotected=sum(tally.census[outcome.value] for outcome in LACKING),
        last_complete_census={run.source: run for run in last_runs(connection)},
        packs_not_found=tuple(packs_not_found(connection)),
    )


def _oldest_lacking(connection: Connection, copies_min: int) -> datetime | None:
    # One look-up for each number of copies: a range over the number would have to read every pack.
    found = []
    for count in range(copies_min):
        oldest = select(pack_table.c.oldest_received_at).where(pack_table.c.copies_whole == count)
        found.append(connection.execute(oldest.order_by(pack_table.c.oldest_received_at).limit(1)).scalar())
    return min((one for one in found if one is not None), default=None)


def _oldest_unprotected(connection: Connection) -> datetime | None:
    found = []
    for outcome in LACKING:
        oldest = select(func.min(census_table.c.claimed_at, type_=census_table.c.claimed_at.type))
        found.append(connection.execute(oldest.where(census_table.c.outcome == outcome.value)).scalar())
    return min((one for one in found if one is not None), default=None)
