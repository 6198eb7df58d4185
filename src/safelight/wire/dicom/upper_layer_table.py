"""The state table of the DICOM upper layer, with the standard's own names.

Source: PS3.8 section 9.2, Tables 9-1 to 9-10.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an association stands. Source: PS3.8 Tables 9-1 to 9-5."""

    STA1 = "Sta1"
    """Idle."""
    STA2 = "Sta2"
    """Transport connection open, awaiting A-ASSOCIATE-RQ."""
    STA3 = "Sta3"
    """Awaiting the local A-ASSOCIATE response."""
    STA4 = "Sta4"
    """Awaiting the transport connection."""
    STA5 = "Sta5"
    """Awaiting A-ASSOCIATE-AC or -RJ."""
    STA6 = "Sta6"
    """Association established, ready for data transfer."""
    STA7 = "Sta7"
    """Awaiting A-RELEASE-RP."""
    STA8 = "Sta8"
    """Awaiting the local A-RELEASE response."""
    STA9 = "Sta9"
    """Release collision, requestor: awaiting the local A-RELEASE response."""
    STA10 = "Sta10"
    """Release collision, acceptor: awaiting A-RELEASE-RP."""
    STA11 = "Sta11"
    """Release collision, requestor: awaiting A-RELEASE-RP."""
    STA12 = "Sta12"
    """Release collision, acceptor: awaiting the local A-RELEASE response."""
    STA13 = "Sta13"
    """Awaiting the close of the transport connection."""


class Event(StrEnum):
    """What happens to an association. Source: PS3.8 Table 9-10."""

    EVT1 = "Evt1"
    """A-ASSOCIATE request (local)."""
    EVT2 = "Evt2"
    """Transport connection confirmed (we opened it)."""
    EVT3 = "Evt3"
    """A-ASSOCIATE-AC received."""
    EVT4 = "Evt4"
    """A-ASSOCIATE-RJ received."""
    EVT5 = "Evt5"
    """Transport connection indicated (the peer opened it)."""
    EVT6 = "Evt6"
    """A-ASSOCIATE-RQ received."""
    EVT7 = "Evt7"
    """A-ASSOCIATE response, accept (local)."""
    EVT8 = "Evt8"
    """A-ASSOCIATE response, reject (local)."""
    EVT9 = "Evt9"
    """P-DATA request (local)."""
    EVT10 = "Evt10"
    """P-DATA-TF received."""
    EVT11 = "Evt11"
    """A-RELEASE request (local)."""
    EVT12 = "Evt12"
    """A-RELEASE-RQ received."""
    EVT13 = "Evt13"
    """A-RELEASE-RP received."""
    EVT14 = "Evt14"
    """A-RELEASE response (local)."""
    EVT15 = "Evt15"
    """A-ABORT request (local)."""
    EVT16 = "Evt16"
    """A-ABORT received."""
    EVT17 = "Evt17"
    """Transport connection closed."""
    EVT18 = "Evt18"
    """ARTIM timer expired."""
    EVT19 = "Evt19"
    """Unrecognized or invalid PDU received."""


class Action(StrEnum):
    """What the upper layer does. Source: PS3.8 Tables 9-6 to 9-9."""

    AE1 = "AE-1"
    AE2 = "AE-2"
    AE3 = "AE-3"
    AE4 = "AE-4"
    AE5 = "AE-5"
    AE6 = "AE-6"
    AE7 = "AE-7"
    AE8 = "AE-8"
    DT1 = "DT-1"
    DT2 = "DT-2"
    AR1 = "AR-1"
    AR2 = "AR-2"
    AR3 = "AR-3"
    AR4 = "AR-4"
    AR5 = "AR-5"
    AR6 = "AR-6"
    AR7 = "AR-7"
    AR8 = "AR-8"
    AR9 = "AR-9"
    AR10 = "AR-10"
    AA1 = "AA-1"
    AA2 = "AA-2"
    AA3 = "AA-3"
    AA4 = "AA-4"
    AA5 = "AA-5"
    AA6 = "AA-6"
    AA7 = "AA-7"
    AA8 = "AA-8"


_COLUMNS: Final = tuple(State)

# One line an event, one column a state, Sta1 first; a dot is a cell that the standard leaves empty.
_ROWS: Final = """
Evt1   AE-1 .    .    .    .    .    .    .    .    .     .    .    .
Evt2   .    .    .    AE-2 .    .    .    .    .    .     .    .    .
Evt3   .    AA-1 AA-8 .    AE-3 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt4   .    AA-1 AA-8 .    AE-4 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt5   AE-5 .    .    .    .    .    .    .    .    .     .    .    .
Evt6   .    AE-6 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
Evt7   .    .    AE-7 .    .    .    .    .    .    .     .    .    .
Evt8   .    .    AE-8 .    .    .    .    .    .    .     .    .    .
Evt9   .    .    .    .    .    DT-1 .    AR-7 .    .     .    .    .
Evt10  .    AA-1 AA-8 .    AA-8 DT-2 AR-6 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt11  .    .    .    .    .    AR-1 .    .    .    .     .    .    .
Evt12  .    AA-1 AA-8 .    AA-8 AR-2 AR-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt13  .    AA-1 AA-8 .    AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3 AA-8 AA-6
Evt14  .    .    .    .    .    .    .    AR-4 AR-9 .     .    AR-4 .
Evt15  .    .    AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1  AA-1 AA-1 .
Evt16  .    AA-2 AA-3 .    AA-3 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3 AA-3 AA-2
Evt17  .    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4 AA-4 AR-5
Evt18  .    AA-2 .    .    .    .    .    .    .    .     .    .    AA-2
Evt19  .    AA-1 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
"""


def _read_rows() -> dict[tuple[State, Event], Action]:
    cells = {}
    for line in _ROWS.split("\n"):
        if not line:
            continue
        event, *actions = line.split()
        for state, action in zip(_COLUMNS, actions, strict=True):
            if action != ".":
                cells[state, Event(event)] = Action(action)
    return cells


ACTIONS: Final = _read_rows()
"""What to do in a state when an event happens. A pair without a cell cannot happen, or is our own mistake."""
