"""Sending a folder of Part 10 files to an archive, as a modality would; for rehearsals."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from safelight.core.errors import PeerError
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import Outgoing, connect
from safelight.gateway.dicom.contexts import contexts_for
from safelight.gateway.dicom.exchange import CallSettings
from safelight.site.packer import FileSource
from safelight.wire.dicom.part10 import NotDicom, read_prefix

PATIENCE: Final = CallSettings(answer=timedelta(seconds=5))
"""Some archives never answer to a truncated object."""


def send_folder(folder: Path, target: str, calling: str) -> int:
    """Send every file that is an instance, each in its own transfer syntax; return how many the archive took."""
    peer = Peer.parse(target)
    by_folder: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            by_folder.setdefault(path.parent, []).append(path)
    return sum(_send(paths, peer, AETitle.parse(calling)) for paths in by_folder.values())


def _send(paths: list[Path], peer: Peer, calling: AETitle) -> int:
    outgoing = list(_instances(paths))
    taken = 0
    try:
        for proposals in contexts_for((one.sop_class, one.transfer_syntax) for one in outgoing):
            offered = {(one.abstract_syntax, one.transfer_syntaxes[0]) for one in proposals}
            with connect(peer, calling, proposals, settings=PATIENCE) as association:
                chosen = [one for one in outgoing if (one.sop_class, one.transfer_syntax) in offered]
                taken += sum(sent.is_stored for sent in association.store_all(chosen))
    except PeerError:
        # An archive that cannot take one file drops the association; the others still go.
        if len(paths) == 1:
            return taken
        return sum(_send([path], peer, calling) for path in paths)
    finally:
        for one in outgoing:
            one.data.close()  # type: ignore[attr-defined]
    return taken


class _OpenFile(FileSource):
    """A file that is closed by hand."""

    def __init__(self, path: Path, skip: int) -> None:
        self._held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        super().__init__(self._held, skip, os.fstat(self._held).st_size - skip)

    def close(self) -> None:
        os.close(self._held)


def _instances(paths: list[Path]) -> Iterator[Outgoing]:
    for path in paths:
        whole = _OpenFile(path, 0)
        try:
            prefix = read_prefix(whole)
        except NotDicom:
            continue
        finally:
            whole.close()
        if prefix.sop_class and prefix.sop_instance and prefix.transfer_syntax:
            source = _OpenFile(path, prefix.prefix_size)
            yield Outgoing(prefix.sop_class, prefix.sop_instance, prefix.transfer_syntax, source)
