"""The restored PACS, as a reconciliation asks it: which studies it has under which identity, and sending it more."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, ClassVar, Final, Self

from pydicom.dataset import Dataset

from safelight.core.clock import from_text, to_text
from safelight.core.errors import PeerError, UsageError
from safelight.core.names import Peer, Personal
from safelight.core.progress import Progress, Report
from safelight.gateway.dicom.client import ClientAssociation, PeerUnreachable, connect
from safelight.gateway.dicom.contexts import service_proposal
from safelight.gateway.dicom.retrieval import QueryFailed
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.reconciliation.sides import HeldStudy, Patient, TargetLook, TargetStudy
from safelight.recovery.facts import Level
from safelight.recovery.fetching import CLAIM_WAY, Seen, fetch_back
from safelight.recovery.pace import Pace
from safelight.recovery.ports import Comparison, HeldInstance, Version
from safelight.recovery.refill import judge_statuses
from safelight.site.opened import Site
from safelight.site.peers import find_peer
from safelight.site.reconciliation_window import is_between
from safelight.site.recovery_door import RecoveryDoor
from safelight.site.recovery_holdings import VaultHoldings, compare_versions
from safelight.site.refill_target import DicomTarget
from safelight.site.retrieval import identifier
from safelight.wire.dicom.faults import AssociationRefused
from safelight.wire.dicom.uids import STUDY_ROOT_FIND

LISTED: Final = "listed"
STUDIES_A_FACT: Final = 200
ASKED_KEYS: Final = (
    "StudyInstanceUID",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyDate",
    "StudyTime",
)


class NoTarget(UsageError):
    """Nobody said which PACS is compared with."""

    code: ClassVar[str] = "reconciliation.no-target"
    hint: ClassVar[str] = "Give --target AET@HOST:PORT or a named peer, or set [reconciliation] target."


class TargetAway(PeerError):
    """The PACS that is compared with cannot be reached."""

    code: ClassVar[str] = "reconciliation.target-away"
    hint: ClassVar[str] = "See that it runs and knows our AE title: safelight gateway echo. Nothing was changed."


class NotGivenBack(PeerError):
    """The PACS has instances with other content, and does not give them back now."""

    code: ClassVar[str] = "reconciliation.not-given-back"
    hint: ClassVar[str] = "See that it lets our AE title retrieve, then: safelight reconciliation send."


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of sending instances of a study."""

    stored: frozenset[str]
    level: str
    """The strongest level at which all of them came back equal; ``listed`` where the target only names them."""
    lacking: frozenset[str]
    """Instances that the target did not take, or does not give back, whatever it lists."""
    differing: frozenset[str] = frozenset()
    """Instances that came back with other content."""


def target_named(site: Site, text: str) -> Peer:
    """Return the PACS that is compared with.

    Raises:
        NoTarget: nobody named one.
    """
    named = text or site.settings.reconciliation.target
    if not named:
        raise NoTarget
    return find_peer(site.home.peers, named)


class TargetDesk:
    """Speaks to the target over DICOM, under the gateway's own title."""

    def __init__(self, site: Site, peer: Peer) -> None:
        self._site = site
        self.peer = peer
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        site = self._site
        door = self._stack.enter_context(RecoveryDoor(site.awaited, site.settings.dicom, site.clock))
        self._target = DicomTarget(self.peer, [site.settings.dicom.ae_title], site.home.run, door)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def look(
        self, studies: Sequence[HeldStudy], times: tuple[str, str], *, deep: bool, report: Report
    ) -> tuple[list[TargetStudy], list[str]]:
        """Ask for these studies, and for what else was made between two local times and is not held here.

        Returns:
            What it has, and the days of which it would not name every study.

        Raises:
            TargetAway: it cannot be reached.
        """
        others, cut_short = self._made_between(times)
        found = {one.study: one for one in others}
        with self._open() as association:
            for number, study in enumerate(studies, 1):
                if study.study not in found:
                    for match in self._find(association, {"StudyInstanceUID": study.study}):
                        found[study.study] = _study(match)
                theirs = found.get(study.study)
                if theirs is not None and theirs.instance_count != len(study.instances):
                    found[study.study] = self._named(association, theirs)
                report(Progress("compare", number, len(studies), "studies"))
        named = {study.study: study for study in studies}
        for name in found.keys() & named.keys() if deep else ():
            found[name] = self._compared(found[name], named[name])
        held = self._site.catalog.held_studies(found.keys() - named.keys())
        return [one for one in found.values() if one.study in named or one.study not in held], cut_short

    def _made_between(self, times: tuple[str, str]) -> tuple[list[TargetStudy], list[str]]:
        """Ask day by day: an archive that names no more than so many rows is then cut short on that day alone."""
        found: list[TargetStudy] = []
        cut_short: list[str] = []
        for day in days_between(times[0][:8], times[1][:8]):
            try:
                with self._open() as association:
                    matches = list(self._find(association, {"StudyDate": day}))
            except QueryFailed:
                cut_short.append(day)
                continue
            found += [_study(match) for match in matches if is_between(_started(match), times)]
        return found, cut_short

    def send(self, study: str, instances: frozenset[str]) -> Sent:
        """Send these instances of a study in the version in force, and fetch them back.

        Raises:
            TargetUnreachable: there was no association.
        """
        held = [one for one in VaultHoldings(self._site).instances(study, None) if one.sop_instance in instances]
        # A rejection note goes before what it rejects could be looked at.
        held.sort(key=lambda one: not one.is_rejection_note)
        lane = Pace(None, self._site.clock, lambda _: None).lane()
        outcome = judge_statuses(held, {one.sop_instance: one.status for one in self._target.send(study, held, lane)})
        stored = {one.sop_instance for one in held} - outcome.refused - outcome.failed
        seen, is_compared = self._fetched(study, [one for one in held if one.sop_instance in stored])
        level = min(seen.levels.values(), default=Level.NONE).name.lower() if is_compared else LISTED
        differing = _differing(seen) if is_compared else frozenset()
        return Sent(frozenset(stored), level, instances - seen.levels.keys(), differing)

    def _compared(self, theirs: TargetStudy, held: HeldStudy) -> TargetStudy:
        wanted = [
            one for one in VaultHoldings(self._site).instances(held.study, None) if one.sop_instance in held.instances
        ]
        seen, is_compared = self._fetched(held.study, wanted)
        if not is_compared:
            return theirs
        # What it lists and does not give back when it is asked for alone is not there.
        named = held.instances if theirs.instances is None else theirs.instances
        return replace(theirs, instances=named - frozenset(seen.missing()), differing=_differing(seen))

    def versions(self, study: str, instances: Collection[str], take: Callable[[Version], None]) -> None:
        """Fetch the target's versions of these instances; bytes live until ``take`` returns.

        Raises:
            NotGivenBack: it does not give back all of them.
        """
        held = VaultHoldings(self._site).instances(study, None)
        wanted = {one.sop_instance: one for one in held if one.sop_instance in instances}
        taken: set[str] = set()

        def compare_and_take(ours: Version, theirs: Version) -> Comparison:
            if theirs.sop_instance not in taken:
                take(theirs)
            taken.add(theirs.sop_instance)
            return compare_versions(ours, theirs)

        if wanted:
            fetch_back(self._target, study, Seen(wanted, compare_and_take), self._target.traits().ways)
        absent = set(instances) - taken
        if absent:
            raise NotGivenBack(study=study, instances=len(absent))

    def _fetched(self, study: str, wanted: Sequence[HeldInstance]) -> tuple[Seen, bool]:
        """Fetch instances back and compare them, each alone that did not come with the others.

        Where no way of fetching is open a query says which are there; then nothing was compared, and the second is
        false. A target that answers a retrieve and gives nothing has nothing, whatever it lists.
        """
        seen = Seen({one.sop_instance: one for one in wanted}, compare_versions)
        way = fetch_back(self._target, study, seen, self._target.traits().ways) if wanted else CLAIM_WAY
        return seen, way != CLAIM_WAY

    def _open(self) -> ClientAssociation:
        try:
            return connect(self.peer, self._site.settings.dicom.ae_title, [service_proposal(STUDY_ROOT_FIND)])
        except (PeerUnreachable, AssociationRefused) as error:
            raise TargetAway(target=str(self.peer), error=error.code) from error

    def _find(self, association: ClientAssociation, keys: Mapping[str, str]) -> Iterator[Dataset]:
        asked = identifier("STUDY", **{**dict.fromkeys(ASKED_KEYS, ""), **keys})
        asked.NumberOfStudyRelatedInstances = None
        yield from association.find(STUDY_ROOT_FIND, asked)

    def _named(self, association: ClientAssociation, theirs: TargetStudy) -> TargetStudy:
        named: set[str] = set()
        series = identifier("SERIES", StudyInstanceUID=theirs.study, SeriesInstanceUID="")
        for match in list(association.find(STUDY_ROOT_FIND, series)):
            asked = identifier(
                "IMAGE",
                StudyInstanceUID=theirs.study,
                SeriesInstanceUID=str(match.get("SeriesInstanceUID", "")),
                SOPInstanceUID="",
            )
            named |= {str(one.get("SOPInstanceUID", "")) for one in association.find(STUDY_ROOT_FIND, asked)}
        return TargetStudy(theirs.study, theirs.patient, theirs.accession, frozenset(named - {""}), len(named))


def _differing(seen: Seen) -> frozenset[str]:
    return frozenset(name for name, level in seen.levels.items() if level < Level.ATTRIBUTES)


def days_between(first: str, last: str) -> list[str]:
    """Return the days from one to another, as DICOM writes them."""
    begin, end = (date(int(text[:4]), int(text[4:6]), int(text[6:8])) for text in (first, last))
    return [f"{begin + timedelta(days=number):%Y%m%d}" for number in range((end - begin).days + 1)]


def record_look(site: Site, look: TargetLook) -> None:
    """Record what the target answered, in pieces; it counts from the last piece on."""
    studies = list(look.studies.values())
    pieces = [studies[place : place + STUDIES_A_FACT] for place in range(0, len(studies), STUDIES_A_FACT)] or [[]]
    facts = [
        (
            FactKind.RECONCILIATION_COMPARED,
            {
                "target": look.target,
                "at": to_text(look.at),
                "piece": number,
                "pieces": len(pieces),
                "cut_short": list(look.cut_short),
                "studies": [_body(one) for one in piece],
            },
        )
        for number, piece in enumerate(pieces, 1)
    ]
    site.records.record_all([(kind.value, body) for kind, body in facts])


def last_look(journal: Journal, target: str | None) -> TargetLook | None:
    """Return what the target answered when it was asked last."""
    pieces: dict[str, list[Mapping[str, Any]]] = {}
    last: tuple[Mapping[str, Any], list[Mapping[str, Any]]] | None = None
    for entry in journal.entries(kinds=[FactKind.RECONCILIATION_COMPARED]):
        told: Mapping[str, Any] = entry.facts
        if target is not None and told["target"] != target:
            continue
        listed = pieces.setdefault(str(told["at"]), [])
        listed += told["studies"]
        if told["piece"] == told["pieces"]:
            last = told, listed
            pieces.clear()
    if last is None:
        return None
    told, listed = last
    studies = {one.study: one for one in map(_from_body, listed)}
    return TargetLook(str(told["target"]), from_text(told["at"]), studies, tuple(told["cut_short"]))


def _started(match: Dataset) -> str:
    return str(match.get("StudyDate") or "") + str(match.get("StudyTime") or "")


def _study(match: Dataset) -> TargetStudy:
    def text(keyword: str) -> str:
        return str(match.get(keyword, "") or "")

    count = text("NumberOfStudyRelatedInstances")
    patient = Patient(
        Personal(text("PatientID")),
        text("IssuerOfPatientID"),
        Personal(text("PatientName")),
        text("PatientBirthDate"),
        text("PatientSex"),
    )
    return TargetStudy(
        text("StudyInstanceUID"),
        patient,
        text("AccessionNumber"),
        instance_count=int(count) if count.isdigit() else None,
    )


def _body(one: TargetStudy) -> dict[str, Any]:
    return {
        "study": one.study,
        **one.patient.to_body(),
        "accession": one.accession,
        "instances": None if one.instances is None else sorted(one.instances),
        "instance_count": one.instance_count,
        "differing": sorted(one.differing),
    }


def _from_body(body: Mapping[str, Any]) -> TargetStudy:
    names: Iterable[str] | None = body["instances"]
    return TargetStudy(
        body["study"],
        Patient.from_body(body),
        body["accession"],
        None if names is None else frozenset(names),
        body["instance_count"],
        frozenset(body["differing"]),
    )
