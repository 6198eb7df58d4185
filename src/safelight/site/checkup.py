"""Is this home sound? A look that changes nothing."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safelight.catalog.catalog import Catalog
from safelight.console.role import Role
from safelight.core.clock import SystemClock
from safelight.core.disk import RealDisk
from safelight.core.errors import SafelightError
from safelight.gateway.control import is_serving
from safelight.journal.journal import Journal
from safelight.media.folder import FolderPlacement
from safelight.site.account_file import accounts_of
from safelight.site.certificates import certificate_files, certificate_findings
from safelight.site.home import Home
from safelight.site.status import placements_of
from safelight.vault.keys import load_public_keys, load_secret_keys

Look = Callable[[Home], str]


def checkup(home: Home) -> list[dict[str, Any]]:
    """Return what was looked at, what was seen, and what to do where something must be mended."""
    looks: list[tuple[str, Look]] = [
        ("settings", _settings),
        ("keys", _keys),
        ("placements", _placements),
        ("free space", _space),
        ("journal", _journal),
        ("catalog", _catalog),
        ("console", _console),
        ("serve", _serving),
    ]
    return [_looked(home, what, look) for what, look in looks]


class _Mend(Exception):
    def __init__(self, told: str, hint: str) -> None:
        super().__init__(told)
        self.told = told
        self.hint = hint


def _looked(home: Home, what: str, look: Look) -> dict[str, Any]:
    try:
        return {"what": what, "ok": True, "told": look(home), "hint": ""}
    except SafelightError as error:
        return {"what": what, "ok": False, "told": str(error), "hint": error.hint}
    except _Mend as error:
        return {"what": what, "ok": False, "told": error.told, "hint": error.hint}


def _settings(home: Home) -> str:
    settings = home.settings()
    if settings.dicom.accept_any_ae:
        raise _Mend("any calling AE title may store here", "Set accept_any_ae = false unless this is a rehearsal.")
    return f"{settings.site.name}, {settings.dicom.ae_title} on port {settings.dicom.port}"


def _keys(home: Home) -> str:
    load_secret_keys(home.keys)
    public = load_public_keys(home.keys)
    loose = [file.name for file in home.keys.glob("*.key") if stat.S_IMODE(file.stat().st_mode) & 0o077]
    if loose:
        raise _Mend(f"others may read {', '.join(loose)}", f"chmod 600 {home.keys}/*.key")
    return f"signing key {public.signing.key_id}"


def _placements(home: Home) -> str:
    settings = home.settings()
    node = load_public_keys(home.keys).signing.key_id
    found = placements_of(home, settings)
    for name, directory in found:
        FolderPlacement(directory, name, node, RealDisk()).prove()
    if len(found) < settings.vault.copies_min:
        raise _Mend(f"{len(found)} of {settings.vault.copies_min} demanded", "Set vault.second in safelight.toml.")
    if len({_device(directory) for _, directory in found}) < len(found):
        raise _Mend("placements share one file system", "Give the second one a disk or mount of its own.")
    return ", ".join(name for name, _ in found)


def _device(directory: Path) -> int:
    return directory.stat().st_dev


def _space(home: Home) -> str:
    free = FolderPlacement(home.vault, "home", "", RealDisk()).free_bytes()
    if free < 2 * home.settings().vault.free_bytes_min:
        raise _Mend(
            f"{free / 1e9:.1f} GB free", "Free space before the reserve is reached and senders are told to wait."
        )
    return f"{free / 1e9:.1f} GB free"


def _journal(home: Home) -> str:
    node = load_public_keys(home.keys).signing.key_id
    journal = Journal.open(home.journal, SystemClock(), node, read_only=True)
    try:
        damage = journal.verify()
        last = journal.last()
    finally:
        journal.close()
    if damage:
        raise _Mend(f"{len(damage)} entries do not hold", "Run: safelight vault verify")
    return f"{last.position if last else 0:,} entries, chain whole"


def _catalog(home: Home) -> str:
    catalog = Catalog.open(home.catalog, read_only=True)
    try:
        faults = catalog.faults()
        tally = catalog.tally()
    finally:
        catalog.close()
    if faults:
        raise _Mend(faults[0], "Run: safelight catalog rebuild")
    return f"{tally.instances_landed:,} instances"


def _console(home: Home) -> str:
    settings = home.settings()
    if not settings.console.port:
        return "no screens: [console] port is 0"
    if not settings.console.login_required:
        raise _Mend(
            "anybody on this machine may use the screens", "Set login_required = true unless it is a rehearsal."
        )
    for finding in certificate_findings(home, settings):
        raise _Mend(finding["code"], finding["hint"])
    accounts = accounts_of(home)
    if not any(one.role is Role.PACS_ADMINISTRATOR for one in accounts.values()):
        raise _Mend("no PACS administrator can log in", "Run: safelight console account add")
    return f"{len(accounts)} accounts, certificate valid until {certificate_files(home, settings).facts().not_after:%F}"


def _serving(home: Home) -> str:
    if not is_serving(home.control_socket):
        raise _Mend("not running", f"Start it with: safelight serve --home {home.directory}")
    return "running"
