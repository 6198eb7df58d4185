"""Taking in messages that lie in files: what an interface engine or an old archive kept before Safelight was there."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.core.errors import UsageError
from safelight.core.progress import Progress, Report
from safelight.journal.message_log_format import Arrived, LoggedMessage
from safelight.site.hl7_intake import MessageJournaling
from safelight.wire.hl7.header import UnreadableHeader, read_header
from safelight.wire.hl7.mllp import START, FramedMessage, MllpFramer

if TYPE_CHECKING:
    from safelight.site.opened import Site

IMPORTED: Final = "import"
"""Stands in place of the sender's host."""
TAKEN_AT_ONCE: Final = 200
FILE_BYTES_MAX: Final = 2**30
_BEGINNING: Final = re.compile(rb"(?:^|(?<=[\r\n]))(?=MSH[^A-Za-z0-9\s])")


class NoFolder(UsageError):
    """There is no folder with messages at this place."""

    code: ClassVar[str] = "gateway.hl7-no-folder"
    hint: ClassVar[str] = "Give a folder with files of HL7 messages, as this machine sees it."


class _Nowhere:
    def destinations_for(self, event: str) -> Sequence[str]:
        """Return nobody: what is history already is not forwarded."""
        del event
        return ()


def import_messages(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, int]:
    """Keep every message in the files of a folder, or in one file; known ones are told apart, none is forwarded.

    With ``dry_run`` they are counted and nothing else.

    Raises:
        NoFolder: there is none.
    """
    folder = Path(told["folder"])
    if not folder.exists():
        raise NoFolder(folder=str(folder))
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    journaling = MessageJournaling(
        site.messages, site.large_messages, _Nowhere(), site.clock, site.records.open_finding, site.log.failure
    )
    before = site.messages.index.tally()
    found = passed_over = 0
    for number, path in enumerate(files, start=1):
        batch: list[LoggedMessage] = []
        for raw in _messages(path):
            if not _is_message(raw):
                passed_over += 1
                continue
            found += 1
            if told.get("dry_run"):
                continue
            batch.append(_logged(site, raw))
            if len(batch) == TAKEN_AT_ONCE:
                journaling.write(batch)
                batch = []
        journaling.write(batch)
        report(Progress("import", number, len(files), "files"))
    after = site.messages.index.tally()
    kept, duplicates = after[0] - before[0], after[1] - before[1]
    return {
        "files": len(files),
        "found": found,
        "kept": kept - duplicates,
        "known": duplicates,
        "not_messages": passed_over,
    }


def _messages(path: Path) -> Iterator[bytes]:
    """Give what may be messages: blocks, or whatever begins with MSH at the start of a line."""
    if path.stat().st_size > FILE_BYTES_MAX:
        yield b""
        return
    content = path.read_bytes()
    if START in content[:1024]:
        framer = MllpFramer()
        yield from (one.raw for one in framer.receive(content) if isinstance(one, FramedMessage))
        return
    parts = _BEGINNING.split(content)
    if parts[0].strip() and len(parts) == 1:
        yield parts[0]
    yield from parts[1:]


def _is_message(raw: bytes) -> bool:
    try:
        read_header(raw)
    except UnreadableHeader:
        return False
    return True


def _logged(site: "Site", raw: bytes) -> LoggedMessage:
    # No sequence: it did not come over a connection, and nobody was answered.
    return LoggedMessage(0, Arrived.MESSAGE, site.clock.now(), IMPORTED, raw, hashlib.sha256(raw).digest())
