"""Where messages go: destinations by name, with what they take and what they are granted."""

import json
import re
import threading
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from safelight.core.disk import Disk, write_file
from safelight.core.errors import SafelightError, UsageError
from safelight.core.names import BadPeerAddress
from safelight.gateway.hl7.forwarding import UNREADABLE, RefusalPolicy, is_for

CODES: Final = ("AE", "AR", "CE", "CR", UNREADABLE)
LANES_MAX: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class UnknownDestination(UsageError):
    """No destination of messages has this name."""

    code: ClassVar[str] = "gateway.hl7-unknown-destination"
    hint: ClassVar[str] = "List them: safelight gateway destination list. Add it: safelight gateway destination add."


class BadDestination(UsageError):
    """A destination of messages is written in a way that means nothing."""

    code: ClassVar[str] = "gateway.hl7-bad-destination"
    hint: ClassVar[str] = "A name of letters and digits, HOST:PORT, 1 to 32 lanes, limits as AE=3 (0: for ever)."


@dataclass(frozen=True, slots=True)
class Destination:
    """A system that gets messages from us."""

    name: str
    host: str
    port: int
    events: tuple[str, ...] = ()
    """Patterns as ``ORM^*``; none for every event."""
    lanes: int = 1
    """Connections at once; with more than one, order is kept for each patient."""
    answer_seconds: int = 30
    attempts_max: Mapping[str, int] = field(default_factory=dict)
    """How often a message is tried that is answered with a code; what is not named is as usual."""

    @classmethod
    def parse(cls, name: str, address: str, **more: Any) -> Self:
        """Read a destination as people write it.

        Raises:
            BadDestination, BadPeerAddress: it means nothing.
        """
        host, colon, port = address.rpartition(":")
        if not colon or not host or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise BadPeerAddress(given=address)
        made = cls(name, host.strip("[]"), int(port), **more)
        limits = made.attempts_max
        if not _NAME.fullmatch(name):
            raise BadDestination(name=name)
        if not 1 <= made.lanes <= LANES_MAX or made.answer_seconds < 1:
            raise BadDestination(name=name, lanes=made.lanes, answer_seconds=made.answer_seconds)
        if any(code not in CODES or type(limit) is not int or limit < 0 for code, limit in limits.items()):
            raise BadDestination(name=name, attempts=json.dumps(dict(limits)))
        return made

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def policy(self) -> RefusalPolicy:
        """What becomes of messages that it refuses."""
        return RefusalPolicy({**RefusalPolicy().attempts_max, **self.attempts_max})

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "name": self.name,
            "address": self.address,
            "events": list(self.events),
            "lanes": self.lanes,
            "answer_seconds": self.answer_seconds,
            "attempts": dict(self.attempts_max),
        }


def read_destinations(path: Path) -> dict[str, Destination]:
    """Return the destinations by name.

    Raises:
        BadDestination: the file is not what `name_destination` writes.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return {
            name: Destination.parse(
                name,
                told["address"],
                events=tuple(told.get("events", ())),
                lanes=told.get("lanes", 1),
                answer_seconds=told.get("answer_seconds", 30),
                attempts_max=told.get("attempts", {}),
            )
            for name, told in document.get("destination", {}).items()
        }
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, KeyError, TypeError, UsageError) as error:
        raise BadDestination(file=str(path), error=str(error)) from error


def name_destination(disk: Disk, path: Path, destination: Destination) -> None:
    """Remember a destination; one of the same name is replaced."""
    _write(disk, path, {**read_destinations(path), destination.name: destination})


def forget_destination(disk: Disk, path: Path, name: str) -> None:
    """Forget a destination; what waits for it stays in its queue.

    Raises:
        UnknownDestination: there is none of this name.
    """
    known = read_destinations(path)
    if name not in known:
        raise UnknownDestination(name=name)
    del known[name]
    _write(disk, path, known)


class Destinations:
    """The destinations as they are now; the file is read again when it changed."""

    def __init__(self, path: Path, failed: Callable[[SafelightError], None]) -> None:
        self._path = path
        self._failed = failed
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, Destination] = {}

    def all(self) -> Mapping[str, Destination]:
        """Return the destinations by name."""
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            return {}
        stamp = (facts.st_mtime_ns, facts.st_ino)
        with self._lock:
            if stamp != self._stamp:
                try:
                    self._known = read_destinations(self._path)
                except BadDestination as error:
                    # Those that were known stay known; the broken file is told.
                    self._failed(error)
                self._stamp = stamp
            return self._known

    def destinations_for(self, event: str) -> Sequence[str]:
        """Return who gets an event."""
        return [one.name for one in self.all().values() if is_for(one.events, event)]


def _write(disk: Disk, path: Path, destinations: Mapping[str, Destination]) -> None:
    lines = ["# Written by: safelight gateway destination add NAME HOST:PORT"]
    for name in sorted(destinations):
        told = destinations[name].document()
        attempts = ", ".join(f"{json.dumps(code)} = {limit}" for code, limit in told["attempts"].items())
        lines += [
            f"[destination.{json.dumps(name)}]",
            f"address = {json.dumps(told['address'])}",
            f"events = {json.dumps(told['events'])}",
            f"lanes = {told['lanes']}",
            f"answer_seconds = {told['answer_seconds']}",
            f"attempts = {{ {attempts} }}",
        ]
    write_file(disk, path, ("\n".join(lines) + "\n").encode())
