"""The packer: a program of its own that turns instances into sealed packs.

It runs in a worker process, knows only public keys, opens no database, and speaks through one pipe with the process
that started it (`safelight.site.packing`). A codec that crashes on hostile pixels takes this process down and
nothing else: the order is then done again without image codecs.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from safelight.core.disk import Disk
from safelight.core.errors import ResourceError, SafelightError, StateError
from safelight.core.instance import ByteSource, Head, LayoutKind, MemorySource, PixelLayout, Receipt, Wrapper
from safelight.protection.seed_bytes import SourceChanged, digest_of
from safelight.site.heads import head_of, read_head
from safelight.site.order_memory import IN_MEMORY_BYTES_MAX, OrderMemory
from safelight.vault.age import Recipient
from safelight.vault.anatomy import CutLimits, pixel_digest
from safelight.vault.coding import Profile
from safelight.vault.pack_format import PackItem, PixelReference, SealedPack
from safelight.wire.dicom.dataset import is_cut_short

if TYPE_CHECKING:
    from safelight.vault.pack_writer import PackWriter


@dataclass(frozen=True, slots=True)
class Landed:
    """An instance in the landing log, of which the packer reads the head."""

    digest: bytes
    wrapper: Wrapper
    transfer_syntax: str
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Unread:
    """An instance of which the packer reads head and digest; it must still be the one that was surveyed."""

    study: str
    series: str
    instance: str
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class PackTask:
    """One instance to pack: ``size`` bytes of a file from ``offset``."""

    path: str
    offset: int
    size: int
    item: PackItem | Landed | Unread


@dataclass(frozen=True, slots=True)
class PackOrder:
    """Instances that become one pack."""

    tasks: tuple[PackTask, ...]
    plain: bool = False
    """Without image codecs: after one of them crashed."""


class PackingStopped(StateError):
    """No more packs are made: we are stopping."""

    code: ClassVar[str] = "vault.packing-stopped"
    hint: ClassVar[str] = "Nothing is lost: what waits in the landing log is packed after the next start."


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tells a packer to leave the order that it has undone, as soon as it is between two instances."""


@dataclass(frozen=True, slots=True)
class PackerSettings:
    """What a packer is told once, at its start."""

    packs: str
    recipients: tuple[str, ...]
    profile: str
    frame_bytes_max: int


@dataclass(frozen=True, slots=True)
class PixelQuestion:
    """Asks whether these pixels are held already."""

    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PixelAnswer:
    """Where pixels are held that were asked for."""

    held: Mapping[bytes, PixelReference]


@dataclass(frozen=True, slots=True)
class PackOutcome:
    """What became of an order: a pack, and the tasks that could not be packed, by number, with an error code."""

    sealed: SealedPack | None
    packed: tuple[int, ...] = ()
    """The task number of each entry of the pack, in order."""
    failed: Mapping[int, str] = field(default_factory=dict)
    heads: Mapping[int, Head] = field(default_factory=dict)
    """By task number, what the packer read itself."""
    cut_short: frozenset[int] = frozenset()
    """Tasks whose bytes end before their data set does. They are packed all the same."""
    error: str = ""
    """Code of an error that concerned the whole pack."""


class FileSource:
    """A part of a file as a `ByteSource`."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from the file, fewer past its end."""
        length = max(0, min(length, self.size - offset))
        return os.pread(self._descriptor, length, self._offset + offset)


@dataclass(frozen=True, slots=True)
class _Ready:
    number: int
    item: PackItem
    source: ByteSource
    layout: PixelLayout
    pixels: bytes | None
    """Digest of its pixel bytes, if it has any."""


class Packer:
    """Does one order after another."""

    def __init__(self, settings: PackerSettings, connection: Connection, disk: Disk) -> None:
        self._settings = settings
        self._connection = connection
        self._disk = disk
        self._recipients = [Recipient.parse(text) for text in settings.recipients]
        self._memory = OrderMemory()

    def work(self) -> None:
        """Take orders until the other end closes."""
        with suppress(EOFError):
            while True:
                said = self._connection.recv()
                # What else comes concerned an order that is done by now.
                if isinstance(said, PackOrder):
                    self._connection.send(self._do(said))

    def _do(self, order: PackOrder) -> PackOutcome:
        failed: dict[int, str] = {}
        writer = self._new_writer()
        try:
            ready = [one for number in range(len(order.tasks)) if (one := self._prepare(number, order, failed))]
            held = self._ask([one.pixels for one in ready if one.pixels])
            packed = self._fill(writer, ready, held, failed)
            if not packed:
                writer.abandon()
                return PackOutcome(None, failed=failed)
            heads = {one.number: one.item.head for one in ready if one.item is not order.tasks[one.number].item}
            cut_short = frozenset(one.number for one in ready if _is_cut_short(one)).intersection(packed)
            return PackOutcome(writer.seal(), packed, failed, heads, cut_short)
        except SafelightError as error:
            writer.abandon()
            return PackOutcome(None, failed=failed, error=error.code)
        finally:
            self._memory.clear()

    def _new_writer(self) -> "PackWriter":
        # Imported here: who orders packs knows this module too, and needs no codec.
        from safelight.vault.pack_writer import PackWriter

        limits = CutLimits(frame_bytes_max=self._settings.frame_bytes_max)
        return PackWriter(
            Path(self._settings.packs), self._disk, self._recipients, Profile(self._settings.profile), limits
        )

    def _check_wanted(self) -> None:
        """Make sure that the order is still wanted: nothing is said amid an order but that it is not.

        Raises:
            PackingStopped: it is not.
        """
        if self._connection.poll():
            raise PackingStopped

    def _prepare(self, number: int, order: PackOrder, failed: dict[int, str]) -> _Ready | None:
        self._check_wanted()
        task = order.tasks[number]
        try:
            source = self._source(task)
            item = _item_of(task, source)
            layout = self._layout(item, source, plain=order.plain)
            digest = pixel_digest(source, layout) if layout.kind is not LayoutKind.NONE else None
        except OSError:
            failed[number] = "vault.source-unreadable"
            return None
        except SafelightError as error:
            failed[number] = error.code
            return None
        return _Ready(number, item, source, layout, digest)

    def _source(self, task: PackTask) -> ByteSource:
        path = Path(task.path)
        if task.size <= IN_MEMORY_BYTES_MAX:
            held = self._memory.read(path, task.offset, task.size, direct=isinstance(task.item, Landed))
            if held is not None:
                return held
        source = FileSource(self._memory.descriptor(path), task.offset, task.size)
        return MemorySource(source.read(0, task.size)) if task.size <= IN_MEMORY_BYTES_MAX else source

    def _layout(self, item: PackItem, source: ByteSource, *, plain: bool) -> PixelLayout:
        from safelight.wire.dicom.layout import find_layout

        if plain or item.wrapper.opaque:
            return PixelLayout(LayoutKind.NONE)
        return find_layout(source, item.wrapper.prefix_size, item.head.transfer_syntax)

    def _ask(self, digests: Sequence[bytes]) -> Mapping[bytes, PixelReference]:
        if not digests:
            return {}
        self._connection.send(PixelQuestion(tuple(digests)))
        answer = self._connection.recv()
        if isinstance(answer, GiveUp):
            raise PackingStopped
        assert isinstance(answer, PixelAnswer)
        return answer.held

    def _fill(
        self,
        writer: "PackWriter",
        ready: Sequence[_Ready],
        held: Mapping[bytes, PixelReference],
        failed: dict[int, str],
    ) -> tuple[int, ...]:
        packed: list[int] = []
        here: dict[bytes, PixelReference] = {}
        for one in ready:
            self._check_wanted()
            known = (held.get(one.pixels) or here.get(one.pixels)) if one.pixels else None
            try:
                position = writer.add(one.item, one.source, one.layout, known, _hashed(one)).position
            except ResourceError:
                # Space, access, device: the whole pack is in doubt, not this instance.
                raise
            except SafelightError as error:
                failed[one.number] = error.code
                continue
            packed.append(one.number)
            if one.pixels and known is None:
                here[one.pixels] = PixelReference("", position)
        return tuple(packed)


def _hashed(one: _Ready) -> bytes | None:
    """Return the digest of pixel bytes that lie in memory, where they cannot have changed since."""
    return one.pixels if isinstance(one.source, MemorySource) else None


def _is_cut_short(one: _Ready) -> bool:
    wrapper = one.item.wrapper
    return not wrapper.opaque and is_cut_short(one.source, one.item.head.transfer_syntax, wrapper.prefix_size)


def _item_of(task: PackTask, source: ByteSource) -> PackItem:
    match task.item:
        case Unread() as unread:
            return _read_item(unread, source, task.size)
        case Landed() as landed:
            head = head_of(source, landed.wrapper, landed.transfer_syntax)
            return PackItem(landed.digest, landed.wrapper, head, landed.receipt)
        case item:
            return item


def _read_item(unread: Unread, source: ByteSource, size: int) -> PackItem:
    """Read what an instance is, from the bytes that will be packed.

    Raises:
        SourceChanged: it is not the one that was surveyed.
        NotDicom, BadDataSet: likewise.
    """
    wrapper, head = read_head(source)
    if source.size != size or (head.study, head.series, head.sop_instance) != (
        unread.study,
        unread.series,
        unread.instance,
    ):
        raise SourceChanged(size=source.size)
    # Bytes in memory cannot change any more; a larger file may, between its head and its pack.
    digest = None if isinstance(source, MemorySource) else digest_of(source, wrapper.prefix_size)
    return PackItem(digest, wrapper, head, unread.receipt)
