"""Importing an extract of a schedule: for hospitals whose only feed is a nightly file."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.catalog.listed_step import ListingWay, change_of, keyed
from safelight.core.clock import to_text
from safelight.core.errors import StateError, UsageError
from safelight.core.progress import Report
from safelight.core.table_file import FILE_BYTES_MAX, TableUnreadable, read_lines
from safelight.gateway.schedule.extract_mapping import ExtractMapping
from safelight.gateway.schedule.extract_reading import DATE, Extract, read_extract
from safelight.journal.kinds import FactKind
from safelight.site.hl7_import import import_messages
from safelight.site.moments import moment_told
from safelight.site.saying import signed
from safelight.site.worklist_mirror import SHRUNK, change_document, mirroring, record_change, shrunk_since, source_of
from safelight.wire.hl7.mllp import START as MESSAGE_START

if TYPE_CHECKING:
    from safelight.site.opened import Site

BAD_LINES_SHOWN: Final = 200
NAME_CHARACTERS_MAX: Final = 64


class ExtractNotUnderstood(UsageError):
    """No line of headings is found in the extract, or no line below it can be used."""

    code: ClassVar[str] = "gateway.extract-not-understood"
    hint: ClassVar[str] = (
        "Its headings must name the patient's number and the start, in one of the first 20 lines; what stands for "
        "them, and in which form, is told in extract_mapping.toml. Look with --dry-run."
    )


class ExtractOlder(StateError):
    """The extract is older than what was imported from this source."""

    code: ClassVar[str] = "gateway.extract-older"
    hint: ClassVar[str] = "Import the newest one; or, if this one is right: --accept with --reason and --by."


class BadSourceName(UsageError):
    """A source of extracts has a name of 1 to 64 printable characters."""

    code: ClassVar[str] = "gateway.bad-source-name"
    hint: ClassVar[str] = "For example: --source nightly"


def import_extract(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Read an extract and have it take the place of what came from the same source before.

    Raises:
        TableUnreadable, ExtractNotUnderstood, BadExtractMapping, BadSourceName: it cannot be read so.
        ExtractOlder: a newer one was imported.
        NotSigned: what is accepted needs a reason and a name.
    """
    path, name = Path(told["file"]), str(told.get("source") or "extract")
    if not name.isprintable() or len(name) > NAME_CHARACTERS_MAX:
        raise BadSourceName
    dry_run = bool(told.get("dry_run"))
    content, as_of = _content(path, told, site.clock.now())
    if content.startswith((b"MSH|", MESSAGE_START)):
        messages = import_messages(site, {"folder": str(path), "dry_run": dry_run}, report)
        return {"dry_run": dry_run, "messages": messages}
    accepted = dict(zip(("reason", "by"), signed(told), strict=True)) if told.get("accept") else {}
    mapping = site.home.extract_mapping
    mapping_text = mapping.read_text(encoding="utf-8") if mapping.is_file() else ""
    usual = ExtractMapping.read(mapping_text, name)
    extract = read_extract(read_lines(content, usual.form), usual)
    if not extract.steps and not (dry_run and extract.understood):
        raise ExtractNotUnderstood(headings=len(extract.understood), bad_lines=extract.bad_count)
    with mirroring:
        return _judged(site, name, extract, as_of, hashlib.sha256(content).hexdigest(), accepted, dry_run=dry_run)


def _content(path: Path, told: Mapping[str, Any], now: datetime) -> tuple[bytes, datetime]:
    if not path.is_file():
        raise TableUnreadable(file=str(path), why="there is no such file")
    facts = path.stat()
    if facts.st_size > FILE_BYTES_MAX:
        raise TableUnreadable(size_bytes=facts.st_size, size_bytes_max=FILE_BYTES_MAX)
    written = datetime.fromtimestamp(facts.st_mtime, UTC)
    return path.read_bytes(), min(moment_told(told.get("as_of")) or written, now)


def _judged(
    site: "Site",
    name: str,
    extract: Extract,
    as_of: datetime,
    digest: str,
    accepted: Mapping[str, str],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    source = source_of(ListingWay.IMPORT, name)
    known = next((one for one in site.messages.index.listings() if one.source == source), None)
    if known is not None and as_of < known.as_of and not accepted:
        raise ExtractOlder(as_of=to_text(as_of), imported=to_text(known.as_of))
    before, now = site.messages.index.listed(source), keyed(extract.steps)
    today = f"{site.clock.now().astimezone():%Y%m%d}"
    shrunk = shrunk_since(site, before.values(), now.values(), site.clock.now(), today)
    change = change_of(before, now)
    is_kept = shrunk is None or bool(accepted)
    if not dry_run:
        if is_kept:
            more = {"digest": digest, "bad_lines": extract.bad_count, **accepted}
            record_change(site, FactKind.WORKLIST_IMPORTED, source, change, as_of, more)
            site.records.close_finding(SHRUNK, source, "a newer extract was taken in")
        elif shrunk is not None:
            site.records.open_finding(SHRUNK, source, "critical", expected=shrunk.expected, got=shrunk.got)
    return {
        "source": name,
        "dry_run": dry_run,
        **change_document(change, shrunk, as_of, is_kept=is_kept),
        "not_understood": extract.bad_count,
        "columns": extract.understood,
        "columns_not_understood": extract.not_understood,
        "by_day": dict(sorted(Counter(step.attributes[DATE] for step in extract.steps).items())),
        "bad_lines": [{"line": line, "why": why} for line, why in extract.bad_lines[:BAD_LINES_SHOWN]],
    }
