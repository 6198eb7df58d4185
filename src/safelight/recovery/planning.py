"""Put the order of a recovery on record, in pieces that a journal can take."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from safelight.recovery.facts import Planned, PlannedStudy
from safelight.recovery.order import Placed

PIECE_STUDIES_MAX: Final = 1000
GONE: Final = "gone-from-source"


def planned_facts(
    recovery: str,
    at: datetime,
    order: Sequence[Placed],
    *,
    limit: int | None = None,
    gone: Collection[str] = (),
    send_gone: bool = False,
) -> Iterator[Planned]:
    """Return the order as facts; the last one says that it is complete, even of an empty order.

    Args:
        recovery: the recovery's name.
        at: when the order was made.
        order: what `clinical_order` returned.
        limit: take the first studies only.
        gone: study UIDs that the source had deleted before it was lost. They are planned and wait for a decision,
            since the deletion may have been meant.
        send_gone: the decision, when it was taken at the start.
    """
    wanted = order if limit is None else order[:limit]
    pieces = range(0, max(len(wanted), 1), PIECE_STUDIES_MAX)
    for first in pieces:
        studies = tuple(
            PlannedStudy(
                placed.facts.study,
                placed.tier.value,
                placed.facts.instances,
                placed.facts.size_bytes,
                GONE if placed.facts.study in gone and not send_gone else "",
            )
            for placed in wanted[first : first + PIECE_STUDIES_MAX]
        )
        yield Planned(recovery, at, studies, last=first == pieces[-1])
