"""One TCP connection with the machine of its association: the only place that reads and writes the socket.

DCMTK leaves Nagle's algorithm on and writes a PDU as header and body. The body then waits for our
acknowledgment, which the kernel delays by 40 ms; asking for quick acknowledgment around every read cures
this from our side alone.
"""

import contextlib
import select
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Final

from safelight.core.clock import Clock
from safelight.core.errors import PeerError
from safelight.wire.dicom.events import Happening
from safelight.wire.dicom.upper_layer import UpperLayer
from safelight.wire.dicom.upper_layer_table import State

_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)
_PIECES_A_CALL: Final = 1_000


class PeerSilent(PeerError):
    """A peer said nothing, or nothing whole, for longer than we wait."""

    code: ClassVar[str] = "gateway.peer-silent"
    hint: ClassVar[str] = "Look at the peer and the network; if it is only slow, raise the time in the settings."


class Connection:
    """A socket and the `UpperLayer` it feeds. Used by one thread; `interrupt` by any."""

    def __init__(self, connected: socket.socket, machine: UpperLayer, clock: Clock) -> None:
        self.machine = machine
        self._socket = connected
        self._clock = clock
        self._is_tcp = connected.family in (socket.AF_INET, socket.AF_INET6)
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)
        self._pdus_seen = 0
        self._pdu_since = clock.elapsed()
        self._timeout: timedelta | None = None
        self._sent = True
        self._interrupted = False
        if self._is_tcp:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def elapsed(self) -> timedelta:
        """The time on the clock that silences are measured by."""
        return self._clock.elapsed()

    def event(self, idle: timedelta, whole: timedelta) -> Happening | None:
        """Wait for the next event; None when the association is over and there is nothing to tell.

        ``idle`` bounds the silence between two reads, ``whole`` the time from the beginning of a PDU to its end.

        Raises:
            PeerSilent: either time passed.
        """
        while True:
            happened = self.machine.next_event()
            if happened is not None:
                return happened
            self.flush()
            if self.machine.close_wanted:
                return None
            self._read(idle, whole)

    def event_at_hand(self, idle: timedelta, whole: timedelta) -> Happening | None:
        """Return the next event if what the peer has sent by now makes one, else None."""
        happened = self.machine.next_event()
        while happened is None and not self.machine.close_wanted and self.has_more():
            self._read(idle, whole)
            happened = self.machine.next_event()
        return happened

    def has_more(self) -> bool:
        """Whether the peer has sent more that can be read without waiting."""
        return bool(self._poll.poll(0))

    def wait_for_more(self, span: timedelta) -> bool:
        """Wait until the peer has sent more, or for so long; return whether it has."""
        return bool(self._poll.poll(span.total_seconds() * 1000))

    def flush(self) -> None:
        """Send what the machine has to say. A connection that is gone is noticed by the next read."""
        out = self.machine.outgoing()
        if out:
            with contextlib.suppress(OSError):
                self.send_pieces(out)

    def send_pieces(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Send all buffers, in order, without joining them.

        Raises:
            PeerSilent: the peer takes nothing any more.
            OSError: the connection is gone.
        """
        self._sent = True
        waiting = [piece for piece in pieces if len(piece)]
        at = 0
        while at < len(waiting):
            try:
                sent = self._socket.sendmsg(waiting[at : at + _PIECES_A_CALL])
            except TimeoutError:
                raise PeerSilent(waited_for="room to send") from None
            while sent:
                size = len(waiting[at])
                if sent < size:
                    waiting[at] = memoryview(waiting[at])[sent:]
                    break
                sent -= size
                at += 1

    def close(self, artim: timedelta) -> None:
        """Send the last words, let the peer close first for as long as ARTIM allows, and close.

        Closing at once while the peer still sends would reset the connection, and the peer would then lose
        the very A-ABORT that tells it why.
        """
        machine = self.machine
        with contextlib.suppress(OSError, PeerSilent):
            self.flush()
            deadline = self._clock.elapsed() + artim
            while machine.artim_running and not machine.close_wanted:
                left = deadline - self._clock.elapsed()
                if left <= timedelta(0):
                    machine.artim_expired()
                    break
                self._read(left, left)
                while machine.next_event() is not None:
                    pass
                self.flush()
        self._socket.close()

    def interrupt(self) -> None:
        """Have the thread that waits on this connection abort the association."""
        self._interrupted = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def _read(self, idle: timedelta, whole: timedelta) -> None:
        machine = self.machine
        wait = idle
        if machine.is_amid_pdu:
            if machine.pdus_received != self._pdus_seen:
                self._pdus_seen = machine.pdus_received
                self._pdu_since = self._clock.elapsed()
            wait = min(idle, self._pdu_since + whole - self._clock.elapsed())
            if wait <= timedelta(0):
                raise PeerSilent(waited_for="the rest of a PDU")
        else:
            self._pdu_since = self._clock.elapsed()
        if wait != self._timeout:
            self._socket.settimeout(wait.total_seconds())
            self._timeout = wait
        if self._sent:
            self._acknowledge_quickly()
            self._sent = False
        try:
            count = self._socket.recv_into(machine.buffer())
        except TimeoutError:
            raise PeerSilent(waited_for="the rest of a PDU" if machine.is_amid_pdu else "a message") from None
        except OSError:
            count = 0
        if count:
            self._acknowledge_quickly()
            machine.feed(count)
        elif self._interrupted and machine.state not in (State.STA1, State.STA2, State.STA13):
            machine.abort()
        else:
            machine.transport_closed()

    def _acknowledge_quickly(self) -> None:
        # The kernel falls back to delayed acknowledgment by itself, so this is asked for again and again.
        if self._is_tcp and _QUICKACK is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
