"""The archive that is refilled: sending to it, fetching back by C-GET, and what a query claims."""

import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from safelight.core.disk import Disk, make_directory
from safelight.core.errors import PeerError, UsageError
from safelight.core.instance import ByteSource, MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import ClientAssociation, Outgoing, PeerUnreachable, connect
from safelight.gateway.dicom.contexts import (
    VERIFICATION_PROPOSAL,
    ContextProposal,
    contexts_for,
    service_proposal,
)
from safelight.gateway.dicom.ports import MoveOriginator, StoreCommand
from safelight.gateway.dicom.retrieval import QueryFailed
from safelight.recovery.ports import Answer, HeldInstance, TargetTraits, TargetUnreachable, Version
from safelight.site.retrieval import identifier
from safelight.site.spool import Spool
from safelight.wire.dicom.faults import AssociationRefused
from safelight.wire.dicom.uids import STUDY_ROOT_FIND, STUDY_ROOT_GET


class GetRefused(PeerError):
    """The target speaks C-GET and did not give what was asked for."""

    code: ClassVar[str] = "recovery.get-refused"
    hint: ClassVar[str] = "Allow C-GET for our AE title at the target."


class DicomTarget:
    """One archive. Its methods are called by several threads; each opens an association of its own."""

    def __init__(self, peer: Peer, titles: Sequence[AETitle], spool: Path) -> None:
        self._peer = peer
        self._titles = list(titles)
        """The refill's own title first; the gateway's, which the target may know better, second."""
        self._spool = spool
        self._lock = threading.Lock()
        self._getting: AETitle | None = None

    def traits(self) -> TargetTraits:
        """Open an association, echo, and say what the target is and can."""
        with self._open([VERIFICATION_PROPOSAL]) as association:
            association.echo()
            told = association.peer_information
        models = [service_proposal(model) for model in (STUDY_ROOT_GET, STUDY_ROOT_FIND)]
        ways = []
        for title in self._titles:
            try:
                with self._open(models, title) as association:
                    if association.agreed(STUDY_ROOT_GET) and "get" not in ways:
                        ways.append("get")
                    if association.agreed(STUDY_ROOT_FIND) and "find" not in ways:
                        ways.append("find")
            except TargetUnreachable:
                continue
            if "get" in ways:
                self._getting = title
                break
        ways.sort(key=lambda way: way != "get")
        return TargetTraits(told.implementation_class, told.implementation_version, tuple(ways))

    def send(self, study: str, instances: Iterable[HeldInstance]) -> Iterator[Answer]:
        """Send the instances of one study in this order, in their stored encodings."""
        del study
        wanted = list(instances)
        pairs = [(one.sop_class, one.transfer_syntax) for one in wanted]
        for proposals in contexts_for(pairs):
            offered = {(one.abstract_syntax, one.transfer_syntaxes[0]) for one in proposals}
            chosen = [one for one in wanted if (one.sop_class, one.transfer_syntax) in offered]
            if not chosen:
                continue
            with self._open(proposals) as association:
                outgoing = (_outgoing(one) for one in chosen)
                for sent in association.store_all(outgoing):
                    status = sent.status.code if sent.status else None
                    yield Answer(sent.outgoing.sop_instance, status)

    def fetch_back(
        self, study: str, instances: Sequence[HeldInstance], way: str, receive: Callable[[Version], None]
    ) -> None:
        """Fetch these instances of a study by C-GET; what does not come is no error."""
        if way != "get":
            raise GetRefused(way=way)
        for title in dict.fromkeys(title for title in (self._getting, *self._titles) if title):
            try:
                came = self._get(study, instances, receive, title)
            except (PeerError, TargetUnreachable):
                if title == self._titles[-1]:
                    raise
                continue
            if came:
                with self._lock:
                    self._getting = title
                return

    def claims(self, study: str, instances: Sequence[HeldInstance]) -> frozenset[str]:
        """Return which of these instances a query finds."""
        found: set[str] = set()
        series = dict.fromkeys(one.series for one in instances)
        try:
            with self._open([service_proposal(STUDY_ROOT_FIND)]) as association:
                for one in series:
                    asked = identifier("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=one, SOPInstanceUID="")
                    for match in association.find(STUDY_ROOT_FIND, asked):
                        found.add(str(match.get("SOPInstanceUID", "")))
        except (QueryFailed, TargetUnreachable):
            pass
        return frozenset(one.sop_instance for one in instances if one.sop_instance in found)

    def _get(
        self, study: str, instances: Sequence[HeldInstance], receive: Callable[[Version], None], title: AETitle
    ) -> int:
        pairs = [(one.sop_class, one.transfer_syntax) for one in instances]
        alone = len(instances) == 1
        session = _Receiving(receive, self._spool)
        proposals = contexts_for(pairs, as_scp=True, contexts_max=127)
        for offered in proposals:
            whole = len(proposals) == 1 and not alone
            asked = identifier("STUDY", StudyInstanceUID=study)
            if not whole:
                for one in instances:
                    if any(
                        one.sop_class == o.abstract_syntax and one.transfer_syntax in o.transfer_syntaxes
                        for o in offered
                    ):
                        named = identifier(
                            "IMAGE",
                            StudyInstanceUID=study,
                            SeriesInstanceUID=one.series,
                            SOPInstanceUID=one.sop_instance,
                        )
                        self._get_once(named, offered, session, title)
                continue
            self._get_once(asked, offered, session, title)
        return session.count

    def _get_once(self, asked: Any, offered: Sequence[ContextProposal], session: "_Receiving", title: AETitle) -> None:
        with self._open([service_proposal(STUDY_ROOT_GET), *offered], title) as association:
            association.get(STUDY_ROOT_GET, asked, lambda: session)

    @contextmanager
    def _open(self, contexts: Sequence[ContextProposal], title: AETitle | None = None) -> Iterator[ClientAssociation]:
        try:
            association = connect(self._peer, title or self._titles[0], contexts)
        except (PeerUnreachable, AssociationRefused) as error:
            raise TargetUnreachable(target=str(self._peer), error=error.code) from error
        with association:
            yield association


def _outgoing(one: HeldInstance) -> Outgoing:
    return Outgoing(one.sop_class, one.sop_instance, one.transfer_syntax, _Late(one))


class _Late:
    """The data set of an instance, decoded when it is first asked for."""

    def __init__(self, held: HeldInstance) -> None:
        self._held = held
        self._source: ByteSource | None = None

    @property
    def size(self) -> int:
        return self._open().size

    def read(self, offset: int, length: int) -> bytes | memoryview:
        return self._open().read(offset, length)

    def _open(self) -> ByteSource:
        if self._source is None:
            self._source = self._held.open()
        return self._source


class _Receiving:
    """Takes in what a C-GET brings, compares each instance as it is whole, and keeps none."""

    def __init__(self, receive: Callable[[Version], None], spool: Path) -> None:
        self._receive = receive
        self._spool = spool
        self._sink: Spool | None = None
        self.count = 0

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


class FolderFiles:
    """The folder of a recovery to files."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._disk = disk
        self._made = threading.Lock()

    def put(self, name: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Write a file whole and durably."""
        path = self._root / name
        with self._made:
            make_directory(self._disk, path.parent)
        draft = path.with_name(path.name + ".draft")
        self._disk.remove(draft)
        descriptor = self._disk.create(draft)
        try:
            offset = 0
            for piece in pieces:
                self._disk.write(descriptor, piece, offset)
                offset += len(piece)
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)
        self._disk.rename(draft, path)
        self._disk.sync_directory(path.parent)

    def get(self, name: str) -> ByteSource | None:
        """Return the file's bytes as they lie on the disk now, or nothing."""
        try:
            return MemorySource((self._root / name).read_bytes())
        except FileNotFoundError:
            return None


class HttpRest:
    """One HTTP exchange with an archive's own interface."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadAddress(url=parts.hostname or "")
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        self._base = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        self._login = ""
        if parts.username:
            self._login = "Basic " + b64encode(f"{parts.username}:{parts.password or ''}".encode()).decode()

    def __call__(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Return the status code and the body.

        Raises:
            RestUnreachable: there is no answer.
        """
        request = urllib.request.Request(self._base + path, data=body, method=method)  # noqa: S310 - http(s) only, see above
        if self._login:
            request.add_header("Authorization", self._login)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            raise RestUnreachable(error=str(error)[:200]) from error


class BadAddress(UsageError):
    """The address of the target's own interface is not an http or https address."""

    code: ClassVar[str] = "recovery.bad-address"
    hint: ClassVar[str] = "Write it like http://user:password@host:8042"


class RestUnreachable(PeerError):
    """The target's own interface does not answer."""

    code: ClassVar[str] = "recovery.rest-unreachable"
    hint: ClassVar[str] = "Check --target-url, user and password; or leave it out."
