"""A closer look at some arrivals: rejection notes, and instances that came again with other content."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from safelight.catalog.rows import Standing
from safelight.core.instance import Arrival, ByteSource, Head, Holding
from safelight.journal.kinds import FactKind
from safelight.protection.ransomware import Observed, SignSettings, ransomware_signs
from safelight.site.arrivals import KEY_OBJECT_SELECTION
from safelight.site.holdings import Holdings, NotHeld
from safelight.site.records import Records
from safelight.wire.dicom.elements import BadDataSet

CONFLICT = "protection.version-conflict"
DATA_SET_BYTES_MAX = 2**28
CHANGES_WITHIN: Final = timedelta(days=1)
SENDERS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class _Changes:
    """How much one sender has changed since a moment."""

    since: datetime
    landed: int
    """Of all senders, before."""
    conflicts: int = 0
    told: bool = False


class FollowUp:
    """Notes what an arrival means for other instances."""

    def __init__(self, records: Records, holdings: Holdings) -> None:
        self._records = records
        self._holdings = holdings
        self._changes: dict[str, _Changes] = {}

    def __call__(self, arrival: Arrival, standing: Standing) -> None:
        """Look at one arrival that was recorded."""
        if standing is not Standing.KNOWN:
            self.note_rejection(self._landed(arrival), arrival.head)
        if standing is Standing.CONFLICT:
            self._judge(arrival.head, arrival.digest, self._landed(arrival), arrival.receipt.calling)

    def after_packing(self, holdings: Sequence[Holding]) -> None:
        """Look at instances that were packed straight from files: rejection notes, and versions in conflict."""
        known = [holding for holding in holdings if not holding.wrapper.opaque]
        disputed = self._records.catalog.disputed(holding.head.sop_instance for holding in known)
        for holding in known:
            is_disputed = holding.head.sop_instance in disputed
            if not is_disputed and holding.head.sop_class != KEY_OBJECT_SELECTION:
                continue
            data_set = self._holdings.data_set(self._holdings.holding_of(holding.digest))
            if holding.head.sop_class == KEY_OBJECT_SELECTION:
                self.note_rejection(data_set, holding.head)
            if is_disputed:
                self._judge(holding.head, holding.digest, data_set, holding.receipt.sender)

    def note_rejection(self, data_set: ByteSource, head: Head) -> None:
        """Record what a rejection note withdraws. Source: IHE IOCM."""
        # Imported here: few arrivals are rejection notes, and a DICOM library takes time to load.
        from safelight.wire.dicom.rejection import read_rejection

        try:
            rejection = read_rejection(data_set, head.transfer_syntax)
        except BadDataSet:
            return
        if rejection is None:
            return
        by_study: dict[str, list[str]] = {}
        for one in rejection.instances:
            by_study.setdefault(one.study, []).append(one.sop_instance)
        for study, instances in by_study.items():
            self._records.record(
                FactKind.REJECTION_NOTED,
                {
                    "note": head.sop_instance,
                    "study": study,
                    "reason": rejection.code,
                    "instances": sorted(instances),
                },
            )

    def _judge(self, head: Head, digest: bytes, data_set: ByteSource, sender: str) -> None:
        """Tell whether other bytes under a known UID are the same instance in another encoding."""
        # Imported here: few arrivals are in conflict, and the comparison loads codecs.
        from safelight.wire.dicom.comparison import Level, StoredInstance, compare

        for version in self._records.catalog.versions(instance=head.sop_instance):
            if version.digest == digest:
                continue
            try:
                before = self._data_set_of(version.digest, version.study)
            except NotHeld:
                continue
            if max(before.size, data_set.size) <= DATA_SET_BYTES_MAX:
                known = StoredInstance(before, version.transfer_syntax)
                comparison = compare(known, StoredInstance(data_set, head.transfer_syntax))
                if comparison.level >= Level.ATTRIBUTES:
                    return
        facts = {"instance": head.sop_instance, "digest": digest.hex(), "sender": sender}
        at = self._records.record(FactKind.VERSION_CONFLICT, facts).at
        if not self._is_mass_change(sender, at):
            # Of a mass each is a fact; a finding about each would bury what matters.
            self._records.open_finding(CONFLICT, head.sop_instance, "serious", digest=digest.hex())

    def _is_mass_change(self, sender: str, at: datetime) -> bool:
        """Count a change of content; tell when a sender changes so many that it looks like ransomware."""
        landed = self._records.catalog.tally().instances_landed
        before = self._changes.get(sender)
        if before is None or at - before.since > CHANGES_WITHIN:
            if len(self._changes) >= SENDERS_MAX:
                self._changes.clear()
            before = _Changes(at, landed)
        now = replace(before, conflicts=before.conflicts + 1)
        if not now.told:
            seen = Observed(sender, arrived=landed - now.landed, conflicts=now.conflicts)
            for sign in ransomware_signs([seen], SignSettings()):
                self._records.open_finding(str(sign.code), sign.subject, "critical", **dict(sign.facts))
                now = replace(now, told=True)
        self._changes[sender] = now
        return now.told

    def _landed(self, arrival: Arrival) -> ByteSource:
        return self._holdings.landed_data_set(arrival.place, arrival.wrapper.prefix_size, arrival.digest)

    def _data_set_of(self, digest: bytes, study: str) -> ByteSource:
        for row in self._records.catalog.landed(study, waiting_only=False):
            if row.version.digest == digest:
                return self._holdings.data_set(row)
        return self._holdings.data_set(self._holdings.holding_of(digest))
