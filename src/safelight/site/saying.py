"""What people say and sign: a reason, a name, a moment; judged and recorded one at a time."""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from safelight.core.clock import from_text
from safelight.core.errors import UsageError

deciding = threading.Lock()
"""Judging and recording are one step, also where several commands reach one `serve`."""


class BadMoment(UsageError):
    """A moment is not written as date and time with an offset."""

    code: ClassVar[str] = "downtime.bad-moment"
    hint: ClassVar[str] = "Write it as 2026-11-24T03:10:00+01:00."


class NotSigned(UsageError):
    """Whoever says something of an outage gives a name and a reason."""

    code: ClassVar[str] = "downtime.not-signed"
    hint: ClassVar[str] = "Give --reason and --by, neither of them empty."


def signed(told: Mapping[str, Any]) -> tuple[str, str]:
    """Return reason and name.

    Raises:
        NotSigned: one of them is empty.
    """
    reason, by = str(told.get("reason") or "").strip(), str(told.get("by") or "").strip()
    if not reason or not by:
        raise NotSigned(has_reason=bool(reason), has_name=bool(by))
    return reason, by


def moment_told(text: object) -> datetime | None:
    """Read a moment that a person wrote.

    Raises:
        BadMoment: it is not one, or has no offset.
    """
    if text is None:
        return None
    try:
        return from_text(str(text))
    except ValueError as error:
        raise BadMoment(given=str(text)) from error
