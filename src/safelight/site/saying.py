"""What people say and sign, with a reason and a name; judged and recorded one at a time."""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from safelight.core.errors import UsageError

deciding = threading.Lock()
"""Judging and recording are one step, also where several commands reach one `serve`."""


class NotSigned(UsageError):
    """Whoever does what patients or auditors feel gives a name and a reason."""

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
