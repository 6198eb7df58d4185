"""Who may do what: roles, rights, and the one table that joins them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody is in the department."""

    VIEWER = "viewer"
    TECHNOLOGIST = "technologist"
    PACS_ADMINISTRATOR = "pacs-administrator"


class Right(StrEnum):
    """What somebody may do here."""

    LOOK = "look"
    """See the board: status, outages, exams, worklist."""
    FIND = "find"
    """Find studies and reports, and see images."""
    PREPARE = "prepare"
    """Numbers, labels, devices, advice."""
    EXAMINE = "examine"
    """Register exams and say what happens to them, reads and calls too."""
    DECLARE = "declare"
    """Say that something is away now: at night nobody waits for the administrator."""
    STORE = "store"
    """Store instances by STOW-RS."""
    CONCLUDE = "conclude"
    """Plan an outage, take one back, end and close it; reserve numbers."""
    PLAN = "plan"
    """See the recovery plan; sign it where the plan itself says that one's account does."""
    RECONCILE = "reconcile"
    """Decide after an outage which order an exam fulfils and whose it is, and have done what follows."""


RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.VIEWER: frozenset({Right.LOOK, Right.FIND, Right.PLAN}),
    Role.TECHNOLOGIST: frozenset(set(Right) - {Right.CONCLUDE, Right.RECONCILE}),
    Role.PACS_ADMINISTRATOR: frozenset(Right),
}
BOARD_RIGHTS: Final = frozenset({Right.LOOK})
"""What a screen on the wall may do, whoever logged it in."""
