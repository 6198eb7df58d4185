"""I7 and I8 for drills: the power goes at every durable write, while people are called and while evidence is sealed."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from safelight.core.clock import to_text
from safelight.core.progress import silent
from safelight.drill.facts import Started, to_body
from safelight.drill.state import DrillState, Phase
from safelight.evidence.verification import check_bundle
from safelight.journal.kinds import FactKind
from safelight.recovery import facts as recovery
from safelight.recovery.facts import Level
from safelight.site.acts import act
from safelight.site.drill_records import drills_of
from safelight.site.drills import evidence_file
from safelight.site.opened import Site
from safelight.site.plan_folder import example_beside, example_texts, write_plan
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.hl7_house import make_home

WHO: Final = {"reason": "night test", "by": "A. Admin"}
SEALING_WRITES_MIN: Final = 5
"""The file, its name, its directory, the fact that it is sealed, and the end of the drill."""


@dataclass
class Sitting:
    """What a person was told to be done, before the power went."""

    asked: list[str] = field(default_factory=list)
    """Whom to call, in the order in which it was asked."""
    noted: list[str] = field(default_factory=list)
    """Whose call was taken down and answered with success."""
    ended: bool = False


Begin = Callable[[Path], dict[str, Any]]


def _hold(site: Site, begin: dict[str, Any], sitting: Sitting) -> None:
    """Hold a drill as a person does, who after a crash looks whether one runs and goes on with it."""
    phases = {number: one.phase for number, one in drills_of(site.records.journal).items()}
    if Phase.DONE in phases.values():
        return
    told = {"resume": next(iter(phases))} if phases else begin
    document = act(site, "drill.run", {**told, **WHO}, silent)
    while (waiting := document["waits_for"]) is not None:
        number = document["number"]
        if waiting["what"] == "itself":
            again = {"resume": number, "same_sitting": True, **WHO}
            document = act(site, "drill.run", again, silent)
            continue
        person, now = waiting["person"], to_text(site.clock.now())
        sitting.asked.append(person)
        said = {"number": number, "what": "called", "person": person, "by_number": "mobile"}
        document = act(site, "drill.say", {**said, "called_at": now, "answered_at": now}, silent)
        sitting.noted.append(person)
    sitting.ended = document["state"] == "done"


def _state(site: Site) -> DrillState:
    return drills_of(site.records.journal).get("1", DrillState())


def _sealed(site: Site) -> list[str]:
    entries = site.records.journal.entries(kinds=[FactKind.EVIDENCE_SEALED])
    return [str(one.facts["sha256"]) for one in entries]


def _check_evidence(site: Site) -> None:
    """What counts as sealed lies there, whole, and is what the journal says; a drill that is done is sealed."""
    state = _state(site)
    assert state.evidence or state.phase is not Phase.DONE
    for digest in _sealed(site):
        data = evidence_file(site, "1").read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
        assert [one.what for one in check_bundle(data, site.public.signing.raw) if not one.holds] == []


def _every_cut(prepared: Path, tmp_path: Path, begin: Begin, when: When) -> set[tuple[int, bool]]:
    """Cut the power at every durable write of a drill in turn, and go on; return what cuts found: calls, and sealed."""
    with Machine(copy_machine(prepared, tmp_path / "whole")) as machine, machine.site() as site:
        opening = len(machine.disk.calls)
        _hold(site, begin(machine.root), Sitting())
        whole, calls = len(machine.disk.calls), len(_state(site).calls)
    assert whole - opening >= calls + SEALING_WRITES_MIN
    found = set()
    for number in range(opening + 1, whole + 1):
        root, before, after = copy_machine(prepared, tmp_path / f"cut{number}"), Sitting(), Sitting()
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                _hold(site, begin(root), before)
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            recorded = [one.person for one in _state(site).calls]
            assert recorded[: len(before.noted)] == before.noted, (number, "who was taken down is on record")
            assert recorded in (before.noted, before.asked), (number, "nobody is, who was not called")
            assert _state(site).phase is Phase.DONE or not before.ended, number
            _check_evidence(site)
            found.add((len(recorded), bool(_sealed(site))))
            _hold(site, begin(root), after)
            assert not set(recorded) & set(after.asked), (number, "nobody is called twice")
            state = _state(site)
            assert (state.phase, len(state.calls)) == (Phase.DONE, calls), number
            assert _sealed(site) == [state.evidence], (number, "sealed once")
            _check_evidence(site)
            assert not list(evidence_file(site, "1").parent.glob("*.draft"))
            assert site.records.journal.verify() == []
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", When)
def test_no_power_cut_loses_a_call_asks_for_one_again_or_seals_half_a_notification(tmp_path: Path, when: When) -> None:
    prepared = tmp_path / "prepared"
    make_home(prepared)
    write_plan(prepared / "plan", {**example_texts("400-bed", date(2026, 3, 2)), **example_beside("400-bed")})
    found = _every_cut(prepared, tmp_path, lambda root: {"type": "notification", "plan": str(root / "plan")}, when)
    calls = max(count for count, _ in found)
    assert found == {*((count, False) for count in range(calls + 1)), (calls, True)}, "the power went everywhere"


def _restored(root: Path) -> None:
    """Make a home with a drill whose restore has ended: what is left is to measure it and to seal what was measured."""
    with Site.open(make_home(root)) as site:
        now, target = site.clock.now(), "REHEARSAL@127.0.0.1:104"
        begun = Started("1", now, "restore-sample", "", "hardware", (), "", target, 1, 0.0, WHO["reason"], WHO["by"])
        site.records.journal.append(begun.kind, to_body(begun))
        for fact in (
            recovery.Started(
                "1", now, recovery.Settings(target, "generic", Level.ATTRIBUTES, "US", "drill 1", "A. Admin", drill="1")
            ),
            recovery.Planned("1", now, (recovery.PlannedStudy("1.2.3", "emergency", 1, 100),), last=True),
            recovery.StudySent("1", now, "1.2.3", 1, 100, 1.0),
            recovery.StudyCompared("1", now, "1.2.3", Level.BYTES, "get", 1, 100, 1.0, {"bytes": 1}),
            recovery.Finished("1", now, confirmed=1, unsettled=0),
        ):
            site.records.journal.append(fact.kind, recovery.to_body(fact))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", When)
def test_no_power_cut_seals_half_a_restore_or_seals_it_twice(tmp_path: Path, when: When) -> None:
    prepared = tmp_path / "prepared"
    _restored(prepared)
    found = _every_cut(prepared, tmp_path, lambda _: {}, when)
    assert found == {(0, False), (0, True)}
