"""Ports for programs that are started a moment later: no two processes of this machine are given the same."""

import errno
import socket
import threading
from collections.abc import Iterator
from typing import Final

FIRST: Final = 16_384
BEHIND_LAST: Final = 32_768
"""From here on Linux gives ports to whoever connects: one that is free now may be taken before a program listens."""
BLOCK: Final = 128

_lock = threading.Lock()
_held: list[socket.socket] = []


def free_port() -> int:
    """Return a port on which nobody listens, and that nobody else who asks here is given while this process runs.

    Raises:
        OSError: none is left.
    """
    with _lock:
        port = next(_ports, None)
    if port is None:
        raise OSError(errno.EADDRINUSE, "no port is free")
    return port


def _own_ports() -> Iterator[int]:
    """Go through blocks of ports; whoever keeps the first port of a block bound has the others for itself."""
    for start in range(FIRST, BEHIND_LAST, BLOCK):
        held = _bound(start)
        if held is None:
            continue
        _held.append(held)
        for port in range(start + 1, start + BLOCK):
            probe = _bound(port)
            if probe is not None:
                probe.close()
                yield port


def _bound(port: int) -> socket.socket | None:
    one = socket.socket()
    try:
        # To every address, as the programs do that will listen here.
        one.bind(("", port))
    except OSError:
        one.close()
        return None
    return one


_ports: Final = _own_ports()
