"""What a shift on the downtime procedures needs of Safelight itself: looked at, not asked."""

from datetime import timedelta
from typing import Final

from safelight.core.errors import PeerError
from safelight.core.names import Peer
from safelight.downtime.number import NumberFor
from safelight.drill.facts import Step
from safelight.drill.shift import Check
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import service_proposal
from safelight.gateway.dicom.exchange import CallSettings
from safelight.gateway.dicom.worklist_asking import WorklistAsker
from safelight.site.exams import numbers_of
from safelight.site.opened import Site
from safelight.wire.dicom.uids import WORKLIST_FIND

LOOPBACK: Final = "127.0.0.1"
ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened at
PATIENCE: Final = CallSettings(connect=timedelta(seconds=5), answer=timedelta(seconds=30))


def look(site: Site, step: Step) -> tuple[bool, str]:
    """Return whether something is ready, and what was seen."""
    return _worklist(site) if step.check == Check.WORKLIST else _numbers(site)


def _worklist(site: Site) -> tuple[bool, str]:
    """Ask our own door as a modality does: over the network, by the title that modalities call."""
    settings = site.settings.dicom
    us = Peer(settings.ae_title, LOOPBACK if settings.bind in ANYWHERE else settings.bind, settings.port)
    today = site.clock.now().astimezone().date()
    try:
        with connect(us, settings.ae_title, [service_proposal(WORKLIST_FIND)], settings=PATIENCE) as association:
            answered = WorklistAsker(association, site.clock, site.settings.worklist.rows_max, lambda: True).ask(
                [today]
            )
    except PeerError as error:
        return False, f"no answer: {error.code}"
    return True, f"{len(answered.steps)} steps of today"


def _numbers(site: Site) -> tuple[bool, str]:
    numbers = numbers_of(site.records.journal)
    left = dict.fromkeys(NumberFor, 0)
    for one in numbers.ranges.values():
        left[one.of] += numbers.left(one.number)
    # What lies beside a device is reserved just as well.
    for block in numbers.blocks.values():
        left[numbers.ranges[block.range].of] += block.last - block.first + 1
    return all(left.values()), ", ".join(f"{count} for {of}" for of, count in left.items())
