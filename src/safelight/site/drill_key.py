"""The offline recovery key, put to the proof: alone, without the node's key, it opens a pack at every placement.

This runs where the words are typed. The key is held in memory while the packs are tried; it crosses no socket, is
written to no file, and no part of it is recorded.
"""

import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from safelight.core.clock import SystemClock, to_text
from safelight.core.disk import RealDisk
from safelight.core.errors import SafelightError, UsageError
from safelight.media.folder import FolderPlacement
from safelight.site.home import Home
from safelight.site.opened import HOME, SECOND
from safelight.vault.age import Identity
from safelight.vault.keys import load_identity, load_public_keys
from safelight.vault.pack_reader import PackReader, verify_deep
from safelight.vault.placement import Placement
from safelight.vault.recovery_key import from_words


class NotTheRecoveryKey(UsageError):
    """This is a key, and not the one that this vault's packs can be opened with."""

    code: ClassVar[str] = "drill.not-the-recovery-key"
    hint: ClassVar[str] = "Fetch the sheet of this site: its public key stands in keys/recovery.pub of the home."


def key_of(home: Home, text: str) -> Identity:
    """Read what was typed: the 24 words, or the path of a file with the key or the words.

    Raises:
        BadRecoveryWords, KeyFileMissing, BadKey: it is no key.
        NotTheRecoveryKey: it is another one, such as the node's.
    """
    file = Path(text.strip()).expanduser()
    key = _from_file(file) if len(text.split()) == 1 else from_words(text)
    if key.recipient != load_public_keys(home.keys).recovery:
        raise NotTheRecoveryKey
    return key


def tried_copies(home: Home, key: Identity | None) -> list[dict[str, Any]]:
    """Try the key at every placement, and return what came of it as `drills.say` takes it; no key opens nothing."""
    return [_tried(placement, key) for placement in _placements(home)]


def _from_file(file: Path) -> Identity:
    try:
        words = file.read_text("ascii").split()
    except (OSError, UnicodeDecodeError):
        words = []
    return from_words(" ".join(words)) if len(words) > 1 and words[0].isalpha() else load_identity(file)


def _placements(home: Home) -> Iterator[Placement]:
    node = load_public_keys(home.keys).signing.key_id
    yield FolderPlacement(home.vault, HOME, node, RealDisk())
    if second := home.settings().vault.second:
        yield FolderPlacement(Path(second), SECOND, node, RealDisk())


def _tried(placement: Placement, key: Identity | None) -> dict[str, Any]:
    pack, opened_at, trouble = "", None, "the key did not come"
    try:
        packs = sorted(placement.names())
        # By lot: a drill that always opens the same pack proves that one pack.
        pack = secrets.choice(packs) if packs else ""
        if key is not None:
            opened_at, trouble = _opened(placement, pack, key) if pack else (None, "there is no pack")
    except SafelightError as error:
        trouble = error.code
    opened = to_text(opened_at) if opened_at else None
    return {"placement": placement.name, "pack": pack, "opened_at": opened, "trouble": trouble}


def _opened(placement: Placement, pack: str, key: Identity) -> tuple[datetime | None, str]:
    """Decode one thing out of a pack and compare its digest."""
    reader = PackReader(placement.open(pack), [key], placement.open)
    first = next(verify_deep(reader), None)
    if first is None:
        return None, "the pack is empty"
    if first.damage is not None:
        return None, first.damage.code
    return SystemClock().now(), ""
