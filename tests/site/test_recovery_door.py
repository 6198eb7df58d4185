"""What our own door does with what comes while a recovery fetches back: compare it, refuse it, or let it land."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from safelight.core.clock import SystemClock
from safelight.core.errors import IntegrityError
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.association import House
from safelight.gateway.dicom.client import Outgoing, connect
from safelight.gateway.dicom.contexts import ContextProposal
from safelight.gateway.dicom.ports import CallerSeen, MoveOriginator, Occasion, Refusal
from safelight.gateway.dicom.server import Listener, ListenerSettings
from safelight.recovery.ports import Version
from safelight.site.recovery_door import Awaited, AwaitedAdmission, AwaitedIntake, AwaitedObserver, Coming
from safelight.wire.dicom.faults import AssociationRefused
from support.dicom_door import CT_IMAGE, EXPLICIT, MemoryIntake, Notebook

OWN, GATEWAY, PACS, CT = (AETitle(one) for one in ("SAFELIGHT_REFILL", "SAFELIGHT", "PACS", "CT1"))


class Named:
    def accept(self, calling: AETitle, called: AETitle, host: str) -> Refusal | None:
        del called, host
        return None if calling == CT else Refusal.CALLING_NOT_RECOGNIZED


class Door:
    """A serving door of memory that also takes back what is awaited."""

    def __init__(self, spool: Path, *, own: bool = True) -> None:
        self.awaited = Awaited(spool)
        if own:
            self.awaited.own(OWN)
        self.intake = MemoryIntake()
        self.observer = Notebook()
        named = Named()
        house = House(
            AwaitedIntake(self.awaited, self.intake, named),
            AwaitedAdmission(self.awaited, named),
            AwaitedObserver(self.awaited, self.observer),
        )
        self.listener = Listener(ListenerSettings(0, "127.0.0.1"), house, SystemClock())
        self.compared: list[tuple[str, bytes]] = []

    def __enter__(self) -> "Door":
        self.listener.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.listener.stop(timedelta(seconds=1))

    def receive(self, version: Version) -> None:
        self.compared.append((version.sop_instance, bytes(version.data_set.read(0, version.data_set.size))))

    def moving(
        self, *uids: str, originator: AETitle = OWN, destination: AETitle = GATEWAY
    ) -> AbstractContextManager[Coming]:
        return self.awaited.moving(PACS, originator, destination, uids, self.receive)

    def store(self, uid: str, calling: AETitle, called: AETitle = GATEWAY, origin: MoveOriginator | None = None) -> int:
        peer = Peer(called, "127.0.0.1", self.listener.port)
        with connect(peer, calling, [ContextProposal(CT_IMAGE, (EXPLICIT,))]) as association:
            data = MemorySource(f"content of {uid}".encode())
            return association.store(Outgoing(CT_IMAGE, uid, EXPLICIT, data, origin)).code

    @property
    def landed(self) -> list[str]:
        return [one.command.sop_instance for one in self.intake.taken]


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def of(coming: Coming, title: AETitle = OWN) -> MoveOriginator:
    return MoveOriginator(title.text, coming.move.message_id)


def test_what_was_asked_for_is_compared_and_does_not_land(door: Door) -> None:
    with door, door.moving("1.1", "1.2") as coming:
        assert door.store("1.1", PACS, origin=of(coming)) == 0
        assert (door.compared, door.landed) == ([("1.1", b"content of 1.1")], [])
        assert not [seen for seen in door.observer.seen if seen.occasion is Occasion.STORED]


def test_the_archive_is_let_in_only_while_something_is_awaited(door: Door) -> None:
    with door:
        with pytest.raises(AssociationRefused):
            door.store("1.1", PACS)
        with door.moving("1.1") as coming:
            assert door.store("1.1", PACS, origin=of(coming)) == 0
        with pytest.raises(AssociationRefused):
            door.store("1.1", PACS, origin=of(coming))


def test_an_archive_that_is_let_in_may_store_nothing_else(door: Door) -> None:
    with door, door.moving("1.1"):
        assert door.store("1.9", PACS) == 0x0124
        assert door.store("1.1", PACS) == 0x0124
        assert (door.compared, door.landed) == ([], [])


def test_a_modality_lands_whatever_a_recovery_waits_for(door: Door) -> None:
    with door, door.moving("1.1"):
        # The very instance that is awaited, from somebody who was promised to have it kept.
        assert door.store("1.1", CT) == 0
        assert door.store("1.1", CT, origin=MoveOriginator("OTHER_ARCHIVE", 20_001)) == 0
        assert (door.compared, door.landed) == ([], ["1.1", "1.1"])
        assert sum(seen.occasion is Occasion.STORED for seen in door.observer.seen) == 2


def test_what_comes_too_late_is_refused_and_never_lands(door: Door) -> None:
    with door:
        with door.moving("1.1") as coming:
            pass
        assert door.store("1.1", CT, origin=of(coming)) == 0x0124
        assert door.store("1.1", CT, called=OWN) == 0x0124
        assert (door.compared, door.landed) == ([], [])


def test_two_moves_of_one_instance_are_told_apart_by_their_message(door: Door) -> None:
    other: list[str] = []
    with (
        door,
        door.moving("1.1") as first,
        door.awaited.moving(PACS, OWN, GATEWAY, ["1.1"], lambda version: other.append(version.sop_instance)) as second,
    ):
        assert door.store("1.1", PACS, origin=of(second)) == 0
        assert (first.count, second.count, other) == (0, 1, ["1.1"])


def test_a_peer_that_names_no_originator_is_understood_at_the_refills_own_title(door: Door) -> None:
    with door, door.moving("1.1", destination=OWN) as coming:
        assert door.store("1.1", PACS, called=OWN) == 0
        assert door.store("1.2", PACS, called=OWN) == 0x0124
        assert coming.count == 1


def test_a_refill_with_the_gateways_title_takes_back_only_what_names_its_move(tmp_path: Path) -> None:
    door = Door(tmp_path, own=False)
    with door, door.awaited.moving(PACS, GATEWAY, GATEWAY, ["1.1"], door.receive) as coming:
        assert door.store("1.1", CT) == 0
        assert door.store("1.1", PACS, origin=of(coming, GATEWAY)) == 0
        # A pull counts its messages from 1: what it brings is for the landing log.
        assert door.store("1.1", CT, origin=MoveOriginator("SAFELIGHT", 1)) == 0
        assert (len(door.compared), door.landed) == (1, ["1.1", "1.1"])


def test_an_error_of_ours_is_raised_where_the_move_was_asked_and_not_at_the_peer(door: Door) -> None:
    class Torn(IntegrityError):
        code = "vault.digest-mismatch"

    def torn(version: Version) -> None:
        raise Torn(instance=version.sop_instance)

    with door, pytest.raises(Torn), door.awaited.moving(PACS, OWN, GATEWAY, ["1.1"], torn) as coming:
        assert door.store("1.1", PACS, origin=of(coming)) == 0


@pytest.mark.parametrize("promised", [1, 3])
def test_what_is_still_on_its_way_after_the_answer_is_waited_for(door: Door, promised: int) -> None:
    uids = [f"1.{number}" for number in range(promised)]
    with door, door.moving(*uids) as coming:
        senders = [Thread(target=door.store, args=(uid, PACS), kwargs={"origin": of(coming)}) for uid in uids]
        _each(senders, Thread.start)
        coming.settle(promised, 30)
        assert coming.count == promised
        _each(senders, Thread.join)


def test_what_never_comes_is_not_waited_for_long(door: Door) -> None:
    with door, door.moving("1.1") as coming:
        coming.settle(1, 0.01)
        assert coming.count == 0


def test_without_a_recovery_nothing_is_looked_at(tmp_path: Path) -> None:
    awaited = Awaited(tmp_path)
    seen = CallerSeen(Occasion.STORED, "CT1", "SAFELIGHT", "h", sop_instance="1.1")
    observer = Notebook()
    AwaitedObserver(awaited, observer).observe(seen)
    assert observer.seen == [seen]


def _each(threads: list[Thread], do: Callable[[Thread], None]) -> None:
    for thread in threads:
        do(thread)
