"""What the console refuses, and with which status each error is told over HTTP."""

from http import HTTPStatus
from typing import Any, ClassVar, Final

from safelight.core.errors import (
    Defect,
    IntegrityError,
    PeerError,
    ResourceError,
    SafelightError,
    StateError,
    UsageError,
    error_document,
    foreseen,
)


class LoginNeeded(UsageError):
    """Nobody is logged in, or the session ended."""

    code: ClassVar[str] = "console.login-needed"
    hint: ClassVar[str] = "Log in. Nothing that was asked for was done."


class LoginRefused(UsageError):
    """The account or its password is wrong."""

    code: ClassVar[str] = "console.login-refused"
    hint: ClassVar[str] = "Try again; a forgotten password is set anew with: safelight console account password"


class TooManyAttempts(StateError):
    """Logins failed too often; for a while none is tried."""

    code: ClassVar[str] = "console.too-many-attempts"
    hint: ClassVar[str] = "Wait for the seconds told. Whoever is logged in already is not kept out."

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds=seconds)
        self.seconds = seconds


class NotYourRole(UsageError):
    """The account that is logged in has no right to do this."""

    code: ClassVar[str] = "console.not-your-role"
    hint: ClassVar[str] = "Ask a PACS administrator, who sees the roles with: safelight console account list"


class ForeignOrigin(UsageError):
    """A page from elsewhere asked for an act in the name of whoever is logged in here."""

    code: ClassVar[str] = "console.foreign-origin"
    hint: ClassVar[str] = (
        "Open the console by its own address. If you did: something on the way changes Origin or Host."
    )


class NotOurName(UsageError):
    """An open home is asked for under another name than this machine's own."""

    code: ClassVar[str] = "console.not-our-name"
    hint: ClassVar[str] = "Write localhost or 127.0.0.1. Beyond this machine a home with accounts is needed."


class BadRequest(UsageError):
    """A request cannot be understood."""

    code: ClassVar[str] = "console.bad-request"
    hint: ClassVar[str] = "Compare it with docs/console-api.md."


class NoSuchAddress(UsageError):
    """Nothing is answered at this address."""

    code: ClassVar[str] = "console.no-such-address"
    hint: ClassVar[str] = "Compare it with docs/console-api.md."


class NoSuchMethod(UsageError):
    """This address is not asked that way."""

    code: ClassVar[str] = "console.no-such-method"
    hint: ClassVar[str] = "Documents are asked for with GET, acts with POST: docs/console-api.md."


class BodyTooLong(UsageError):
    """The body of a request is longer than any act needs."""

    code: ClassVar[str] = "console.body-too-long"
    hint: ClassVar[str] = "Instances are stored under /dicomweb; everything else is short."


class NotJson(UsageError):
    """The body of an act is no JSON object."""

    code: ClassVar[str] = "console.not-json"
    hint: ClassVar[str] = "Send one JSON object as application/json."


class NameIsYours(UsageError):
    """A personal account speaks for its owner and nobody else."""

    code: ClassVar[str] = "console.by-is-you"
    hint: ClassVar[str] = "Leave `by` out, or log in with a shared account, where people say who they are."


class BodyTooSlow(UsageError):
    """The body of a request did not come in time."""

    code: ClassVar[str] = "console.body-too-slow"
    hint: ClassVar[str] = "Nothing was done: send it again."


class TooBusy(ResourceError):
    """So much is asked for at once that a further request would only wait."""

    code: ClassVar[str] = "console.too-busy"
    hint: ClassVar[str] = "Ask again in a few seconds. Receiving goes on."


class Stopping(ResourceError):
    """`safelight serve` is being stopped."""

    code: ClassVar[str] = "console.stopping"
    hint: ClassVar[str] = "Nothing was done: ask again when it serves again."


class KeyUsedOtherwise(UsageError):
    """The key that makes a request safe to repeat was used for another one."""

    code: ClassVar[str] = "console.key-used-otherwise"
    hint: ClassVar[str] = "Make a new Idempotency-Key for each act."


_STATUS: Final[dict[type[SafelightError], HTTPStatus]] = {
    LoginNeeded: HTTPStatus.UNAUTHORIZED,
    LoginRefused: HTTPStatus.UNAUTHORIZED,
    NotYourRole: HTTPStatus.FORBIDDEN,
    ForeignOrigin: HTTPStatus.FORBIDDEN,
    NoSuchAddress: HTTPStatus.NOT_FOUND,
    NoSuchMethod: HTTPStatus.METHOD_NOT_ALLOWED,
    BodyTooLong: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotJson: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotOurName: HTTPStatus.MISDIRECTED_REQUEST,
    BodyTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
}
_FAMILY_STATUS: Final[tuple[tuple[type[SafelightError], HTTPStatus], ...]] = (
    (UsageError, HTTPStatus.BAD_REQUEST),
    (StateError, HTTPStatus.CONFLICT),
    (PeerError, HTTPStatus.BAD_GATEWAY),
    (ResourceError, HTTPStatus.SERVICE_UNAVAILABLE),
    (IntegrityError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
RETRY_SECONDS: Final = 5


def status_of(error: SafelightError) -> HTTPStatus:
    """Return the status that an error is told with."""
    if type(error) in _STATUS:
        return _STATUS[type(error)]
    return next((status for family, status in _FAMILY_STATUS if isinstance(error, family)), _OURS)


_OURS: Final = HTTPStatus.INTERNAL_SERVER_ERROR


def told(failure: BaseException) -> tuple[HTTPStatus, dict[str, Any], dict[str, str]]:
    """Return status, document and headers of the answer to a request that failed."""
    error = foreseen(failure)
    status = status_of(error)
    document = error_document(error)
    if status == _OURS:
        # What went wrong inside may quote anything; the log has it.
        document["facts"] = {}
    if isinstance(error, Defect):
        document["hint"] = "This is our fault. Report it, with the log of `safelight serve`."
    headers = {}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.seconds)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return status, {"error": document}, headers
