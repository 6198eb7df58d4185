"""A stop amid an order: the packer leaves off between two instances, and everything is packed after the next start."""

import random
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from safelight.core.clock import SystemClock
from safelight.core.disk import RealDisk
from safelight.core.instance import Receipt, Way, Wrapper
from safelight.core.progress import silent
from safelight.site.flushing import pack_everything
from safelight.site.opened import Site
from safelight.site.packer import (
    GiveUp,
    Landed,
    Packer,
    PackerSettings,
    PackingStopped,
    PackOrder,
    PackOutcome,
    PackTask,
    PixelAnswer,
    PixelQuestion,
)
from safelight.vault.age import Identity
from safelight.vault.pack_writer import PackWriter
from support.hl7_house import make_home
from support.raw_sender import RawAssociation, make_instance
from support.reconciled_house import EXPLICIT, acquire, encoded, image
from support.served_home import Promises, ServedHome, free_port

INSTANCES = 6
PACKERS = 3
SEALED, STOPPING = "vault.pack-sealed", "gateway.stopping"
pause = threading.Event()


class Pipe:
    """Brings one order, and at the ``nth`` look in or instead of an answer that it is not wanted any more."""

    def __init__(self, order: PackOrder, nth: int) -> None:
        self._coming: list[object] = [order]
        self._nth = nth
        self._looks = 0
        self.outcome: PackOutcome | None = None

    def poll(self) -> bool:
        self._looks += 1
        return self._looks >= self._nth

    def recv(self) -> object:
        # The only thing that is taken amid an order is the answer to its question.
        if self._looks and self.outcome is None and self.poll():
            return GiveUp()
        if not self._coming:
            raise EOFError
        return self._coming.pop()

    def send(self, said: object) -> None:
        if isinstance(said, PixelQuestion):
            self._coming.append(PixelAnswer({}))
        else:
            assert isinstance(said, PackOutcome)
            self.outcome = said


@pytest.fixture
def order(tmp_path: Path) -> PackOrder:
    receipt = Receipt(SystemClock().now(), Way.STORE, "CT1", "SAFELIGHT", "10.0.0.7")
    data = [encoded(image("1.2.3", number, "20260301080000", PatientID="1")) for number in range(1, INSTANCES + 1)]
    segment = tmp_path / "landed"
    segment.write_bytes(b"".join(data))
    tasks, offset = [], 0
    for one in data:
        tasks.append(
            PackTask(str(segment), offset, len(one), Landed(sha256(one).digest(), Wrapper(), EXPLICIT, receipt))
        )
        offset += len(one)
    return PackOrder(tuple(tasks))


# One look before each instance is read and one before it is coded, and the answer between them.
@pytest.mark.parametrize("nth", range(1, 2 * INSTANCES + 2))
def test_no_instance_is_coded_after_the_packer_was_told(
    order: PackOrder, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded: list[object] = []
    add = PackWriter.add

    def counted(writer: PackWriter, *told: object) -> object:
        coded.append(told)
        return add(writer, *told)  # type: ignore[arg-type]

    monkeypatch.setattr(PackWriter, "add", counted)
    pipe, packs = Pipe(order, nth), tmp_path / "packs"
    settings = PackerSettings(str(packs), (Identity.generate().recipient.text,), "default", 2**20)
    Packer(settings, pipe, RealDisk()).work()  # type: ignore[arg-type]
    assert pipe.outcome == PackOutcome(None, error=PackingStopped.code)
    assert len(coded) == max(0, nth - INSTANCES - 2)
    assert [one for one in packs.rglob("*") if one.is_file()] == []


def test_a_site_that_stops_amid_a_pack_loses_nothing_and_packs_it_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home = make_home(tmp_path, free_port())
    with Site.open(home) as site:
        for study in ("1.2.3", "1.2.4"):
            acquire(site, *(image(study, number, "20260301080000", PatientID="1") for number in range(1, 51)))
        answer = site.desk.answer

        def stop_now(question: PixelQuestion) -> PixelAnswer:
            # Somebody says stop while the packer waits for an answer.
            site.packing.give_up()
            return answer(question)

        monkeypatch.setattr(site.desk, "answer", stop_now)
        with pytest.raises(PackingStopped):
            pack_everything(site, silent)
    assert list((home.vault / "packs").glob("*.draft")) == []
    assert "vault.pack-failed" not in capfd.readouterr().err
    with Site.open(home) as site:
        assert (site.catalog.tally().instances_waiting, site.catalog.tally().packs) == (100, 0)
        pack_everything(site, silent)
        assert site.catalog.tally().instances_waiting == 0
        assert len(site.catalog.holdings(study="1.2.3")) == len(site.catalog.holdings(study="1.2.4")) == 50


@pytest.mark.slow
def test_serve_packs_no_more_than_what_is_being_sealed_when_it_is_told_to_stop(tmp_path: Path) -> None:
    log, dice = tmp_path / "serve.log", random.Random(7)
    made = [make_instance(f"1.2.{study}", 1, number, 16, dice) for study in range(1, 101) for number in range(1, 21)]
    promises = Promises()
    with ServedHome(tmp_path / "home", log) as home:
        home.init()
        home.start()
        with RawAssociation(home.port, "SAFELIGHT") as association:
            association.send(made, promises.answered)
        while SEALED not in log.read_text():
            pause.wait(0.001)
        home.stop()
        _, _, after = log.read_text().partition(STOPPING)
        # Of each packer of a new home one that is being recorded, and the next that is just being sealed.
        assert after.count(SEALED) <= 2 * PACKERS
        assert "vault.pack-failed" not in after and "vault.packing-stopped" not in after
        home.start()
        assert home.held(tmp_path / "out") == promises.all()
