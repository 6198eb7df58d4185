"""The one web application: DICOMweb and, beside it, the pages."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL_NAMES: Final = frozenset(("localhost", "127.0.0.1", "[::1]"))


def web_application(routes: Mapping[str, APIRouter]) -> ASGIApp:
    """Put together what is answered under each prefix, for peers on this machine alone."""
    # Neither a description of the interface nor its pages, which would load programs from elsewhere.
    application = FastAPI(title="Safelight", openapi_url=None, docs_url=None, redoc_url=None)
    for prefix, router in routes.items():
        application.include_router(router, prefix=prefix)
    return LocalNamesOnly(application)


class LocalNamesOnly:
    """Refuses requests that call this machine by another name than its own.

    Without it a page from elsewhere could have its name point here and read what it likes (DNS rebinding).
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and _called_name(scope) not in LOCAL_NAMES:
            start: dict[str, Any] = {"type": "http.response.start", "status": 421, "headers": []}
            await send(start)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self._application(scope, receive, send)


def _called_name(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            host = str(value, "latin-1").lower()
            return host if host.endswith("]") else host.rpartition(":")[0] or host
    return ""
