"""A PACS asked over DICOM: echo, queries, retrieves. Implements protection's port on the gateway's client."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from pydicom.dataset import Dataset

from safelight.core.clock import SystemClock
from safelight.core.names import AETitle, Peer, Personal
from safelight.gateway.dicom.client import ClientAssociation, PeerUnreachable, connect
from safelight.gateway.dicom.contexts import CONTEXTS_MAX, VERIFICATION_PROPOSAL, ContextProposal, service_proposal
from safelight.gateway.dicom.ports import AssociationFacts, Intake, IntakeSession
from safelight.gateway.dicom.retrieval import QueryFailed
from safelight.protection.source import (
    InstanceClaim,
    RetrieveOutcome,
    RetrieveWay,
    SeriesClaim,
    SourceUnreachable,
    StudyClaim,
    StudyQuery,
    StudyRows,
)
from safelight.site.settings import Settings
from safelight.wire.dicom.faults import AssociationRefused
from safelight.wire.dicom.uids import STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE

OUT_OF_RESOURCES: Final = "A700"
SYNTAXES: Final = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.103",
)
"""Transfer syntaxes to offer for what a source sends over C-GET, the commonest first; each in a context of its own."""
USUAL_CLASSES: Final = tuple(
    f"1.2.840.10008.5.1.4.1.1.{ending}"
    for ending in (
        "2", "2.1", "4", "4.1", "1", "1.1", "1.1.1", "1.2", "1.3", "6.1", "3.1", "7", "7.1", "7.2", "7.3", "7.4",
        "88.11", "88.22", "88.33", "88.59", "88.67", "11.1", "104.1", "12.1", "12.2", "20", "128", "66", "66.4",
        "481.1", "481.2", "481.3", "481.5", "13.1.3", "77.1.4",
    )
)  # fmt: skip
"""Where a source does not tell the SOP classes of its instances."""


def echo_peer(settings: Settings, peer: Peer) -> dict[str, Any]:
    """Ask a peer for a C-ECHO and say how long it took and what the peer is.

    Raises:
        PeerError: it does not answer.
    """
    clock = SystemClock()
    began = clock.elapsed()
    with connect(peer, settings.dicom.ae_title, [VERIFICATION_PROPOSAL]) as association:
        status = association.echo()
        told = association.peer_information
    return {
        "seconds": (clock.elapsed() - began) / timedelta(seconds=1),
        "status": str(status),
        "implementation_class": told.implementation_class,
        "implementation_version": told.implementation_version,
    }


class DicomSource:
    """A source archive over C-FIND and C-GET or C-MOVE. Used by several threads; each question has its association."""

    def __init__(self, peer: Peer, calling: AETitle, intake: Intake, settled: Callable[[], None]) -> None:
        self._peer = peer
        self._calling = calling
        self._intake = intake
        self._settled = settled

    @property
    def name(self) -> str:
        """Under what name the source stands in settings and facts."""
        return str(self._peer)

    def find_studies(self, query: StudyQuery) -> StudyRows:
        """Ask for studies; rows that came before the source stopped are kept and said to be cut short."""
        asked = identifier("STUDY")
        asked.StudyDate = query.date_text
        asked.StudyTime = query.time_text
        asked.PatientID = query.patient or ""
        asked.ModalitiesInStudy = query.modality or ""
        for keyword in ("StudyInstanceUID", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"):
            setattr(asked, keyword, None if keyword.startswith("Number") else "")
        rows: list[StudyClaim] = []
        try:
            with self._open([service_proposal(STUDY_ROOT_FIND)]) as association:
                for match in association.find(STUDY_ROOT_FIND, asked):
                    rows.append(_study_claim(match))
        except QueryFailed as error:
            if OUT_OF_RESOURCES not in str(error.facts.get("status", "")).upper():
                raise
            return StudyRows(tuple(rows), truncated=True)
        return StudyRows(tuple(rows))

    def find_series(self, study: str) -> Sequence[SeriesClaim]:
        """Ask for the series of a study."""
        asked = identifier("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality="")
        asked.NumberOfSeriesRelatedInstances = None
        return [
            SeriesClaim(
                str(match.get("SeriesInstanceUID", "")),
                str(match.get("Modality", "") or ""),
                _count(match, "NumberOfSeriesRelatedInstances"),
            )
            for match in self._find(asked)
        ]

    def find_instances(self, study: str, series: str) -> Sequence[InstanceClaim]:
        """Ask for the instances of a series."""
        asked = identifier("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID="", SOPClassUID="")
        return [
            InstanceClaim(str(match.get("SOPInstanceUID", "")), str(match.get("SOPClassUID", "") or ""))
            for match in self._find(asked)
        ]

    def retrieve(self, study: str, series: str | None, way: RetrieveWay) -> RetrieveOutcome:
        """Have a study or series sent to us; return when the source says that it is done."""
        outcome = self._get(study, series) if way is RetrieveWay.GET else self._move(study, series)
        # What came is durable; it must be findable before it is counted.
        self._settled()
        return outcome

    def _get(self, study: str, series: str | None) -> RetrieveOutcome:
        chosen = [series] if series else [one.series for one in self.find_series(study)]
        classes = {one: self._classes(study, one) for one in chosen}
        together = sorted(set().union(*classes.values())) if classes else []
        if series is None and len(together) * len(SYNTAXES) < CONTEXTS_MAX:
            return self._get_once(identifier("STUDY", StudyInstanceUID=study), together)
        outcomes = [
            self._get_once(identifier("SERIES", StudyInstanceUID=study, SeriesInstanceUID=one), classes[one])
            for one in chosen
        ]
        return RetrieveOutcome(
            accepted=all(one.accepted for one in outcomes),
            completed=sum(one.completed for one in outcomes),
            failed=sum(one.failed for one in outcomes),
            warning=sum(one.warning for one in outcomes),
            status=max((one.status for one in outcomes), default=0),
        )

    def _classes(self, study: str, series: str) -> list[str]:
        told = {one.sop_class for one in self.find_instances(study, series) if one.sop_class}
        return sorted(told) or list(USUAL_CLASSES)

    def _get_once(self, asked: Dataset, classes: Iterable[str]) -> RetrieveOutcome:
        with self._open([service_proposal(STUDY_ROOT_GET), *storage_proposals(classes)]) as association:
            facts = AssociationFacts(
                self._peer.title,
                self._calling,
                self._peer.host,
                association.peer_information.implementation_class,
                association.peer_information.implementation_version,
            )

            def session() -> IntakeSession:
                return self._intake.open(facts)

            told = association.get(STUDY_ROOT_GET, asked, session)
        return RetrieveOutcome(
            told.status.is_success or told.status.is_warning,
            told.counts.completed,
            told.counts.failed,
            told.counts.warning,
            told.status.code,
        )

    def _move(self, study: str, series: str | None) -> RetrieveOutcome:
        asked = identifier("SERIES" if series else "STUDY", StudyInstanceUID=study)
        if series:
            asked.SeriesInstanceUID = series
        with self._open([service_proposal(STUDY_ROOT_MOVE)]) as association:
            told = association.move(STUDY_ROOT_MOVE, asked, self._calling)
        return RetrieveOutcome(
            told.status.is_success or told.status.is_warning,
            told.counts.completed,
            told.counts.failed,
            told.counts.warning,
            told.status.code,
        )

    def _find(self, asked: Dataset) -> list[Dataset]:
        with self._open([service_proposal(STUDY_ROOT_FIND)]) as association:
            return list(association.find(STUDY_ROOT_FIND, asked))

    def _open(self, contexts: Sequence[ContextProposal]) -> ClientAssociation:
        try:
            return connect(self._peer, self._calling, contexts)
        except (PeerUnreachable, AssociationRefused) as error:
            raise SourceUnreachable(source=self.name, error=error.code) from error


def storage_proposals(classes: Iterable[str], room: int = CONTEXTS_MAX - 1) -> list[ContextProposal]:
    """Offer to be SCP of these classes, each transfer syntax in a context of its own, as many as there is room for."""
    listed = list(dict.fromkeys(classes))
    each = max(1, room // max(len(listed), 1))
    # With little room the rest of the syntaxes share the last context of a class.
    proposals = []
    for sop_class in listed[:room]:
        alone, shared = SYNTAXES[: each - 1], SYNTAXES[each - 1 :]
        proposals += [ContextProposal(sop_class, (syntax,), as_scp=True) for syntax in alone]
        if shared:
            proposals.append(ContextProposal(sop_class, shared, as_scp=True))
    return proposals[:room]


def identifier(level: str, **values: str) -> Dataset:
    """Return the identifier of a query or retrieve at a level, with these keys."""
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(asked, keyword, value)
    return asked


def _study_claim(match: Dataset) -> StudyClaim:
    modalities = match.get("ModalitiesInStudy") or ()
    listed = (modalities,) if isinstance(modalities, str) else tuple(modalities)
    return StudyClaim(
        study=str(match.get("StudyInstanceUID", "")),
        date_text=str(match.get("StudyDate", "") or ""),
        time_text=str(match.get("StudyTime", "") or ""),
        patient=Personal(str(match.get("PatientID", "") or "")),
        modalities=tuple(str(one) for one in listed),
        series_count=_count(match, "NumberOfStudyRelatedSeries"),
        instance_count=_count(match, "NumberOfStudyRelatedInstances"),
    )


def _count(match: Dataset, keyword: str) -> int | None:
    value = match.get(keyword)
    try:
        return None if value in (None, "") else int(value)
    except (TypeError, ValueError):
        return None
