"""A folder, or a mount, as a placement of packs."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from safelight.core.disk import Disk, DiskFailed, RealDisk, make_directory, write_file
from safelight.core.instance import ByteSource
from safelight.vault.pack_draft import PackUnreadable, verify_shallow
from safelight.vault.pack_format import PACK_SUFFIX, PackDamaged, place_of
from safelight.vault.placement import CopyDamaged, CopyMissing, CopyUnreadable, PlacementForeign, PlacementMissing

MARKER: Final = "safelight-placement.json"
PACKS: Final = "packs"
_READ_BYTES: Final = 1 << 20
_NAME_LENGTH: Final = 64


class FolderPlacement:
    """Packs below ``directory/packs``; a marker tells an unmounted or foreign folder from ours."""

    def __init__(self, directory: Path, name: str, vault_id: str, disk: Disk) -> None:
        self.directory = directory
        self.name = name
        self._vault_id = vault_id
        self._disk = disk

    def __reduce__(self) -> tuple[type[Self], tuple[Path, str, str, Disk]]:
        """Cross to a worker process, which reads there."""
        return type(self), (self.directory, self.name, self._vault_id, RealDisk())

    @classmethod
    def create(cls, directory: Path, name: str, vault_id: str, disk: Disk, beside: Mapping[str, bytes]) -> Self:
        """Make a folder a placement of this vault, with the files that lie beside the packs. Harmless when repeated.

        Raises:
            PlacementForeign: it belongs to another vault.
            DiskFull, DiskFailed: it cannot be written.
        """
        try:
            make_directory(disk, directory / PACKS)
        except OSError as error:
            raise DiskFailed(where=str(directory), error=error.strerror or "unknown") from error
        placement = cls(directory, name, vault_id, disk)
        if not (directory / MARKER).exists():
            marker = {"format": "safelight-placement", "version": 1, "vault": vault_id, "name": name}
            write_file(disk, directory / MARKER, json.dumps(marker, indent=2).encode() + b"\n")
        placement.prove()
        for file, content in beside.items():
            path = directory / file
            if not path.is_file() or path.read_bytes() != content:
                write_file(disk, path, content)
        return placement

    @staticmethod
    def is_unused(directory: Path) -> bool:
        """Say whether nothing lies here but what `create` leaves when it is cut short, or `mkfs`."""
        if not directory.exists():
            return True
        names = {path.name for path in directory.iterdir()}
        return names <= {PACKS, MARKER + ".draft", "lost+found"} and not any((directory / PACKS).glob("*"))

    def prove(self) -> None:
        """Return when this is the placement it was.

        Raises:
            PlacementMissing: the marker is not there.
            PlacementForeign: it names another vault.
        """
        try:
            marker = json.loads((self.directory / MARKER).read_bytes())
            vault_id = marker["vault"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PlacementMissing(placement=self.name, directory=str(self.directory)) from error
        if vault_id != self._vault_id:
            raise PlacementForeign(placement=self.name, directory=str(self.directory))

    def names(self, changed_since: datetime | None = None) -> Iterator[str]:
        """Give every pack that lies here, in order of its name."""
        self.prove()
        since = changed_since.timestamp() if changed_since else 0.0
        for folder in sorted(path for path in (self.directory / PACKS).iterdir() if path.is_dir()):
            if folder.stat().st_mtime < since:
                continue
            for path in sorted(folder.iterdir()):
                name = path.name.removesuffix(PACK_SUFFIX)
                if len(name) == _NAME_LENGTH and path.name.endswith(PACK_SUFFIX) and name.startswith(folder.name):
                    yield name

    def put(self, pack: str, source: ByteSource) -> None:
        """Write a copy, make it durable, read it back and compare (invariant I4). A good copy that is there stays."""
        self.prove()
        place = self._path(pack)
        if place.exists():
            try:
                self._compare(place, pack)
            except (CopyDamaged, CopyUnreadable):
                self.quarantine(pack)
            else:
                # It may have been renamed and not yet synced when we stopped last time.
                self._disk.sync_directory(place.parent)
                return
        make_directory(self._disk, place.parent)
        draft = place.with_name(place.name + ".draft")
        self._disk.remove(draft)
        self._write(draft, pack, source)
        try:
            self._compare(draft, pack)
        except CopyDamaged:
            self._disk.remove(draft)
            raise
        self._disk.rename(draft, place)
        self._disk.sync_directory(place.parent)

    def open(self, pack: str) -> "OpenCopy":
        """Return the bytes of a copy, read in ranges."""
        try:
            return OpenCopy(self._path(pack), pack, self.name)
        except FileNotFoundError as error:
            self.prove()
            raise CopyMissing(pack=pack, placement=self.name) from error
        except OSError as error:
            raise CopyUnreadable(pack=pack, placement=self.name, error=error.strerror or "unknown") from error

    def verify(self, pack: str) -> int:
        """Read a copy from the device and compare it with its name; return its size."""
        return self._compare(self._path(pack), pack)

    def quarantine(self, pack: str) -> None:
        """Set a bad copy aside under its own name and a number."""
        self.prove()
        place = self._path(pack)
        aside = self.directory / "quarantine"
        make_directory(self._disk, aside)
        number = 1
        while (target := aside / f"{pack}.{number}{PACK_SUFFIX}").exists():
            number += 1
        if place.exists():
            self._disk.rename(place, target)
            self._disk.sync_directory(aside)
            self._disk.sync_directory(place.parent)

    def free_bytes(self) -> int:
        """Return the space left; 0 where the folder is gone."""
        try:
            facts = os.statvfs(self.directory)
        except OSError:
            return 0
        return facts.f_bavail * facts.f_frsize

    def _path(self, pack: str) -> Path:
        return self.directory / PACKS / place_of(pack)

    def _write(self, draft: Path, pack: str, source: ByteSource) -> None:
        hasher = hashlib.sha256()
        descriptor = self._disk.create(draft)
        try:
            for offset in range(0, source.size, _READ_BYTES):
                piece = source.read(offset, _READ_BYTES)
                hasher.update(piece)
                self._disk.write(descriptor, piece, offset)
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)
        if hasher.hexdigest() != pack:
            self._disk.remove(draft)
            raise CopyDamaged(pack=pack, placement="source")

    def _compare(self, path: Path, pack: str) -> int:
        try:
            return verify_shallow(path, pack)
        except PackDamaged as error:
            raise CopyDamaged(pack=pack, placement=self.name) from error
        except PackUnreadable as error:
            if path.exists():
                raise CopyUnreadable(placement=self.name, **error.facts) from error
            # Of an unmounted folder every copy would seem to be missing.
            self.prove()
            raise CopyMissing(placement=self.name, **error.facts) from error


class OpenCopy:
    """The bytes of one copy; the file is closed when nobody refers to it."""

    def __init__(self, path: Path, pack: str, placement: str) -> None:
        self._pack = pack
        self._placement = placement
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from ``offset``, fewer only past the end.

        Raises:
            CopyUnreadable: the device does not give them.
        """
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise CopyUnreadable(
                pack=self._pack, placement=self._placement, error=error.strerror or "unknown"
            ) from error

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
