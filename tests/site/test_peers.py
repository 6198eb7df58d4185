from pathlib import Path

import pytest

from safelight.core.disk import RealDisk
from safelight.core.names import AETitle, BadAETitle, BadPeerAddress, Peer
from safelight.site.peers import BadPeers, UnknownPeer, find_peer, forget_peer, name_peer, read_peers


def test_a_named_peer_is_found_by_its_title(tmp_path: Path) -> None:
    file = tmp_path / "peers.toml"
    for text in ("PACS@10.0.0.1:104", 'A"B@[::1]:11112', "PACS@10.0.0.2:104"):
        name_peer(RealDisk(), file, Peer.parse(text))
    assert find_peer(file, "PACS") == Peer(AETitle("PACS"), "10.0.0.2", 104)
    assert find_peer(file, 'A"B').host == "::1"
    assert str(find_peer(file, 'A"B')) == 'A"B@[::1]:11112'


def test_a_title_that_nobody_named_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "peers.toml"
    with pytest.raises(UnknownPeer):
        find_peer(file, "PACS")
    with pytest.raises(UnknownPeer):
        forget_peer(RealDisk(), file, AETitle("PACS"))


def test_a_forgotten_peer_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "peers.toml"
    name_peer(RealDisk(), file, Peer.parse("PACS@10.0.0.1:104"))
    forget_peer(RealDisk(), file, AETitle("PACS"))
    assert read_peers(file) == {}


@pytest.mark.parametrize("text", ["[peers\n", "[peers]\nA = 3\n", "peers = 3\n", "[peers]\nA = 'h:0'\n"])
def test_a_file_that_was_broken_by_hand_is_told_apart_from_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "peers.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadPeers):
        read_peers(file)


@pytest.mark.parametrize(
    "text", ["", "A", "A@h", "A@h:", "A@:1", "A@h:0", "A@h:65536", "A@h:x", "@h", "A@h:-1", "A@h:١"]
)
def test_an_address_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(BadPeerAddress):
        Peer.parse(text)


@pytest.mark.parametrize("text", ["", "    ", "A" * 17, "A\\B", "Ä", "A\tB"])
def test_a_title_that_the_standard_does_not_allow_is_refused(text: str) -> None:
    with pytest.raises(BadAETitle):
        AETitle.parse(text)
