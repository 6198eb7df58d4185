"""The real target on real archives: what it promises, by C-GET and by C-MOVE to our own door."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from safelight.core.clock import SetClock
from safelight.core.errors import IntegrityError
from safelight.recovery.pace import Pace
from safelight.recovery.ports import HeldInstance, Target, TargetUnreachable, Version, WayShut
from support.dicom_peers import free_port
from support.recovery_target import at_once
from support.recovery_target_contract import CLAUSES
from support.refilled_archive import REFILLED, Refilled, dcmqrscp, orthanc, real_instances, target_of

pytestmark = pytest.mark.peer

Clause = Callable[[Target, Sequence[HeldInstance]], None]


@pytest.mark.parametrize("clause", CLAUSES)
@pytest.mark.parametrize("may_get", [True, False], ids=["get", "move"])
@pytest.mark.parametrize("archive", REFILLED)
def test_the_real_target_keeps_the_contract(archive: str, may_get: bool, clause: Clause, tmp_path: Path) -> None:
    with REFILLED[archive](tmp_path, may_get=may_get) as refilled, target_of(refilled, tmp_path) as target:
        ways = target.traits().ways
        assert ways == (("get", "move", "find") if may_get else ("move", "find"))
        clause(target, real_instances())


@pytest.mark.parametrize("knows", ["SAFELIGHT", "SAFELIGHT_REFILL"])
@pytest.mark.parametrize("archive", REFILLED)
def test_either_title_of_ours_may_be_the_destination_that_the_target_knows(
    archive: str, knows: str, tmp_path: Path
) -> None:
    instances = real_instances()
    with (
        REFILLED[archive](tmp_path, may_get=False, knows=[knows]) as refilled,
        target_of(refilled, tmp_path) as target,
    ):
        assert target.traits().ways == ("move", "find")
        list(target.send("1.2.3", instances, at_once()))
        assert _fetched(target, instances, "move") == {one.sop_instance for one in instances}


@pytest.mark.parametrize("archive", REFILLED)
def test_a_target_that_does_not_know_our_address_shuts_the_way_and_still_answers_a_query(
    archive: str, tmp_path: Path
) -> None:
    instances = real_instances()
    with (
        REFILLED[archive](tmp_path, may_get=False, knows=["OTHER"]) as refilled,
        target_of(refilled, tmp_path) as target,
    ):
        list(target.send("1.2.3", instances, at_once()))
        with pytest.raises(WayShut):
            _fetched(target, instances, "move")
        assert target.claims("1.2.3", instances) == {one.sop_instance for one in instances}


def test_the_pace_is_kept_while_sending_and_not_before_it(tmp_path: Path) -> None:
    clock = SetClock(datetime(2026, 3, 10, tzinfo=UTC))
    happened: list[str] = []

    def wait(seconds: float) -> None:
        happened.append("wait")
        clock.advance(timedelta(seconds=seconds))

    instances = real_instances(4)
    pace = Pace(float(instances[0].size_bytes), clock, wait)
    with dcmqrscp(tmp_path) as refilled, target_of(refilled, tmp_path) as target:
        for answer in target.send("1.2.3", instances, pace.lane()):
            assert answer.status == 0
            happened.append("answer")
    assert happened == ["answer", "wait", "answer", "wait", "answer", "wait", "answer"]
    assert clock.elapsed() == pytest.approx(timedelta(seconds=3), abs=timedelta(seconds=1e-3))


def test_a_retrieve_that_is_not_allowed_is_no_way(tmp_path: Path) -> None:
    with orthanc(tmp_path, may_get=False) as refilled, target_of(refilled, tmp_path) as target:
        assert "get" not in target.traits().ways


@pytest.mark.parametrize("may_get", [True, False], ids=["get", "move"])
def test_damage_of_our_own_is_told_as_ours_while_comparing(tmp_path: Path, may_get: bool) -> None:
    class Torn(IntegrityError):
        code = "vault.digest-mismatch"

    def torn(version: Version) -> None:
        raise Torn(instance=version.sop_instance)

    instances = real_instances()
    with dcmqrscp(tmp_path, may_get=may_get) as refilled, target_of(refilled, tmp_path) as target:
        list(target.send("1.2.3", instances, at_once()))
        with pytest.raises(Torn):
            target.fetch_back("1.2.3", instances, "get" if may_get else "move", torn)


def test_a_target_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path) as there:
        gone = Refilled(there.peer, free_port(), there.storage)
    with target_of(gone, tmp_path) as target:
        for ask in (
            target.traits,
            lambda: target.claims("1.2.3", real_instances()),
            lambda: list(target.send("1.2.3", real_instances(), at_once())),
        ):
            with pytest.raises(TargetUnreachable):
                ask()


def _fetched(target: Target, instances: Sequence[HeldInstance], way: str) -> set[str]:
    came: set[str] = set()
    target.fetch_back("1.2.3", instances, way, lambda version: came.add(version.sop_instance))
    return came
