"""What is told of an answer that fails on its way."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from safelight.core.errors import IntegrityError
from safelight.gateway.dicomweb.faults import refused
from safelight.gateway.dicomweb.streaming import GATHERED_BYTES, Conversation, PeerGone, Threads, WebAnswer
from safelight.vault.pack_format import DigestMismatch


def _damaged() -> Iterator[bytes]:
    yield bytes(GATHERED_BYTES)
    raise DigestMismatch(digest="3fa1")


def _answered(body: Iterator[bytes], *, leaves: bool) -> tuple[list[BaseException], list[str]]:
    """Answer a peer with this body; return what was noted as failed and what the peer was sent."""
    noted: list[BaseException] = []
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if leaves and message["type"] == "http.response.body":
            raise ConnectionResetError

    def handler(conversation: Conversation) -> WebAnswer:
        del conversation
        return WebAnswer(200, "application/dicom", body)

    async def run() -> None:
        threads = Threads(refused, noted.append)
        try:
            await threads.run(handler, receive, send)
        finally:
            threads.stop()

    with pytest.raises((IntegrityError, PeerGone)):
        asyncio.run(run())
    return noted, sent


@pytest.mark.parametrize("leaves", [True, False])
def test_damage_that_is_found_midway_is_told_as_damage_also_where_the_peer_leaves(leaves: bool) -> None:
    noted, sent = _answered(_damaged(), leaves=leaves)
    assert [type(one) for one in noted] == [DigestMismatch]
    # Half an answer does not look like a whole one: it never ends.
    assert sent == ["http.response.start", "http.response.body"]


def test_a_peer_that_leaves_is_told_as_that() -> None:
    noted, _ = _answered(iter([bytes(GATHERED_BYTES)] * 3), leaves=True)
    assert [type(one) for one in noted] == [PeerGone]
