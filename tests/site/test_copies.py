"""Copies are made by upkeep and by commands at the same time, and neither is in the way of the other."""

import threading
from pathlib import Path

from safelight.core.disk import RealDisk
from safelight.core.errors import SafelightError
from safelight.media.folder import FolderPlacement
from safelight.site.copies import Copies
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.sealing import seal_journal
from support.crash_acts import found_home


class _Interrupted(RealDisk):
    """A disk that lets somebody else make copies just before a draft gets its name."""

    def __init__(self) -> None:
        self.other: threading.Thread | None = None

    def rename(self, source: Path, target: Path) -> None:
        if self.other is not None and self.other.ident is None:
            self.other.start()
            self.other.join(1)
        super().rename(source, target)


def test_two_who_copy_the_same_pack_both_succeed(tmp_path: Path) -> None:
    found_home(tmp_path / "machine")
    with Site.open(Home.at(tmp_path / "machine" / "home")) as site:
        assert seal_journal(site) == 1
        disk, failures = _Interrupted(), list[BaseException]()
        second = site.placements[1]
        assert isinstance(second, FolderPlacement)
        placements = [site.placements[0], FolderPlacement(second.directory, second.name, site.node, disk)]
        copies = Copies(site.records, placements, site.clock, failures.append)
        disk.other = threading.Thread(target=copies.complete)
        copies.complete()
        disk.other.join()
        assert [str(one) for one in failures if isinstance(one, SafelightError)] == []
        assert site.catalog.packs_lacking(2) == []
        assert site.catalog.findings(code="vault.placement-unreachable", open_only=False) == []
