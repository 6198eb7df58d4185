"""What every Target must do, whatever stands behind it. Run against the double and against the real ones."""

from collections.abc import Sequence

from safelight.recovery.ports import HeldInstance, Target, Version
from support.recovery_target import at_once, held


def _received(target: Target, study: str, wanted: Sequence[HeldInstance], way: str) -> dict[str, bytes]:
    received: dict[str, bytes] = {}

    def receive(theirs: Version) -> None:
        # The bytes need not outlive this call.
        received[theirs.sop_instance] = bytes(theirs.data_set.read(0, theirs.data_set.size))

    target.fetch_back(study, wanted, way, receive)
    return received


def gives_back_what_was_sent(target: Target, instances: Sequence[HeldInstance]) -> None:
    answers = list(target.send("1.2.3", instances, at_once()))
    assert sorted(answer.sop_instance for answer in answers) == sorted(one.sop_instance for one in instances)
    assert {answer.status for answer in answers} == {0}
    way = target.traits().ways[0]
    received = _received(target, "1.2.3", instances, way)
    assert received == {one.sop_instance: bytes(one.open().read(0, one.size_bytes)) for one in instances}
    assert _received(target, "1.2.3", instances[:1], way).keys() == {instances[0].sop_instance}


def says_which_instances_it_has(target: Target, instances: Sequence[HeldInstance]) -> None:
    list(target.send("1.2.3", instances[:1], at_once()))
    assert target.claims("1.2.3", instances) == {instances[0].sop_instance}


def is_silent_about_what_it_lacks(target: Target, instances: Sequence[HeldInstance]) -> None:
    list(target.send("1.2.3", instances, at_once()))
    absent = held("1.2.3.999")
    assert absent.sop_instance not in _received(target, "1.2.3", [*instances, absent], target.traits().ways[0])
    assert _received(target, "1.2.9999", [absent], target.traits().ways[0]) == {}


def takes_a_resend(target: Target, instances: Sequence[HeldInstance]) -> None:
    for _ in range(2):
        assert {answer.status for answer in target.send("1.2.3", instances, at_once())} == {0}
    assert _received(target, "1.2.3", instances, target.traits().ways[0]).keys() == {
        one.sop_instance for one in instances
    }


CLAUSES = (gives_back_what_was_sent, says_which_instances_it_has, is_silent_about_what_it_lacks, takes_a_resend)
