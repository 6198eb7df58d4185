"""A sealed segment: entries as they lie in the vault, chained, signed, readable with any text tool.

The first line says which node and which positions, then comes each entry's line, then a line with
the hash of the last entry and a signature over the format's name, a newline and the SHA-256 of
everything before that line.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from safelight.journal.entry import Entry, canonical, chain, read_line
from safelight.journal.errors import SegmentDamaged

FORMAT: Final = "safelight-journal-segment-1"


class Signer(Protocol):
    """Whoever signs for this node."""

    @property
    def key_id(self) -> str:
        """Name of the key."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over ``message``."""


class SignatureCheck(Protocol):
    """Tells whether a signature of a segment holds; it knows the public keys it trusts."""

    def __call__(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """Say whether ``signature`` over ``message`` is by the key of that name."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Entries ``first`` to ``last`` of one node, as bytes to be packed into the vault."""

    node: str
    first: int
    last: int
    previous: bytes
    """Hash of the entry before the first."""
    hash: bytes
    """Hash of the last entry."""
    content: bytes
    """The whole file."""

    @property
    def name(self) -> str:
        """How the segment is called inside its pack."""
        return f"journal-{self.first:012d}-{self.last:012d}.jsonl"

    def lines(self) -> Iterator[bytes]:
        """Give the entries' lines, in order."""
        yield from self.content.split(b"\n")[1:-2]

    def entries(self) -> Iterator[Entry]:
        """Give the entries with their hashes."""
        known = self.previous
        for line in self.lines():
            known = chain(known, line)
            yield read_line(line, known)


def seal_segment(node: str, previous: bytes, entries: list[tuple[int, bytes]], signer: Signer | None) -> Segment:
    """Write a segment from positions and lines that follow one another."""
    first, last = entries[0][0], entries[-1][0]
    head = {"first": first, "format": FORMAT, "last": last, "node": node, "previous": previous.hex()}
    known = previous
    for _, line in entries:
        known = chain(known, line)
    body = b"\n".join([canonical(head), *(line for _, line in entries), b""])
    message = _message(body)
    foot = {
        "hash": known.hex(),
        "key": signer.key_id if signer else "",
        "signature": signer.sign(message).hex() if signer else "",
    }
    return Segment(node, first, last, previous, known, body + canonical(foot) + b"\n")


def read_segment(content: bytes, check: SignatureCheck | None = None) -> Segment:
    """Read a segment and prove it: positions, chain, and the signature where ``check`` is given.

    Raises:
        SegmentDamaged: it is not what was sealed.
    """
    try:
        return _read(content, check)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SegmentDamaged(sha256=hashlib.sha256(content).hexdigest(), error=type(error).__name__) from error


def _bytes_of(text: str) -> bytes:
    """Read hexadecimal digits as we write them; a flipped bit that only makes a letter large is damage too."""
    value = bytes.fromhex(text)
    if value.hex() != text:
        raise ValueError("not in the form that is sealed")
    return value


def _message(body: bytes) -> bytes:
    return FORMAT.encode() + b"\n" + hashlib.sha256(body).digest()


def _read(content: bytes, check: SignatureCheck | None) -> Segment:
    parts = content.split(b"\n")
    if len(parts) < 4 or parts[-1]:
        raise ValueError("cut short")
    head, foot = json.loads(parts[0]), json.loads(parts[-2])
    if head["format"] != FORMAT or canonical(head) != parts[0] or canonical(foot) != parts[-2]:
        raise ValueError("not in the form that is sealed")
    segment = Segment(
        str(head["node"]),
        int(head["first"]),
        int(head["last"]),
        _bytes_of(head["previous"]),
        _bytes_of(foot["hash"]),
        content,
    )
    position, known = segment.first - 1, segment.previous
    for position, entry in enumerate(segment.entries(), segment.first):
        known = entry.hash
        if entry.position != position:
            raise ValueError("positions do not follow one another")
    if position != segment.last or known != segment.hash:
        raise ValueError("the chain does not end where it must")
    if check is not None:
        body = content[: len(content) - len(parts[-2]) - 1]
        if not check(str(foot["key"]), _message(body), _bytes_of(foot["signature"])):
            raise ValueError("the signature does not hold")
    return segment
