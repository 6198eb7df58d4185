"""Room to receive: the reserve of the disk that is left to packing, and what status says when it is reached."""

import os
from pathlib import Path
from typing import Any, Final

from safelight.site.finding_table import computed
from safelight.site.home import Home
from safelight.site.settings import Settings
from safelight.vault.landing import LandingFull

SHARE_OF_DISK: Final = 20


def free_bytes_min(directory: Path, settings: Settings) -> int:
    """Return the reserve on the file system of this directory: as set, and at most a twentieth of it."""
    facts = os.statvfs(directory)
    return min(settings.vault.free_bytes_min, facts.f_blocks * facts.f_frsize // SHARE_OF_DISK)


def full_disk_findings(home: Home, settings: Settings) -> list[dict[str, Any]]:
    """Say that senders are told to wait. It is computed, since a full disk takes no fact of the journal."""
    facts = os.statvfs(home.landing)
    free = facts.f_bavail * facts.f_frsize
    reserve = free_bytes_min(home.landing, settings)
    if free >= reserve:
        return []
    return [computed(LandingFull.code, "home", "critical", {"free_bytes": free, "free_bytes_min": reserve})]
