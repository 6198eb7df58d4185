"""The own HTTP interface of an archive that is refilled."""

import urllib.error
import urllib.request
from base64 import b64encode
from typing import ClassVar
from urllib.parse import urlsplit

from safelight.core.errors import PeerError, UsageError


class BadAddress(UsageError):
    """The address of the target's own interface is not an http or https address."""

    code: ClassVar[str] = "recovery.bad-address"
    hint: ClassVar[str] = "Write it like http://user:password@host:8042"


class RestUnreachable(PeerError):
    """The target's own interface does not answer."""

    code: ClassVar[str] = "recovery.rest-unreachable"
    hint: ClassVar[str] = "Check --target-url, user and password; or leave it out."


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
