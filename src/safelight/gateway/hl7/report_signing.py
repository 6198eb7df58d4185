"""Who signed a report and when, for measuring how long reading takes; nobody's name goes further than that.

Source: HL7 v2.5.1, 7.4.1.22 (OBR-22, results reported or changed) and 7.4.1.32 (OBR-32, principal result
interpreter); 9.6.1.22 (TXA-22) for documents.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from safelight.gateway.hl7.mapping import Path, SenderMapping
from safelight.gateway.hl7.order_reading import report_groups
from safelight.wire.hl7.message import Message

READER: Final = tuple(map(Path.parse, ("OBR-32.1.1", "OBR-32.1.2", "TXA-22.1", "TXA-10.1", "TXA-9.1")))
SIGNED: Final = tuple(map(Path.parse, ("OBR-22.1", "TXA-22.15")))


@dataclass(frozen=True, slots=True)
class Signing:
    """One report of a message."""

    accession: str
    status: str
    reader: str
    signed: datetime | None
    """By the sender's clock; its offset, where it tells one, is left aside: it only measures what lies between two."""


def signings(message: Message, mapping: SenderMapping) -> Iterator[Signing]:
    """Give the reports of a message."""
    for group in report_groups(message):
        told = mapping.values("report", group)
        reader, signed = (
            next((found for path in paths if (found := path.value(group))), "") for paths in (READER, SIGNED)
        )
        yield Signing(told.get("AccessionNumber", ""), told.get("Status", ""), reader, _moment(signed))


def _moment(text: str) -> datetime | None:
    found = re.match(r"\d{12}(?:\d{2})?", text)
    try:
        return datetime.strptime(found[0].ljust(14, "0"), "%Y%m%d%H%M%S") if found else None
    except ValueError:
        return None
