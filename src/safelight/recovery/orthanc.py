"""Orthanc's REST interface, as far as a refill may use it: see the trap and undo it.

An Orthanc whose index survived its files answers success to a resend and stores nothing; retrieving one such study
fails as a whole. Only the deletion of the stale entry makes room for the instance.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from safelight.core.errors import PeerError


class BadRestAnswer(PeerError):
    """The REST interface answered something that is not Orthanc's."""

    code: ClassVar[str] = "recovery.bad-rest-answer"
    hint: ClassVar[str] = "See that --target-url is the address of the Orthanc being refilled, with user and password."


class Rest(Protocol):
    """One HTTP exchange with the interface."""

    def __call__(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Return the status code and the body; raises a PeerError when there is no answer."""


_FILE_IS_GONE: Final = frozenset({13, 2006})
"""Orthanc's own codes: no such file; not a regular file. Any other failure may be cured without a deletion."""


@dataclass(frozen=True, slots=True)
class OrthancKeeper:
    """What may be asked of, and changed in, an Orthanc that lost files."""

    rest: Rest

    def is_orthanc(self) -> bool:
        """Whether an Orthanc answers at this address."""
        status, body = self.rest("GET", "/system")
        return status == 200 and "DicomAet" in _object(body)

    def overwrites(self) -> bool | None:
        """Return what /system says of OverwriteInstances; old versions do not say."""
        status, body = self.rest("GET", "/system")
        told = _object(body).get("OverwriteInstances") if status == 200 else None
        if isinstance(told, str):
            return told == "Always"
        return told if isinstance(told, bool) else None

    def remove_unreadable(self, instances: Sequence[str]) -> Sequence[str]:
        """Delete the entries of those instances whose file Orthanc itself cannot find.

        An instance that it can read, or that fails in any other way, stays as it is.
        """
        return [instance for instance in instances if self._remove_unreadable(instance)]

    def _remove_unreadable(self, instance: str) -> bool:
        removed = False
        for entry in self._entries(instance):
            status, body = self.rest("POST", f"/instances/{entry}/attachments/dicom/verify-md5", b"")
            if status == 500 and _object(body).get("OrthancStatus") in _FILE_IS_GONE:
                status, _ = self.rest("DELETE", f"/instances/{entry}")
                removed = removed or status == 200
        return removed

    def _entries(self, instance: str) -> Sequence[str]:
        status, body = self.rest("POST", "/tools/lookup", instance.encode("ascii"))
        found = _parsed(body)
        if status != 200 or not isinstance(found, list):
            raise BadRestAnswer(path="/tools/lookup", status=status)
        return [
            entry["ID"]
            for entry in found
            if isinstance(entry, dict) and entry.get("Type") == "Instance" and _is_entry(entry.get("ID"))
        ]


def _is_entry(text: object) -> bool:
    """Whether this is an identifier of Orthanc's: it becomes part of a path."""
    return isinstance(text, str) and len(text) == 44 and not set(text) - set("0123456789abcdef-")


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _object(body: bytes) -> dict[str, Any]:
    parsed = _parsed(body)
    return parsed if isinstance(parsed, dict) else {}
