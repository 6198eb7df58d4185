"""Reading requests: the body of an act, and where it comes from."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import HTTPConnection, Request

from safelight.console.faults import BadRequest, BodyTooLong, BodyTooSlow, NotJson

BODY_BYTES_MAX: Final = 256 * 1024
BODY_SECONDS_MAX: Final = 30


def address_of(connection: HTTPConnection) -> str:
    """Return the address that a request comes from."""
    return connection.client.host if connection.client else ""


async def json_object(request: Request) -> Mapping[str, Any]:
    """Read the body of an act.

    Raises:
        NotJson, BadRequest, BodyTooLong, BodyTooSlow: it is none that we take.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise NotJson
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for piece in request.stream():
                body += piece
                if len(body) > BODY_BYTES_MAX:
                    raise BodyTooLong(bytes_max=BODY_BYTES_MAX)
    except TimeoutError as error:
        raise BodyTooSlow from error
    try:
        found = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise BadRequest(wrong="body") from error
    if not isinstance(found, dict):
        raise BadRequest(wrong="body")
    return found
