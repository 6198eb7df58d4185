"""The register of who was seen to call, as people read it."""

import csv
import io
from datetime import datetime
from typing import Any, Final

from safelight.catalog.caller import CallerAct, CallerRow
from safelight.catalog.catalog import Catalog
from safelight.core.clock import to_text
from safelight.site.home import Home
from safelight.site.settled import settled

COLUMNS: Final = (
    "title",
    "address",
    "called",
    "implementation_class",
    "implementation_version",
    "sop_classes",
    "transfer_syntaxes",
    "first_seen",
    "last_seen",
    *(f"last_{act.value}" for act in CallerAct),
    *(f"{act.value}_count" for act in CallerAct),
)


def caller_rows(home: Home) -> list[CallerRow]:
    """Return everybody who was seen to call."""
    settled(home)
    catalog = Catalog.open(home.catalog, read_only=True)
    try:
        return catalog.callers()
    finally:
        catalog.close()


def callers_document(home: Home) -> list[dict[str, Any]]:
    """Return the register as JSON."""
    return [_document(row) for row in caller_rows(home)]


def callers_csv(home: Home) -> str:
    """Return the register as CSV with a heading line; every cell is safe to open in a spreadsheet."""
    text = io.StringIO(newline="")
    rows = callers_document(home)
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(row[name]) for name in COLUMNS})
    return text.getvalue()


def _document(row: CallerRow) -> dict[str, Any]:
    last = {f"last_{act.value}": _plain(row.last.get(act)) for act in CallerAct}
    counts = {f"{act.value}_count": row.counts.get(act, 0) for act in CallerAct}
    return {
        "title": row.title,
        "address": row.host,
        "called": list(row.called),
        "implementation_class": row.implementation_uid,
        "implementation_version": row.implementation_version,
        "sop_classes": list(row.sop_classes),
        "transfer_syntaxes": list(row.transfer_syntaxes),
        "first_seen": to_text(row.first_seen_at),
        "last_seen": to_text(row.last_seen_at),
        "by_called": {
            title: {act.value: {"count": seen.count, "last": to_text(seen.last)} for act, seen in acts.items()}
            for title, acts in row.by_called.items()
        },
        "stores": row.counts.get(CallerAct.STORE, 0),
        **last,
        **counts,
    }


def _cell(value: object) -> object:
    text = " ".join(value) if isinstance(value, list) else value
    # A peer chooses its own title: a spreadsheet must not take it for a formula.
    return f"'{text}" if isinstance(text, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _plain(value: datetime | None) -> str | None:
    return to_text(value) if value is not None else None
