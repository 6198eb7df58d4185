"""The built pages and the viewer: files that the package carries, or a page that says how to build them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

FOREVER: Final = "public, max-age=31536000, immutable"
LOOK_AGAIN: Final = "no-cache"
NOT_BUILT: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Safelight</title>
<h1>{what} not here</h1>
<p>Safelight runs; this installation lacks {files}.</p>
<p>In a checkout: <code>make setup</code> builds them, and tells why where it cannot. Then start
<code>safelight serve</code> again.</p>
<p>Everything else works: the command line, DICOM, HL7, DICOMweb and the API (docs/console-api.md).</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the built files are; empty where they are not."""

    pages: str
    viewer: str


def page_routes(folders: Folders) -> APIRouter:
    """Return the addresses of pages and viewer; they come after every other address."""
    router = APIRouter()

    async def to_viewer(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/viewer/{query}", 308)

    viewer = _files(folders.viewer, NOT_BUILT.format(what="The image viewer is", files="the files of the viewer"))
    pages = _files(folders.pages, NOT_BUILT.format(what="The pages are", files="the built pages"))
    router.add_api_route("/viewer", to_viewer, methods=["GET", "HEAD"])
    router.add_api_route("/viewer/{path:path}", viewer, methods=["GET", "HEAD"])
    router.add_api_route("/{path:path}", pages, methods=["GET", "HEAD"])
    return router


def _files(folder: str, not_built: str) -> Callable[[Request, str], Awaitable[Response]]:
    files = StaticFiles(directory=folder) if folder else None

    async def answer(request: Request, path: str) -> Response:
        if files is None:
            return HTMLResponse(not_built, 503)
        name = str(PurePosixPath(path or "index.html"))
        response = await _packed(files, name, request)
        if response is None:
            try:
                response = await files.get_response(name, request.scope)
            except HTTPException as error:
                if error.status_code != 404 or PurePosixPath(path).suffix:
                    raise
                # A page that routes by itself: the address names a screen and not a file.
                response = await files.get_response("index.html", request.scope)
        is_forever = path.startswith("assets/") and response.status_code in (200, 304)
        response.headers["Cache-Control"] = FOREVER if is_forever else LOOK_AGAIN
        return response

    return answer


async def _packed(files: StaticFiles, name: str, request: Request) -> Response | None:
    """Return a file as it was packed beside itself when it was built: a viewer is long, and a line may be slow."""
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return None
    try:
        response = await files.get_response(f"{name}.gz", request.scope)
    except HTTPException:
        return None
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    return response
