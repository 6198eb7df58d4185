"""The archive that is refilled: sending to it, fetching back, and what a query claims."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from safelight.core.errors import PeerError
from safelight.core.instance import ByteSource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import Outgoing, connect
from safelight.gateway.dicom.contexts import VERIFICATION_PROPOSAL, contexts_for, service_proposal
from safelight.recovery.pace import Lane
from safelight.recovery.ports import Answer, HeldInstance, TargetSilent, TargetTraits, TargetUnreachable, Version
from safelight.site.recovery_door import RecoveryDoor
from safelight.site.recovery_fetch import MOVE, FetchBack
from safelight.site.retrieval import identifier
from safelight.wire.dicom.uids import STUDY_ROOT_FIND


def seek(peer: Peer, calling: AETitle) -> None:
    """See that an archive answers, before anything is begun.

    Raises:
        TargetSilent: it does not run, does not let us in, or does not answer.
    """
    try:
        with connect(peer, calling, [VERIFICATION_PROPOSAL]) as association:
            association.echo()
    except PeerError as error:
        raise TargetSilent(target=str(peer), calling=calling.text, error=error.code) from error


class DicomTarget:
    """One archive. Its methods are called by several threads; each opens an association of its own."""

    def __init__(self, peer: Peer, titles: Sequence[AETitle], spool: Path, door: RecoveryDoor) -> None:
        self._titles = list(titles)
        """The refill's own title first; the gateway's, which the target may know better, second."""
        self._fetch = FetchBack(peer, titles, spool, door)

    def traits(self) -> TargetTraits:
        """Open an association, echo, and say what the target is and can."""
        with self._fetch.open([VERIFICATION_PROPOSAL], self._titles[0]) as association:
            association.echo()
            told = association.peer_information
        return TargetTraits(told.implementation_class, told.implementation_version, self._fetch.ways())

    def send(self, study: str, instances: Sequence[HeldInstance], lane: Lane) -> Iterator[Answer]:
        """Send the instances of one study in this order, in their stored encodings."""
        del study
        pairs = [(one.sop_class, one.transfer_syntax) for one in instances]
        for proposals in contexts_for(pairs):
            offered = {(one.abstract_syntax, one.transfer_syntaxes[0]) for one in proposals}
            chosen = [one for one in instances if (one.sop_class, one.transfer_syntax) in offered]
            if not chosen:
                continue
            with self._fetch.open(proposals, self._titles[0]) as association:
                outgoing = (_outgoing(one, lane) for one in chosen)
                for sent in association.store_all(outgoing):
                    source = sent.outgoing.data
                    if sent.status is not None and isinstance(source, _Late):
                        lane.answered(source.size, source.gone_at)
                    yield Answer(sent.outgoing.sop_instance, sent.status.code if sent.status else None)

    def fetch_back(
        self, study: str, instances: Sequence[HeldInstance], way: str, receive: Callable[[Version], None]
    ) -> None:
        """Fetch these instances of a study; what does not come is no error."""
        if way == MOVE:
            self._fetch.move(study, instances, receive)
        else:
            self._fetch.get(study, instances, receive)

    def claims(self, study: str, instances: Sequence[HeldInstance]) -> frozenset[str]:
        """Return which of these instances a query finds.

        Raises:
            PeerError: no title of ours may ask, or the answer is not complete.
        """
        broken: PeerError | None = None
        for title in self._titles:
            try:
                return self._claims(study, instances, title)
            except TargetUnreachable as error:
                broken = broken or error
        assert broken is not None, "we have a title"
        raise broken

    def _claims(self, study: str, instances: Sequence[HeldInstance], title: AETitle) -> frozenset[str]:
        found: set[str] = set()
        with self._fetch.open([service_proposal(STUDY_ROOT_FIND)], title) as association:
            for series in dict.fromkeys(one.series for one in instances):
                asked = identifier("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID="")
                found.update(str(match.get("SOPInstanceUID", "")) for match in association.find(STUDY_ROOT_FIND, asked))
        return frozenset(one.sop_instance for one in instances if one.sop_instance in found)


def _outgoing(one: HeldInstance, lane: Lane) -> Outgoing:
    return Outgoing(one.sop_class, one.sop_instance, one.transfer_syntax, _Late(one, lane))


class _Late:
    """The data set of an instance, decoded when it is first asked for; piece by piece as fast as the lane lets it."""

    def __init__(self, held: HeldInstance, lane: Lane) -> None:
        self._held = held
        self._lane = lane
        self._source: ByteSource | None = None
        self.gone_at = lane.moment()
        """When the last piece was given, in the lane's time."""

    @property
    def size(self) -> int:
        return self._open().size

    def read(self, offset: int, length: int) -> bytes | memoryview:
        data = self._open().read(offset, length)
        self._lane.begin(length)
        self.gone_at = self._lane.moment()
        return data

    def _open(self) -> ByteSource:
        if self._source is None:
            self._source = self._held.open()
        return self._source
