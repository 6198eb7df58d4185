"""Moments as people write them."""

from datetime import datetime
from typing import ClassVar

from safelight.core.clock import from_text
from safelight.core.errors import UsageError


class BadMoment(UsageError):
    """A moment is not written as date and time with an offset."""

    code: ClassVar[str] = "site.bad-moment"
    hint: ClassVar[str] = "Write it as 2026-11-24T03:10:00+01:00."


def moment_told(text: object) -> datetime | None:
    """Read a moment that a person wrote; None where nothing was.

    Raises:
        BadMoment: it is not one, or has no offset.
    """
    if text is None or text == "":
        return None
    try:
        return from_text(str(text))
    except ValueError as error:
        raise BadMoment(given=str(text)) from error
