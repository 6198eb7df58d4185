"""Corrected instances: written from the originals, kept like anything that arrives, and in force from then on."""

import hashlib
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

from safelight.catalog.rows import VersionRow
from safelight.core.instance import Arrival, ByteSource, MemorySource, Receipt, Way
from safelight.journal.kinds import FactKind
from safelight.reconciliation.facts import Decided, Identity
from safelight.site.opened import Site
from safelight.wire.dicom.correction import Correction, corrected
from safelight.wire.dicom.dataset import scan_head

CORRECTED: Final = "reconciliation"
"""Stands in place of the sender's host, by which originals are told from what was made of them."""
Told = tuple[str, dict[str, Any]]


def identity_attributes(identity: Identity) -> dict[str, str]:
    """Return what the attributes of a corrected instance say, by keyword; what the identity does not tell stays."""
    patient = identity.patient
    told = {
        "PatientID": patient.patient_id.text,
        "IssuerOfPatientID": patient.issuer,
        "PatientName": patient.name.text,
        "PatientBirthDate": patient.birth_date,
        "PatientSex": patient.sex,
        "AccessionNumber": identity.accession,
    }
    return {name: value for name, value in told.items() if value}


def correction_of(site: Site, decided: Decided, uids: dict[str, str] | None = None) -> Correction:
    """Return what a decision changes in instances; the same decision always changes the same."""
    assert decided.identity is not None, "whoever corrects knows whose it is"
    identity = decided.identity
    request = {"RequestedProcedureID": identity.requested_procedure} if identity.requested_procedure else {}
    return Correction(identity_attributes(identity), decided.at, f"SAFELIGHT {site.node[:16]}", uids or {}, request)


def correct_study(site: Site, study: str, decided: Decided) -> dict[str, Any]:
    """Put the decision's identity into every instance of a study; their UIDs stay, and both versions are kept."""
    correction = correction_of(site, decided)
    pairs: list[tuple[VersionRow, bytes]] = []
    with OwnArrivals(site) as own:
        for version, source in originals(site, study):
            pairs.append((version, own.take(corrected(source, version.transfer_syntax, correction), version)))
    site.records.record_all([_chosen(version.sop_instance, digest) for version, digest in pairs])
    return {"instances": [[one.sop_instance, one.digest.hex(), digest.hex()] for one, digest in pairs]}


def originals_in_force(site: Site, study: str) -> list[Told]:
    """Return the facts by which a study's originals count again, where corrected versions did."""
    current = {one.sop_instance: one.digest for one in site.catalog.instances(study)}
    return [
        _chosen(version.sop_instance, version.digest)
        for version, _ in originals(site, study)
        if current.get(version.sop_instance) != version.digest
    ]


def originals(site: Site, study: str) -> Iterator[tuple[VersionRow, ByteSource]]:
    """Give the instances of a study as they were received, each with its data set."""
    catalog, holdings = site.catalog, site.holdings
    landed = {row.version.digest: row for row in catalog.landed(study, waiting_only=False)}
    current = {one.digest for one in catalog.instances(study)}
    rejected = {one.sop_instance for one in catalog.rejections(study)}
    received: dict[str, VersionRow] = {}
    for version in catalog.versions(study):
        is_ours, is_current = version.sender == CORRECTED, version.digest in current
        if (
            not is_ours
            and version.sop_instance not in rejected
            and (is_current or version.sop_instance not in received)
        ):
            received[version.sop_instance] = version
    for version in received.values():
        yield version, holdings.data_set(landed.get(version.digest) or holdings.holding_of(version.digest))


class OwnArrivals:
    """The way of instances that we wrote ourselves into the landing log; on leaving they are durable and findable."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._writer = site.landing.writer()
        self._arrived: list[Arrival] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._writer.sync()
                self._site.catalog.record_landed(self._arrived)
        finally:
            self._writer.close()

    def take(self, data: bytes, like: VersionRow) -> bytes:
        """Take an instance in, unless it is known, and return its digest."""
        return self.take_new(data, like.transfer_syntax)

    def take_new(self, data: bytes, transfer_syntax: str) -> bytes:
        """Take an instance of this transfer syntax in, unless it is known, and return its digest."""
        digest = hashlib.sha256(data).digest()
        if self._site.catalog.known([digest]):
            return digest
        self._writer.begin()
        rest = memoryview(data)
        while rest:
            room = self._writer.room()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            self._writer.filled(count)
            rest = rest[count:]
        title = self._site.settings.dicom.ae_title.text
        receipt = Receipt(self._site.clock.now(), Way.STORE, title, title, CORRECTED)
        self._arrived.append(self._writer.finish(scan_head(MemorySource(data), transfer_syntax), receipt))
        return digest


def _chosen(instance: str, digest: bytes) -> Told:
    return FactKind.VERSION_CHOSEN.value, {"sop_instance": instance, "digest": digest.hex()}
