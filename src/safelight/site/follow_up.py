"""A closer look at some arrivals: rejection notes, and instances that came again with other content."""

from safelight.catalog.rows import Standing
from safelight.core.instance import Arrival, ByteSource
from safelight.journal.kinds import FactKind
from safelight.site.holdings import Holdings, NotHeld
from safelight.site.records import Records
from safelight.vault.landing import Landing
from safelight.wire.dicom.comparison import Level, StoredInstance, compare
from safelight.wire.dicom.rejection import read_rejection

CONFLICT = "protection.version-conflict"
DATA_SET_BYTES_MAX = 2**28


class FollowUp:
    """Notes what an arrival means for other instances."""

    def __init__(self, records: Records, holdings: Holdings, landing: Landing) -> None:
        self._records = records
        self._holdings = holdings
        self._landing = landing

    def __call__(self, arrival: Arrival, standing: Standing) -> None:
        """Look at one arrival that was recorded."""
        if standing is not Standing.KNOWN:
            self.note_rejection(self._landed(arrival), arrival)
        if standing is Standing.CONFLICT:
            self.judge_version(arrival)

    def note_rejection(self, data_set: ByteSource, arrival: Arrival) -> None:
        """Record what a rejection note withdraws. Source: IHE IOCM."""
        rejection = read_rejection(data_set, arrival.head.transfer_syntax)
        if rejection is None:
            return
        by_study: dict[str, list[str]] = {}
        for one in rejection.instances:
            by_study.setdefault(one.study, []).append(one.sop_instance)
        for study, instances in by_study.items():
            self._records.record(
                FactKind.REJECTION_NOTED,
                {
                    "note": arrival.head.sop_instance,
                    "study": study,
                    "reason": rejection.code,
                    "instances": sorted(instances),
                },
            )

    def judge_version(self, arrival: Arrival) -> None:
        """Tell whether other bytes under a known UID are the same instance in another encoding."""
        instance = arrival.head.sop_instance
        for version in self._records.catalog.versions(instance=instance):
            if version.digest == arrival.digest:
                continue
            try:
                ours = self._data_set_of(version.digest, version.study)
            except NotHeld:
                continue
            first = StoredInstance(ours, version.transfer_syntax)
            second = StoredInstance(self._landed(arrival), arrival.head.transfer_syntax)
            if max(ours.size, second.source.size) <= DATA_SET_BYTES_MAX:
                comparison = compare(first, second)
                if comparison.level >= Level.ATTRIBUTES:
                    return
        self._records.record(
            FactKind.VERSION_CONFLICT,
            {"instance": instance, "digest": arrival.digest.hex(), "sender": arrival.receipt.calling},
        )
        self._records.open_finding(CONFLICT, instance, "serious", digest=arrival.digest.hex())

    def _landed(self, arrival: Arrival) -> ByteSource:
        return self._landing.read(arrival.place)

    def _data_set_of(self, digest: bytes, study: str) -> ByteSource:
        for row in self._records.catalog.landed(study, waiting_only=False):
            if row.version.digest == digest:
                return self._holdings.data_set(row)
        return self._holdings.data_set(self._holdings.holding_of(digest))
