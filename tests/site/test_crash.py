"""A whole site under power cuts at calls of its disk and commits of its databases (invariants I1 to I4, I6, I7, I8).

Here some cuts of each act are tried, and each check is shown to fail where an order of writes is broken. The
`test_crash_...` files beside this one try all cuts.
"""

from collections.abc import Callable

import pytest

from safelight.core.errors import SafelightError
from safelight.site.home import Home, NoHome
from support.crash_acts import (
    ACTS,
    Check,
    Day,
    Stage,
    answered_comes_out,
    catalog_equals_a_rebuilt_one,
    claimed_copies_are_whole,
    committed_is_safe,
    cut_somewhere,
    evidence_is_whole_or_absent,
    found_home,
    it_works_on,
    recorded_facts_stay,
)
from support.crash_disk import PowerCut
from support.crash_site import Machine

CUTS = 3


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.mark.parametrize("act", ACTS)
def test_promises_outlive_a_power_cut_in_a_working_site(stage: Stage, act: str) -> None:
    cut_somewhere(stage, act, CUTS)


def test_a_home_whose_founding_was_cut_is_refused_or_works(stage: Stage) -> None:
    number, finished = 0, False
    works = 0
    while not finished:
        number += 1
        root = stage.place()
        with Machine(root) as machine:
            machine.disk.cut_at(number)
            try:
                found_home(root, machine)
                finished = True
            except PowerCut:
                pass
            machine.lose_power(number)
        try:
            Home.at(root / "home")
        except NoHome:
            continue
        works += 1
        with Machine(root) as machine, machine.site() as site:
            it_works_on(site, root, Day())
    assert number > 20
    assert works


# That these tests can fail.


def _lie(*parts: str) -> Callable[[Machine], None]:
    def change(machine: Machine) -> None:
        machine.lies_about = lambda path: any(part in str(path.relative_to(machine.root)) for part in parts)

    return change


def _forget_commits(machine: Machine) -> None:
    machine.journal_is_sure = False


def _fails(
    stage: Stage, act: str, check: Check, change: Callable[[Machine], None] = lambda _: None, share: float = 1
) -> bool:
    """Tell whether the check fails at some cut of the act, tried from where such a share of it was played."""
    for number in range(int(stage.calls(act) * share), 0, -1):
        for seed in range(3):
            try:
                stage.play(act, number, seed, [check], change)
            except (AssertionError, SafelightError):
                return True
    return False


def test_a_landing_log_that_does_not_sync_is_found_out(stage: Stage) -> None:
    assert _fails(stage, "receive and pack", answered_comes_out, _lie("home/landing/"), 0.35)


def test_a_pack_that_is_not_synced_before_landing_is_freed_is_found_out(stage: Stage) -> None:
    assert _fails(stage, "receive and pack", answered_comes_out, _lie("home/vault/packs/", "second/packs/"))


def test_a_copy_that_counts_before_it_is_durable_is_found_out(stage: Stage) -> None:
    assert _fails(stage, "receive and pack", claimed_copies_are_whole, _lie("second/packs/"))


def test_a_catalog_that_is_not_caught_up_is_found_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.calls("receive and pack")
    monkeypatch.setattr("safelight.site.opened.adopt_packs", lambda *_: None)
    assert _fails(stage, "receive and pack", catalog_equals_a_rebuilt_one)


def test_a_commitment_without_its_copies_is_found_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.calls("commit")
    monkeypatch.setattr("safelight.site.dicom_commitments.decide", lambda *_, **__: {})
    assert _fails(stage, "commit", committed_is_safe, share=0.7)


def test_a_commitment_that_is_asked_for_and_forgotten_is_found_out(stage: Stage) -> None:
    assert _fails(stage, "commit", committed_is_safe, _forget_commits)


def test_a_journal_that_forgets_commits_is_found_out(stage: Stage) -> None:
    assert _fails(stage, "receive and pack", recorded_facts_stay, _forget_commits)


def test_evidence_that_is_told_of_before_it_is_durable_is_found_out(stage: Stage) -> None:
    assert _fails(stage, "recover and prove", evidence_is_whole_or_absent, _lie("evidence.zip"))
