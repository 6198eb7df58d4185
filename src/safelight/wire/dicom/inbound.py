"""Cutting what a peer sends into PDUs, fragments and messages, without gathering data sets.

Bytes are read into a ring; but while a data-set fragment has 64 KB or more to come, they are read straight into
the memory of whoever keeps the data set. So a large data set is copied once, by the kernel.
Source: PS3.8 section 9.3.5 and Annex E (P-DATA-TF, message control header).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from safelight.wire.dicom.dimse import Command, decode_command
from safelight.wire.dicom.events import CommandReceived, DataSetReceived
from safelight.wire.dicom.faults import LimitExceeded, MalformedPdu, OutOfTurn
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.negotiation import AgreedContext
from safelight.wire.dicom.pdu import COMMAND_FLAG, DATA_HEADER, LAST_FLAG, PDU_HEADER, PDV_HEADER, AbortReason, PduType

_RING_BYTES: Final = 262_144
_DIRECT_BYTES_MIN: Final = 65_536

_DATA: Final = int(PduType.DATA)

_FIXED_BODY: Final = frozenset((PduType.ASSOCIATE_RJ, PduType.RELEASE_RQ, PduType.RELEASE_RP, PduType.ABORT))


class DataSetSink(Protocol):
    """Keeps one data set while it comes. Errors are the sink's own affair: these two must not raise."""

    def room(self) -> memoryview:
        """Return writable memory for the next bytes, at least one byte."""

    def filled(self, count: int) -> None:
        """Take the first ``count`` bytes of the last `room()` as the next bytes of the data set."""


class MemorySink:
    """A data set kept in memory: for identifiers, whose size is limited."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._room = bytearray(_DIRECT_BYTES_MIN)

    def room(self) -> memoryview:
        """Return a page that is used again and again."""
        return memoryview(self._room)

    def filled(self, count: int) -> None:
        """Append what was put in the page."""
        self._data += memoryview(self._room)[:count]

    @property
    def data(self) -> bytes:
        """The bytes so far."""
        return bytes(self._data)


@dataclass(frozen=True, slots=True)
class Whole:
    """One PDU that the state table has to judge: every type but a P-DATA-TF that is welcome.

    For an unwelcome P-DATA-TF the body is empty; its bytes are dropped as they come.
    """

    kind: int
    body: bytes


class Inbound:
    """The reading half of an association."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ring = bytearray(_RING_BYTES)
        self._ring_view = memoryview(self._ring)
        self._start = self._end = 0
        self._direct = False
        self._discarding = False
        self.pdus_received = 0
        self.welcome: Mapping[int, AgreedContext] | None = None
        """The contexts in which a P-DATA-TF may come now; None when none may come at all."""
        # The PDU at hand: a body that is gathered, one that is dropped, or a P-DATA-TF with its fragments.
        self._kind = 0
        self._body: bytearray | None = None
        self._body_left = 0
        self._drop_left = 0
        self._data_left = 0
        self._pdvs = 0
        # The fragment at hand.
        self._pdv_open = False
        self._pdv_left = 0
        self._pdv_flags = 0
        # The message at hand.
        self._context: AgreedContext | None = None
        self._command_set = bytearray()
        self._command: Command | None = None
        self._sink: DataSetSink | None = None
        self._sink_bytes_max = 0
        self._sink_limit = ""
        self._data_set_size = 0

    @property
    def has_unread(self) -> bool:
        """Whether the ring holds bytes that were not cut yet."""
        return self._end > self._start

    @property
    def is_amid_pdu(self) -> bool:
        """Whether a PDU has begun and is not complete."""
        return bool(self.has_unread or self._pdv_open or self._data_left or self._body is not None or self._drop_left)

    @property
    def is_amid_message(self) -> bool:
        """Whether a DIMSE message (or any PDU) has begun and is not complete."""
        return bool(self.is_amid_pdu or self._command_set or self._command is not None)

    def discard(self) -> None:
        """Drop everything from here on: after a broken PDU nobody knows where the next one begins."""
        self._discarding = True

    def buffer(self) -> memoryview:
        """Return where the next bytes go."""
        if self._start == self._end:
            self._start = self._end = 0
            if self._pdv_left >= _DIRECT_BYTES_MIN and self._sink is not None and not self._discarding:
                self._direct = True
                return self._sink.room()[: self._pdv_left]
        elif self._awaits_sink:
            raise OutOfTurn(part="a data set was announced and has no sink yet")
        elif self._start:
            rest = self._ring[self._start : self._end]
            self._ring[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        self._direct = False
        return self._ring_view[self._end :]

    def feed(self, count: int) -> None:
        """Take ``count`` bytes read into the last `buffer()`."""
        if self._direct:
            assert self._sink is not None
            self._sink.filled(count)
            self._pdv_left -= count
            self._data_left -= count
            self._data_set_size += count
            self._direct = False
        else:
            self._end += count

    def receive_into(self, sink: DataSetSink, bytes_max: int | None) -> None:
        """Say where the announced data set goes."""
        if not self._awaits_sink:
            raise OutOfTurn(part="no data set was announced")
        self._sink = sink
        self._sink_limit = "data_set_bytes_max" if bytes_max is None else "identifier_bytes_max"
        self._sink_bytes_max = self._limits.data_set_bytes_max if bytes_max is None else bytes_max

    def advance(self) -> Whole | CommandReceived | DataSetReceived | None:
        """Return the next thing that the bytes so far make up, or None.

        Raises:
            MalformedPdu: the bytes are no PDU.
            MalformedCommand: the bytes are no DIMSE message.
            LimitExceeded: the peer passed a bound.
        """
        while True:
            if self._discarding:
                self._start = self._end
                return None
            if self._pdv_open:
                if not self._take_fragment():
                    return None
                found = self._end_fragment()
                if found is not None:
                    return found
            elif self._data_left:
                if not self._open_fragment():
                    return None
            elif self._sink is not None and self._continue_data_set():
                continue
            elif self._body is not None:
                return self._take_body()
            elif self._drop_left:
                if not self._drop():
                    return None
            else:
                whole = self._open_pdu()
                if whole is not None:
                    return whole
                if not (self._data_left or self._body is not None or self._drop_left):
                    return None

    @property
    def _awaits_sink(self) -> bool:
        return self._command is not None and self._sink is None

    def _open_pdu(self) -> Whole | None:
        if self._end - self._start < PDU_HEADER.size:
            return None
        kind, length = PDU_HEADER.unpack_from(self._ring, self._start)
        self._start += PDU_HEADER.size
        limits = self._limits
        if kind == PduType.DATA:
            if self.welcome is None:
                self._drop_left = length
                return Whole(kind, b"")
            if length > limits.pdu_bytes_max:
                raise LimitExceeded(limit="pdu_bytes_max", value=limits.pdu_bytes_max, given=length)
            if not length:
                raise MalformedPdu(part="empty P-DATA-TF", reason=AbortReason.INVALID_PARAMETER)
            self._data_left = length
            self._pdvs = 0
            return None
        if kind not in PduType.__members__.values():
            raise MalformedPdu(part="PDU type", given=kind, reason=AbortReason.UNRECOGNIZED_PDU)
        if kind in _FIXED_BODY:
            if length != 4:
                raise MalformedPdu(part="PDU length", kind=kind, given=length, reason=AbortReason.INVALID_PARAMETER)
        elif length > limits.associate_bytes_max:
            raise LimitExceeded(limit="associate_bytes_max", value=limits.associate_bytes_max, given=length)
        self._kind = kind
        self._body = bytearray()
        self._body_left = length
        return None

    def _continue_data_set(self) -> bool:
        """Open a P-DATA-TF of one fragment that goes on with the data set: nearly every PDU there is.

        It says in one step what `_open_pdu` and `_open_fragment` say in two; whatever is unusual is left to them.
        """
        if self._end - self._start < DATA_HEADER.size or self.welcome is None or self._context is None:
            return False
        kind, length, pdv_length, context_id, flags = DATA_HEADER.unpack_from(self._ring, self._start)
        is_usual = (
            kind == _DATA
            and length == pdv_length + 4
            and pdv_length > 2
            and length <= self._limits.pdu_bytes_max
            and context_id == self._context.context_id
            and not flags & COMMAND_FLAG
            and self._data_set_size + pdv_length <= self._sink_bytes_max
        )
        if not is_usual:
            return False
        self._start += DATA_HEADER.size
        self._data_left = self._pdv_left = pdv_length - 2
        self._pdv_flags = flags
        self._pdv_open = True
        return True

    def _take_body(self) -> Whole | None:
        assert self._body is not None
        count = min(self._body_left, self._end - self._start)
        self._body += self._ring_view[self._start : self._start + count]
        self._start += count
        self._body_left -= count
        if self._body_left:
            return None
        whole = Whole(self._kind, bytes(self._body))
        self._body = None
        self.pdus_received += 1
        return whole

    def _drop(self) -> bool:
        count = min(self._drop_left, self._end - self._start)
        self._start += count
        self._drop_left -= count
        return not self._drop_left

    def _open_fragment(self) -> bool:
        """Read a fragment's header; False when it is not there yet, or its sink is not."""
        if self._end - self._start < PDV_HEADER.size:
            if self._data_left < PDV_HEADER.size:
                raise MalformedPdu(part="PDV header cut short", reason=AbortReason.INVALID_PARAMETER)
            return False
        if self._awaits_sink:
            return False
        length, context_id, flags = PDV_HEADER.unpack_from(self._ring, self._start)
        # The length counts the two bytes of context identifier and flags, not its own four.
        if length < 2 or length + 4 > self._data_left:
            raise MalformedPdu(part="PDV length", given=length, reason=AbortReason.INVALID_PARAMETER)
        self._pdvs += 1
        if self._pdvs > self._limits.pdvs_per_pdu_max:
            raise LimitExceeded(limit="pdvs_per_pdu_max", value=self._limits.pdvs_per_pdu_max)
        self._start += PDV_HEADER.size
        self._data_left -= PDV_HEADER.size
        self._pdv_left = length - 2
        self._pdv_flags = flags
        self._pdv_open = True
        self._check_fragment(context_id)
        return True

    def _check_fragment(self, context_id: int) -> None:
        context = self.welcome.get(context_id) if self.welcome is not None else None
        if context is None:
            raise MalformedPdu(part="context not agreed", context=context_id, reason=AbortReason.INVALID_PARAMETER)
        is_command = bool(self._pdv_flags & COMMAND_FLAG)
        if is_command == (self._command is not None):
            part = "command amid a data set" if is_command else "data set without a command"
            raise MalformedPdu(part=part, context=context_id, reason=AbortReason.UNEXPECTED_PARAMETER)
        if (self._command is not None or self._command_set) and context is not self._context:
            raise MalformedPdu(part="context changed", context=context_id, reason=AbortReason.UNEXPECTED_PARAMETER)
        self._context = context
        if is_command:
            limit, size, name = self._limits.command_bytes_max, len(self._command_set), "command_bytes_max"
        else:
            limit, size, name = self._sink_bytes_max, self._data_set_size, self._sink_limit
        if size + self._pdv_left > limit:
            raise LimitExceeded(limit=name, value=limit)

    def _take_fragment(self) -> bool:
        """Move what the ring has of the fragment; True when the fragment is complete."""
        left, start = self._pdv_left, self._start
        while left:
            count = min(left, self._end - start)
            if not count:
                break
            if self._pdv_flags & COMMAND_FLAG:
                self._command_set += self._ring_view[start : start + count]
            else:
                assert self._sink is not None
                room = self._sink.room()
                count = min(count, len(room))
                room[:count] = self._ring_view[start : start + count]
                self._sink.filled(count)
                self._data_set_size += count
            start += count
            left -= count
        self._data_left -= self._pdv_left - left
        self._pdv_left, self._start = left, start
        return not left

    def _end_fragment(self) -> CommandReceived | DataSetReceived | None:
        self._pdv_open = False
        if not self._data_left:
            self.pdus_received += 1
        if not self._pdv_flags & LAST_FLAG:
            return None
        context = self._context
        assert context is not None
        if self._pdv_flags & COMMAND_FLAG:
            command = decode_command(bytes(self._command_set))
            self._command_set.clear()
            if command.has_data_set:
                self._command = command
                self._data_set_size = 0
            return CommandReceived(context, command)
        assert self._command is not None
        complete = DataSetReceived(context, self._command, self._data_set_size)
        self._command = self._sink = None
        return complete
