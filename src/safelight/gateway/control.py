"""The control door: commands that act reach a running `serve` through a socket in its home.

One connection carries one command: a JSON line with the name and parameters goes in; JSON lines with
progress come out, and a last one with the result or the error. Only the owner of the home can connect.
"""

import io
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final

from safelight.core.errors import SafelightError, StateError, foreseen
from safelight.core.errors import error_document as document_of
from safelight.core.progress import Progress, Report

LINE_BYTES_MAX: Final = 64 * 2**20
Handler = Callable[[str, Mapping[str, Any], Report], Mapping[str, Any]]


class NotServing(StateError):
    """No `serve` runs on this home."""

    code: ClassVar[str] = "gateway.not-serving"
    hint: ClassVar[str] = "Start it with: safelight serve --home DIR"


class Relayed(SafelightError):
    """An error that happened in the running `serve`, with its own code, hint and exit code."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(**told["facts"])
        self.told_code: str = told["code"]
        self.told_reason: str = told["reason"]
        self.told_hint: str = told["hint"]
        self.told_exit: int = told["exit"]


def error_document(error: BaseException) -> dict[str, Any]:
    """Return an error as the JSON that a command line or a program can act on."""
    if isinstance(error, Relayed):
        return {
            "code": error.told_code,
            "reason": error.told_reason,
            "hint": error.told_hint,
            "facts": error.facts,
            "exit": error.told_exit,
        }
    return document_of(foreseen(error))


@contextmanager
def _short_path(path: Path) -> Iterator[str]:
    # A socket's path has room for 107 bytes; a home may lie deeper. The directory's descriptor is a short way in.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


class ControlServer:
    """Takes commands from the command line while `serve` runs."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        with _short_path(path) as short:
            self._socket.bind(short)
        path.chmod(0o600)
        self._socket.listen(16)
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)

    def start(self) -> None:
        """Begin to take commands."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more commands; those that run are not waited for."""
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="control-command", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:

            def tell(document: Mapping[str, Any]) -> None:
                # Whoever asked may have gone away; the act goes on without an audience.
                with suppress(OSError):
                    connection.sendall(json.dumps(document).encode() + b"\n")

            def report(progress: Progress) -> None:
                tell({"progress": [progress.stage, progress.done, progress.total, progress.unit, progress.note]})

            line = stream.readline(LINE_BYTES_MAX)
            if not line:
                # Somebody looked whether we serve, and asked for nothing.
                return
            try:
                asked = json.loads(line)
                tell({"result": dict(self._handler(str(asked.get("act", "")), asked.get("with", {}), report))})
            except Exception as error:  # noqa: BLE001 - this door's one place: every failure becomes an answer
                tell({"error": error_document(error)})


def is_serving(path: Path) -> bool:
    """Say whether a `serve` answers on this control socket."""
    try:
        with _short_path(path) as short, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(short)
    except OSError:
        return False
    return True


def command(
    path: Path, act: str, told: Mapping[str, Any], report: Report, *, silence_seconds_max: float | None = None
) -> Mapping[str, Any]:
    """Have the running `serve` do an act; wait for its result.

    Raises:
        NotServing: nobody listens, or it went away before it answered.
        Relayed: the act failed there.
        TimeoutError: it said nothing for as long as ``silence_seconds_max``.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(silence_seconds_max)
        try:
            with _short_path(path) as short:
                connection.connect(short)
        except OSError as error:
            raise NotServing(act=act) from error
        with connection.makefile("rwb") as stream:
            for line in _answers(stream, act, told):
                document = json.loads(line)
                if "progress" in document:
                    report(Progress(*document["progress"]))
                elif "error" in document:
                    raise Relayed(document["error"])
                else:
                    result: Mapping[str, Any] = document["result"]
                    return result
    raise NotServing(act=act)


def _answers(stream: io.BufferedRWPair, act: str, told: Mapping[str, Any]) -> Iterator[bytes]:
    try:
        stream.write(json.dumps({"act": act, "with": dict(told)}).encode() + b"\n")
        stream.flush()
        yield from stream
    except ConnectionError as error:
        raise NotServing(act=act) from error
