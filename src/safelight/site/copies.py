"""Copies: every pack in every placement, read back, looked at again on schedule, and healed from a good one."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from safelight.catalog.rows import CopyState
from safelight.core.clock import Clock
from safelight.core.errors import IntegrityError, ResourceError, SafelightError
from safelight.journal.kinds import FactKind
from safelight.site.records import Records
from safelight.vault.placement import CopyMissing, Placement

JOURNAL: Final = "journal"
COPIED_AT_ONCE: Final = 200

DAMAGE: Final = "vault.copy-damaged"
UNREACHABLE: Final = "vault.placement-unreachable"
NO_SECOND: Final = "vault.no-second-placement"


@dataclass(frozen=True, slots=True)
class CopyCheck:
    """What a look at one copy found."""

    pack: str
    placement: str
    size_bytes: int
    fault: SafelightError | None
    healed: bool

    @property
    def whole(self) -> bool:
        """Whether the copy is good now."""
        return self.fault is None or self.healed


class Copies:
    """Makes, looks at and heals copies. May be called by several threads; harmless when repeated."""

    def __init__(
        self, records: Records, placements: Sequence[Placement], clock: Clock, failed: Callable[[BaseException], None]
    ) -> None:
        self._records = records
        self._placements = placements
        self._clock = clock
        self._failed = failed
        # Upkeep and a command may be after the same pack, and a placement has one draft for it.
        self._writing = threading.Lock()

    def complete(self) -> int:
        """Make the copies that are lacking anywhere; return how many were made."""
        made = 0
        for placement in self._placements:
            lacking = self._records.catalog.packs_not_in(placement.name, COPIED_AT_ONCE)
            made += self._copy_into(placement, [row.name for row in lacking])
        return made

    def prove(self, limit: int = COPIED_AT_ONCE) -> int:
        """Look at copies that nobody has read back yet, as after a rebuild; return how many."""
        looked = 0
        for placement in self._placements:
            for row in self._records.catalog.copies_in_state(placement.name, CopyState.WRITTEN, limit):
                self.check(placement, row.pack, heal=True)
                looked += 1
        return looked

    def check(self, placement: Placement, pack: str, *, heal: bool) -> CopyCheck:
        """Look at one copy; replace a bad one from a good one if asked."""
        try:
            size = placement.verify(pack)
        except (IntegrityError, ResourceError) as fault:
            self._note_fault(placement, pack, fault)
            with self._writing:
                healed = heal and self._heal(placement, pack, fault)
            return CopyCheck(pack, placement.name, 0, fault, healed)
        self._note_whole(placement, pack)
        return CopyCheck(pack, placement.name, size, None, healed=False)

    def _copy_into(self, placement: Placement, packs: Sequence[str]) -> int:
        made = 0
        for pack in packs:
            try:
                with self._writing:
                    copied = self._copy(placement, pack)
                if not copied:
                    continue
            except ResourceError as error:
                # Nothing more can be put there now; it is tried again with the next turn.
                self._failed(error)
                self._records.open_finding(UNREACHABLE, placement.name, "serious", error=error.code)
                return made
            made += 1
        if packs:
            self._records.close_finding(UNREACHABLE, placement.name, "copies are made there again")
        return made

    def _copy(self, placement: Placement, pack: str) -> bool:
        for other in self._placements:
            if other is placement:
                continue
            try:
                source = other.open(pack)
                placement.put(pack, source)
            except CopyMissing:
                continue
            except IntegrityError as error:
                self._note_fault(other, pack, error)
                continue
            self._note_whole(placement, pack)
            return True
        return False

    def _heal(self, placement: Placement, pack: str, fault: SafelightError) -> bool:
        for other in self._placements:
            if other is placement:
                continue
            try:
                other.verify(pack)
                if not isinstance(fault, CopyMissing):
                    placement.quarantine(pack)
                placement.put(pack, other.open(pack))
                placement.verify(pack)
            except (IntegrityError, ResourceError) as error:
                self._failed(error)
                continue
            self._records.record(FactKind.COPY_HEALED, {"pack": pack, "placement": placement.name, "from": other.name})
            self._records.close_finding(DAMAGE, f"{placement.name}/{pack}", "healed from a good copy")
            return True
        return False

    def _note_whole(self, placement: Placement, pack: str) -> None:
        # The bulk of good news stays out of the journal: it would grow with every look at what is held.
        self._records.catalog.record_copy(pack, placement.name, CopyState.VERIFIED, self._clock.now())
        self._records.close_finding(DAMAGE, f"{placement.name}/{pack}", "read back whole")

    def _note_fault(self, placement: Placement, pack: str, fault: SafelightError) -> None:
        missing = isinstance(fault, CopyMissing)
        kind = FactKind.COPY_MISSING if missing else FactKind.COPY_DAMAGED
        self._records.record(kind, {"pack": pack, "placement": placement.name, "error": fault.code})
        self._records.open_finding(DAMAGE, f"{placement.name}/{pack}", "critical", error=fault.code)
