"""Power cuts on a real file system: a home on a loop-mounted image, and a copy of that image taken while all is frozen.

What the kernel had not yet written to the image is in no copy of it, exactly as after a power cut. Needs root
and loop devices.
"""

import os
import subprocess
from contextlib import suppress
from pathlib import Path


class NoPowerToCut(Exception):
    """This machine cannot mount an image: not root, or no loop devices."""


def _run(*command: str | Path) -> str:
    return subprocess.run([str(part) for part in command], check=True, text=True, stdout=subprocess.PIPE).stdout


def can_cut() -> bool:
    """Tell whether images can be mounted here."""
    return os.geteuid() == 0 and Path("/dev/loop-control").exists()


def can_mount() -> bool:
    """Tell whether this process may mount file systems at all."""
    return os.geteuid() == 0


class Memory:
    """A small file system in memory that can be filled to the last byte."""

    def __init__(self, mount: Path, megabytes: int) -> None:
        self.mount = mount
        self._filler = mount / "filler"
        mount.mkdir()
        _run("/usr/bin/mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", mount)

    def fill(self, left: int) -> None:
        """Take all the room but so many bytes."""
        while True:
            facts = os.statvfs(self.mount)
            with self._filler.open("wb") as file, suppress(OSError):
                # Whoever works there may take some of it meanwhile.
                os.posix_fallocate(file.fileno(), 0, facts.f_bavail * facts.f_frsize - left // 4096 * 4096)
                return

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    def remove(self) -> None:
        """Unmount; whoever still works there must be gone."""
        _run("/usr/bin/umount", self.mount)


class Disk:
    """An ext4 file system in an image file, mounted while the block lasts."""

    def __init__(self, folder: Path, megabytes: int = 1500) -> None:
        self.mount = folder / "disk"
        self.mount.mkdir()
        self._image = folder / "disk.image"
        with self._image.open("wb") as file:
            file.truncate(megabytes << 20)
        _run("/usr/sbin/mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard", self._image)
        self._device = ""
        self._attach()

    def _attach(self) -> None:
        try:
            self._device = _run("/usr/sbin/losetup", "--find", "--show", self._image).strip()
            # The journal commits when asked and not every five seconds, so that a cut finds much that is unwritten.
            _run("/usr/bin/mount", "-o", "commit=300", self._device, self.mount)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            raise NoPowerToCut(str(error)) from error

    def _detach(self) -> None:
        _run("/usr/bin/umount", self.mount)
        _run("/usr/sbin/losetup", "--detach", self._device)
        self._device = ""

    def _written(self) -> tuple[str, str]:
        """Return what the device has written so far and what is on its way."""
        fields = Path(f"/sys/block/{Path(self._device).name}/stat").read_text().split()
        return fields[6], fields[8]

    def freeze_copy(self) -> Path:
        """Copy the image while nobody writes to it; the caller has stopped the programs.

        The kernel may write on its own during the copy; then the copy is no moment in time, and is made again.
        """
        copy = self._image.with_suffix(".copy")
        for _ in range(20):
            before = self._written()
            _run("/usr/bin/cp", "--reflink=never", "--sparse=always", self._image, copy)
            if before == self._written() and before[1] == "0":
                return copy
        raise AssertionError("the kernel never stopped writing")

    def restart_from(self, copy: Path) -> None:
        """Go on with the copied disk, as the machine would after the cut; every program must be gone."""
        self._detach()
        copy.replace(self._image)
        self._attach()

    def remove(self) -> None:
        """Unmount and let go of the device."""
        if self._device:
            self._detach()
