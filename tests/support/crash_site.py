"""A whole site whose power can be cut: at every call of its disk, and at every commit of its databases.

It runs in one thread and one process, the packer's code included, so that cut number n is the same place every time.
A journal that commits with synchronous FULL keeps all that it committed; a catalog that commits with NORMAL may
lose the end of its write-ahead log, as it may after a real power cut.
"""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, event

from safelight.core.disk import Disk
from safelight.site.home import Home, locked
from safelight.site.opened import Site
from safelight.site.packer import Packer, PackerSettings, PackOrder, PackOutcome
from safelight.site.packing import Answer, Tell
from support.crash_disk import CrashDisk, PowerCut

SQLITE_MAGIC: Final = b"SQLite format 3\0"
FULL: Final = 2


class PackingHere:
    """The packer's own code in the thread that gives the order, on the disk whose power is cut."""

    under_way = 0

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __call__(self, settings: PackerSettings, answer: Answer, packers: int) -> Self:
        self._settings = settings
        self._answer = answer
        return self

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, order: PackOrder, tell: Tell) -> None:
        """Do the order and tell of it."""
        pipe = _Pipe(order, self._answer)
        Packer(self._settings, pipe, self._disk).work()
        assert pipe.outcome is not None
        tell(order, pipe.outcome)

    def wait(self) -> None:
        """Everything was done when it was submitted."""

    def stop(self) -> None:
        """Nothing to stop."""


class _Pipe:
    """Both ends of a packer's pipe, for one order."""

    def __init__(self, order: PackOrder, answer: Answer) -> None:
        self._coming: list[object] = [order]
        self._answer = answer
        self.outcome: PackOutcome | None = None

    def recv(self) -> object:
        if not self._coming:
            raise EOFError
        return self._coming.pop()

    def poll(self) -> bool:
        return bool(self._coming)

    def send(self, said: Any) -> None:
        if isinstance(said, PackOutcome):
            self.outcome = said
        else:
            self._coming.append(self._answer(said))


@dataclass
class _Databases:
    """What runs on SQLite while the machine is on."""

    disk: CrashDisk
    engines: list[Engine] = field(default_factory=list)
    durability: dict[Path, int] = field(default_factory=dict)

    def checkout(self, connection: Any, _record: object, _proxy: object) -> None:
        if self.disk.off:
            raise PowerCut
        path = _file_of(connection)
        configured = connection.execute("PRAGMA synchronous").fetchone()[0]
        if configured:
            # What the room asked for is noted; the waiting for the real device is spared.
            self.durability[path] = configured
            connection.execute("PRAGMA synchronous=OFF").close()
            connection.execute("PRAGMA wal_autocheckpoint=0").close()

    def begin(self, connection: Connection) -> None:
        if self.disk.off:
            raise PowerCut
        if all(connection.engine.pool is not engine.pool for engine in self.engines):
            self.engines.append(connection.engine)

    def commit(self, connection: Connection) -> None:
        if connection.get_execution_options().get("safelight_writes"):
            self.disk.commit(_file_of(connection.connection.dbapi_connection))

    def drop(self) -> None:
        """Close every connection of the program that died, without letting it tidy up."""
        for engine in self.engines:
            engine.dispose()


def _file_of(connection: Any) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])


class Machine:
    """One computer from power-on to the cut. Everything in its ``with`` sees its disk and its databases."""

    def __init__(self, root: Path, lies_about: Callable[[Path], bool] | None = None) -> None:
        self.root = root
        self.disk = CrashDisk()
        self.lies_about = lies_about
        self.journal_is_sure = True
        self._databases = _Databases(self.disk)
        self._sites = ExitStack()

    def __enter__(self) -> Self:
        self._listen(event.listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._listen(event.remove)

    def _listen(self, act: Callable[[Any, str, Any], None]) -> None:
        for name in ("checkout", "begin", "commit"):
            act(Engine, name, getattr(self._databases, name))

    def seam(self) -> Disk:
        """Return the disk that programs here write to."""
        if self.lies_about is None:
            return self.disk
        from support.crash_disk import FsyncLiar

        return FsyncLiar(self.disk, self.lies_about)

    @contextmanager
    def site(self) -> Iterator[Site]:
        """Open the home that lies in the root; it is closed in order unless the power goes."""
        seam = self.seam()
        home = Home.at(self.root / "home")
        self._sites.enter_context(locked(home))
        site = Site(home, self._sites, quiet=True, disk=seam, packing=PackingHere(seam))
        yield site
        site.close()

    def lose_power(self, seed: int) -> None:
        """Leave on the disk what a cut at this moment may leave."""
        images = {path: _Image.of(path) for path in self.root.rglob("*") if _is_database(path)}
        self.disk.off = True
        self._databases.drop()
        self._sites.close()
        for path, image in images.items():
            image.put_back(path)
        self.disk.lose_power(seed)
        chance = random.Random(f"databases {seed}")
        for path in sorted(images):
            sure = self._databases.durability.get(path) == FULL and self.journal_is_sure
            if path.exists() and not sure:
                _lose_end(_log_of(path), chance)


@dataclass(frozen=True)
class _Image:
    """A database and its write-ahead log at one moment."""

    data: bytes
    log: bytes | None

    @classmethod
    def of(cls, path: Path) -> Self:
        log = _log_of(path)
        return cls(path.read_bytes(), log.read_bytes() if log.exists() else None)

    def put_back(self, path: Path) -> None:
        # In place: the disk knows the file by its inode.
        path.write_bytes(self.data)
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        _log_of(path).unlink(missing_ok=True)
        if self.log is not None:
            _log_of(path).write_bytes(self.log)


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _is_database(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _lose_end(log: Path, chance: random.Random) -> None:
    if log.exists():
        size = log.stat().st_size
        with log.open("r+b") as file:
            file.truncate(chance.choice((0, size // 2, chance.randint(0, size), size)))


def journal_entries(home: Path) -> dict[int, bytes]:
    """Return the hash of every entry that was committed, read by SQLite alone."""
    connection = sqlite3.connect(f"{(home / 'journal.db').as_uri()}?mode=ro", uri=True)
    try:
        return dict(connection.execute("SELECT position, hash FROM entry").fetchall())
    except sqlite3.OperationalError:
        return {}
    finally:
        connection.close()


def copy_machine(source: Path, target: Path) -> Path:
    """Copy a home and its second placement to another place."""
    shutil.copytree(source, target)
    settings = target / "home" / "safelight.toml"
    settings.write_text(settings.read_text().replace(str(source), str(target)))
    return target
