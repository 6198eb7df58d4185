"""The application entities that this home knows by name."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from safelight.core.disk import Disk, write_file
from safelight.core.errors import UsageError
from safelight.core.names import AETitle, Peer


class UnknownPeer(UsageError):
    """No peer with this AE title was named to us."""

    code: ClassVar[str] = "gateway.unknown-peer"
    hint: ClassVar[str] = "Name it: safelight gateway peer add AET HOST:PORT; or write AET@HOST:PORT."


class BadPeers(UsageError):
    """peers.toml was changed by hand into something we cannot read."""

    code: ClassVar[str] = "gateway.bad-peers"
    hint: ClassVar[str] = 'Each line reads  "AET" = "HOST:PORT"  under [peers]; mend or remove the file.'


def read_peers(path: Path) -> Mapping[str, Peer]:
    """Return the named peers by AE title.

    Raises:
        BadPeers: the file is not what `name_peer` writes.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return {title: Peer.parse(f"{title}@{address}") for title, address in document.get("peers", {}).items()}
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, UsageError) as error:
        raise BadPeers(file=str(path)) from error


def name_peer(disk: Disk, path: Path, peer: Peer) -> None:
    """Remember a peer; a peer of the same title is replaced."""
    _write(disk, path, {**read_peers(path), peer.title.text: peer})


def forget_peer(disk: Disk, path: Path, title: AETitle) -> None:
    """Forget a peer.

    Raises:
        UnknownPeer: there is none with this title.
    """
    peers = dict(read_peers(path))
    if title.text not in peers:
        raise UnknownPeer(title=title.text)
    del peers[title.text]
    _write(disk, path, peers)


def find_peer(path: Path, text: str) -> Peer:
    """Return the peer meant by ``AET@HOST:PORT`` or by the title of a named one.

    Raises:
        UnknownPeer: a title alone that nobody named.
    """
    if "@" in text:
        return Peer.parse(text)
    peers = read_peers(path)
    if text not in peers:
        raise UnknownPeer(title=text)
    return peers[text]


def _write(disk: Disk, path: Path, peers: Mapping[str, Peer]) -> None:
    lines = [f"{json.dumps(title)} = {json.dumps(peers[title].address)}" for title in sorted(peers)]
    text = "# Written by: safelight gateway peer add AET HOST:PORT\n[peers]\n" + "\n".join(lines) + "\n"
    write_file(disk, path, text.encode())
