"""Fetching back from the archive that is refilled: by C-GET, or by C-MOVE to our own door. What comes is not kept."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Final

from pydicom.dataset import Dataset

from safelight.core.errors import PeerError, ResourceError, SafelightError
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import ClientAssociation, PeerUnreachable, connect
from safelight.gateway.dicom.contexts import ContextProposal, contexts_for, service_proposal
from safelight.gateway.dicom.ports import MoveOriginator, StoreCommand
from safelight.gateway.dicom.retrieval import RetrieveOutcome
from safelight.recovery.ports import HeldInstance, TargetUnreachable, Version, WayShut
from safelight.site.recovery_door import RecoveryDoor
from safelight.site.retrieval import identifier
from safelight.site.spool import Spool
from safelight.wire.dicom.faults import AssociationRefused
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN, STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE

GET: Final = "get"
MOVE: Final = "move"
FIND: Final = "find"

Receive = Callable[[Version], None]

_NO_SUCH_STUDY: Final = "2.25.282574488338450470489313508410219474177"
"""Asking for what nobody holds shows whether we may ask at all."""
_PROBED_CLASS: Final = ContextProposal("1.2.840.10008.5.1.4.1.1.2", (EXPLICIT_LITTLE_ENDIAN,), as_scp=True)
_SHUT: Final = frozenset({0x0122, 0x0124, 0x0211, 0xA801})
"""SOP class not supported, not authorized, unrecognized operation, move destination unknown."""
_PROMISED_SECONDS: Final = 5.0
"""How long a target may pause between the instances that it says it has sent."""
_UNTOLD_SECONDS: Final = 0.5


class GetRefused(WayShut):
    """The target speaks C-GET and does not let us."""

    code: ClassVar[str] = "recovery.get-refused"
    hint: ClassVar[str] = "Allow C-GET for our AE title at the target."


class MoveRefused(WayShut):
    """The target speaks C-MOVE, and nothing that it was asked for has come to our door yet."""

    code: ClassVar[str] = "recovery.move-refused"
    hint: ClassVar[str] = "At the target, enter our AE title with our address and port as a move destination."


class FetchBack:
    """Fetches studies back from one archive. Used by several threads."""

    def __init__(self, peer: Peer, titles: Sequence[AETitle], spool: Path, door: RecoveryDoor) -> None:
        self._peer = peer
        self._titles = list(titles)
        self._spool = spool
        self._door = door
        self._lock = threading.Lock()
        self._getting: AETitle | None = None
        """The title that the target lets retrieve."""
        self._moving: tuple[AETitle, AETitle] | None = None
        """The title to ask with and the destination to name, once something came that way."""

    def ways(self) -> tuple[str, ...]:
        """Return how the target gives instances back, the best first; it is asked, since what it speaks may be shut.

        Raises:
            TargetUnreachable: it lets us in under none of our titles.
        """
        found: set[str] = set()
        refused: TargetUnreachable | None = None
        for title in self._titles:
            try:
                found |= self._ways_as(title, found)
            except TargetUnreachable as error:
                refused = refused or error
        if not found and refused is not None:
            raise refused
        return tuple(way for way in (GET, MOVE, FIND) if way in found)

    def _ways_as(self, title: AETitle, known: Collection[str]) -> set[str]:
        models = {GET: STUDY_ROOT_GET, MOVE: STUDY_ROOT_MOVE, FIND: STUDY_ROOT_FIND}
        with self.open([service_proposal(model) for model in models.values()], title) as association:
            spoken = {way for way, model in models.items() if association.agreed(model)}
        if GET in spoken and GET not in known and self._may_get(title):
            self._getting = title
        elif GET not in known:
            spoken.discard(GET)
        if MOVE in spoken and MOVE not in known and not self._may_move(title):
            spoken.discard(MOVE)
        return spoken

    def _may_get(self, title: AETitle) -> bool:
        asked = identifier("STUDY", StudyInstanceUID=_NO_SUCH_STUDY)
        try:
            told = self._get_once(asked, [_PROBED_CLASS], _Receiving(_drop, self._spool), title)
        except PeerError:
            return False
        return told.status.code not in _SHUT

    def _may_move(self, title: AETitle) -> bool:
        asked = identifier("STUDY", StudyInstanceUID=_NO_SUCH_STUDY)
        try:
            self._door.open()
            with self.open([service_proposal(STUDY_ROOT_MOVE)], title) as association:
                statuses = [association.move(STUDY_ROOT_MOVE, asked, one).status.code for one in self._titles]
        except (PeerError, ResourceError):
            return False
        return any(status not in _SHUT for status in statuses)

    def get(self, study: str, instances: Sequence[HeldInstance], receive: Receive) -> None:
        """Fetch by C-GET; what does not come is no error.

        Raises:
            GetRefused: it is not allowed.
            PeerError: the retrieve broke.
        """
        session = _Receiving(receive, self._spool)
        titles = [self._getting] if self._getting else self._titles
        broken: PeerError | None = None
        for title in titles:
            try:
                statuses = self._get(study, instances, session, title)
            except PeerError as error:
                broken = error
                statuses = []
            if session.failure is not None:
                raise session.failure
            if session.count:
                with self._lock:
                    self._getting = title
                break
            if statuses and all(status in _SHUT for status in statuses):
                broken = GetRefused(target=str(self._peer), status=f"{statuses[0]:04X}H")
        if broken is not None:
            raise broken

    def _get(
        self, study: str, instances: Sequence[HeldInstance], session: "_Receiving", title: AETitle
    ) -> Sequence[int]:
        pairs = [(one.sop_class, one.transfer_syntax) for one in instances]
        # One context is for the service itself.
        parts = contexts_for(pairs, as_scp=True, contexts_max=127)
        if len(parts) == 1 and len(instances) > 1:
            whole = identifier("STUDY", StudyInstanceUID=study)
            return [self._get_once(whole, parts[0], session, title).status.code]
        statuses = []
        for offered in parts:
            taken = {(one.abstract_syntax, syntax) for one in offered for syntax in one.transfer_syntaxes}
            for one in instances:
                if (one.sop_class, one.transfer_syntax) in taken:
                    told = self._get_once(_named(study, one), offered, session, title)
                    statuses.append(told.status.code)
        return statuses

    def _get_once(
        self, asked: Dataset, offered: Iterable[ContextProposal], session: "_Receiving", title: AETitle
    ) -> RetrieveOutcome:
        with self.open([service_proposal(STUDY_ROOT_GET), *offered], title) as association:
            return association.get(STUDY_ROOT_GET, asked, lambda: session)

    def move(self, study: str, instances: Sequence[HeldInstance], receive: Receive) -> None:
        """Fetch by C-MOVE to our own door; what does not come is no error once anything came this way.

        Raises:
            MoveRefused: the target does not know where to send, or sends elsewhere.
            CannotListen: another program has our port.
            PeerError: the retrieve broke.
        """
        self._door.open()
        alone = len(instances) == 1
        asked = _named(study, instances[0]) if alone else identifier("STUDY", StudyInstanceUID=study)
        refused: PeerError | None = None
        for calling, destination in [self._moving] if self._moving else self._pairs():
            try:
                count, told = self._move_once(asked, instances, receive, calling, destination)
            except PeerError as error:
                refused = error
                continue
            if count:
                with self._lock:
                    self._moving = (calling, destination)
                return
            refused = None
            if self._moving is None or told.status.code in _SHUT:
                refused = MoveRefused(target=str(self._peer), status=str(told.status), destination=destination.text)
        if refused is not None:
            raise refused

    def _move_once(
        self,
        asked: Dataset,
        instances: Sequence[HeldInstance],
        receive: Receive,
        calling: AETitle,
        destination: AETitle,
    ) -> tuple[int, RetrieveOutcome]:
        uids = [one.sop_instance for one in instances]
        with self._door.awaited.moving(self._peer.title, calling, destination, uids, receive) as coming:
            with self.open([service_proposal(STUDY_ROOT_MOVE)], calling) as association:
                told = association.move(STUDY_ROOT_MOVE, asked, destination, message_id=coming.move.message_id)
            sent = told.counts.completed + told.counts.warning
            if sent:
                coming.settle(min(sent, len(uids)), _PROMISED_SECONDS)
            elif told.status.is_success:
                coming.settle(len(uids), _UNTOLD_SECONDS)
            return coming.count, told

    def _pairs(self) -> list[tuple[AETitle, AETitle]]:
        return [(calling, destination) for calling in self._titles for destination in self._titles]

    def open(self, contexts: Sequence[ContextProposal], title: AETitle) -> ClientAssociation:
        """Open an association with the archive.

        Raises:
            TargetUnreachable: it does not let us in.
        """
        try:
            return connect(self._peer, title, contexts)
        except (PeerUnreachable, AssociationRefused) as error:
            raise TargetUnreachable(target=str(self._peer), error=error.code) from error


def _named(study: str, one: HeldInstance) -> Dataset:
    return identifier("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=one.series, SOPInstanceUID=one.sop_instance)


def _drop(version: Version) -> None:
    del version


class _Receiving:
    """Takes in what a C-GET brings, compares each instance as it is whole, and keeps none."""

    def __init__(self, receive: Receive, spool: Path) -> None:
        self._receive = receive
        self._spool = spool
        self._sink: Spool | None = None
        self.count = 0
        self.failure: SafelightError | None = None
        """What went wrong on our side while comparing; the peer is not to blame."""

    def begin(self, command: StoreCommand) -> Spool:
        del command
        self._sink = Spool(self._spool)
        return self._sink

    def finish(
        self, sop_class: str, sop_instance: str, transfer_syntax: str, move_originator: MoveOriginator | None
    ) -> object:
        del move_originator
        assert self._sink is not None, "an instance was begun"
        sink, self._sink = self._sink, None
        try:
            self._receive(Version(sop_class, sop_instance, transfer_syntax, sink.source()))
        except SafelightError as error:
            self.failure = self.failure or error
        finally:
            sink.close()
        self.count += 1
        return self

    def commit(self) -> None:
        """Nothing is promised to the target: it keeps what it gave us."""

    def abandon(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def close(self) -> None:
        self.abandon()
