"""Corrected instances: written from the originals, kept like anything that arrives, and in force from then on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from safelight.catalog.rows import VersionRow
from safelight.core.instance import Arrival, ByteSource, MemorySource, Receipt, Way
from safelight.core.names import Peer
from safelight.journal.kinds import FactKind
from safelight.protection.seed_bytes import digest_of
from safelight.reconciliation.facts import Decided, Identity, Verdict
from safelight.site.opened import Site
from safelight.site.scheduled_steps import name_based_uid
from safelight.wire.dicom.correction import Correction, corrected, mentions
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.rejection import KEY_OBJECT_SELECTION, RejectedInstance
from safelight.wire.dicom.rejection_note import RejectionNote, write_rejection_note
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN

CORRECTED: Final = "reconciliation"
"""Stands in place of the sender's host, by which originals are told from what was made of them."""
OF_ANOTHER_PERSON: Final = (
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientInsurancePlanCodeSequence",
    "IssuerOfPatientIDQualifiersSequence",
    "MedicalRecordLocator",
    "MilitaryRank",
    "EthnicGroup",
    "Occupation",
    "PatientReligiousPreference",
    "AdditionalPatientHistory",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
)
"""What a wrong worklist entry brought of a person, and the decision does not tell of the right one."""
WRONG_ENTRY: Final = "113038"
REASONS: Final = {Verdict.REPLACED_FOR_SAFETY: "113037", Verdict.OURS: "113001"}
"""What else a rejection note says; of other content under the same UID, that its quality cannot be vouched for."""
PAIRS_A_FACT: Final = 1000
Told = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: what is told of it, and the facts by which it comes into force when it is recorded."""

    told: Mapping[str, Any]
    facts: Sequence[Told] = ()


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
    told = {"RequestedProcedureID": identity.requested_procedure, "AccessionNumber": identity.accession}
    request = {name: value for name, value in told.items() if value}
    removed = OF_ANOTHER_PERSON if uids else ()
    system = f"SAFELIGHT {site.node[:16]}"
    return Correction(identity_attributes(identity), decided.at, system, uids or {}, request, removed)


def correct_study(site: Site, study: str, decided: Decided) -> Outcome:
    """Put the decision's identity into every instance of a study; their UIDs stay, and both versions are kept."""
    correction, opened = correction_of(site, decided), _opener(site, study)
    pairs: list[tuple[VersionRow, bytes]] = []
    with OwnArrivals(site) as own:
        for version in originals(site, study):
            digest = own.take(corrected(opened(version), version.transfer_syntax, correction), version.transfer_syntax)
            pairs.append((version, digest))
    told = {"instances": [[one.sop_instance, one.digest.hex(), digest.hex()] for one, digest in pairs]}
    return Outcome(told, [chosen(version.sop_instance, digest) for version, digest in pairs])


def replace_study(site: Site, study: str, decided: Decided) -> Outcome:
    """Write corrected instances of a study under new UIDs, and a note that rejects those it has.

    The new UIDs follow from the decision and the old ones. A study belongs to one patient: for another one the copies
    get a study of their own, the order's where it has one.
    """
    name = _note_uid(site, study, decided)
    found = originals(site, study, name)
    # Copies of a replacement that was cut off lie in the same study where its patient is the same: no originals of it.
    made = {_uid(site, decided, version.sop_instance) for version in found}
    opened = _opener(site, study)
    going = _that_go(decided, [one for one in found if one.sop_instance not in made], opened)
    uids = _new_uids(site, study, going, decided)
    correction = correction_of(site, decided, uids)
    rows: list[list[str]] = []
    with OwnArrivals(site) as own:
        for version in going:
            digest = own.take(corrected(opened(version), version.transfer_syntax, correction), version.transfer_syntax)
            rows.append([version.sop_instance, version.digest.hex(), uids[version.sop_instance], digest.hex()])
        note = _note(site, study, name, going, decided)
        own.take(MemorySource(write_rejection_note(note, _study_attributes(site, study))), EXPLICIT_LITTLE_ENDIAN)
    pieces = [rows[place : place + PAIRS_A_FACT] for place in range(0, len(rows), PAIRS_A_FACT)]
    noted = {
        "note": note.sop_instance,
        "study": study,
        "reason": note.code,
        "instances": sorted(row[0] for row in rows),
    }
    return Outcome(
        {"studies": {study: uids.get(study, study)}, "instances": len(rows), "note": note.sop_instance},
        [
            *(
                (FactKind.RECONCILIATION_REPLACED.value, {"decision": decided.number, "instances": one})
                for one in pieces
            ),
            (FactKind.REJECTION_NOTED.value, noted),
        ],
    )


def _that_go(
    decided: Decided, versions: list[VersionRow], opened: Callable[[VersionRow], ByteSource]
) -> list[VersionRow]:
    """Return what a decision replaces: everything; or the instances that it names, and whatever refers to them."""
    if not decided.instances:
        return versions
    names = frozenset(decided.instances)
    # What mentions a UID that only begins alike is replaced too, which is harmless.
    return [
        one
        for one in versions
        if one.sop_instance in names or mentions(opened(one), one.transfer_syntax, decided.instances)
    ]


def is_replacement_written(site: Site, decided: Decided) -> bool:
    """Say whether the note of a decision that replaces is in the vault, also where a crash kept it unrecorded."""
    note = _note_uid(site, decided.subject, decided)
    return any(one.sop_instance == note for one in site.catalog.versions(decided.subject))


def _new_uids(site: Site, study: str, versions: Sequence[VersionRow], decided: Decided) -> dict[str, str]:
    assert decided.identity is not None, "whoever replaces knows whose it is"
    row = site.catalog.study(study)
    names = {one.sop_instance for one in versions}
    if not decided.instances:
        names |= {one.series for one in versions}
    uids = {old: _uid(site, decided, old) for old in names}
    if row is not None and row.patient_id != decided.identity.patient.patient_id:
        ordered = decided.identity.study
        uids[study] = ordered if ordered not in ("", study) else _uid(site, decided, study)
    return uids


def _note_uid(site: Site, study: str, decided: Decided) -> str:
    return _uid(site, decided, f"note {study}")


def _uid(site: Site, decided: Decided, old: str) -> str:
    return name_based_uid(site.node, f"{decided.number}\\{old}")


def _note(site: Site, study: str, name: str, versions: Sequence[VersionRow], decided: Decided) -> RejectionNote:
    rejected = [RejectedInstance(study, one.series, one.sop_class, one.sop_instance) for one in versions]
    series = _uid(site, decided, f"series of the note {study}")
    return RejectionNote(
        REASONS.get(decided.verdict, WRONG_ENTRY), name, series, decided.at, tuple(rejected), decided.reason[:1024]
    )


def _study_attributes(site: Site, study: str) -> dict[str, str]:
    """Return what the note has in common with what it rejects: the identity that was wrong, too."""
    row = site.catalog.study(study)
    assert row is not None, "it is held"
    return {
        "StudyInstanceUID": study,
        "StudyDate": row.study_date,
        "StudyTime": row.study_time,
        "StudyID": row.study_id,
        "AccessionNumber": row.accession,
        "ReferringPhysicianName": row.referring.text,
        "PatientName": row.patient_name.text,
        "PatientID": row.patient_id.text,
        "IssuerOfPatientID": row.issuer,
        "PatientBirthDate": row.birth_date.text,
        "PatientSex": row.sex,
    }


def originals_in_force(site: Site, study: str) -> list[Told]:
    """Return the facts by which a study's originals count again, where corrected versions did."""
    current = {one.sop_instance: one.digest for one in site.catalog.instances(study)}
    return [
        chosen(version.sop_instance, version.digest)
        for version in originals(site, study)
        if current.get(version.sop_instance) != version.digest
    ]


def originals(site: Site, study: str, own_note: str = "") -> list[VersionRow]:
    """Return the instances of a study as they were received.

    What was rejected before is left out, unless by ``own_note``: a replacement that was cut off finds the same again.
    """
    catalog = site.catalog
    current = {one.digest for one in catalog.instances(study)}
    rejected = {one.sop_instance for one in catalog.rejections(study) if one.note != own_note}
    received: dict[str, VersionRow] = {}
    for version in catalog.versions(study):
        is_note = version.sop_class == KEY_OBJECT_SELECTION and version.sender == CORRECTED
        if version.sop_instance in rejected or is_note:
            continue
        known = received.get(version.sop_instance)
        # What came from elsewhere counts, whatever was made of it here; of several the current one.
        rank = (version.sender != CORRECTED, version.digest in current)
        if known is None or rank > (known.sender != CORRECTED, known.digest in current):
            received[version.sop_instance] = version
    return list(received.values())


def _opener(site: Site, study: str) -> Callable[[VersionRow], ByteSource]:
    """Return what opens the data sets of a study one by one: all of them at once may be more than memory holds."""
    holdings = site.holdings
    landed = {row.version.digest: row for row in site.catalog.landed(study, waiting_only=False)}
    return lambda version: holdings.data_set(landed.get(version.digest) or holdings.holding_of(version.digest))


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

    def take(self, data: ByteSource, transfer_syntax: str, received: Peer | None = None) -> bytes:
        """Take an instance in, unless it is known, and return its digest; where it was ``received``, from whom."""
        digest = digest_of(data, 0)
        if self._site.catalog.known([digest]):
            return digest
        self._writer.begin()
        offset = 0
        while offset < data.size:
            room = self._writer.room()
            count = min(len(room), data.size - offset)
            room[:count] = data.read(offset, count)
            self._writer.filled(count)
            offset += count
        title = self._site.settings.dicom.ae_title.text
        calling, sender = (title, CORRECTED) if received is None else (received.title.text, received.host)
        receipt = Receipt(self._site.clock.now(), Way.STORE, calling, title, sender)
        self._arrived.append(self._writer.finish(scan_head(data, transfer_syntax), receipt))
        return digest


def chosen(instance: str, digest: bytes) -> Told:
    """Return the fact by which one version of an instance comes into force."""
    return FactKind.VERSION_CHOSEN.value, {"sop_instance": instance, "digest": digest.hex()}
