"""The power goes while the plan is signed by login: no signature of which the journal does not know, and none lost."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from safelight.core.clock import to_text
from safelight.core.progress import silent
from safelight.journal.kinds import FactKind
from safelight.plan.errors import NothingToSign
from safelight.plan.signature import Signature, agreement, shown_digest, unsigned_digests
from safelight.plan.words import Side
from safelight.site.acts import act
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.plan_folder import PlanFolder, example_texts, write_plan
from safelight.vault.keys import load_public_keys
from support.console_house import name_plan
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.hl7_house import make_home

ACCOUNT = "aadmin"


def _prepare(root: Path) -> None:
    """Make a home whose plan names an account of it."""
    home = make_home(root)
    key = load_public_keys(home.keys).signing.raw.hex()
    texts = {}
    for name, text in example_texts("400-bed", datetime.now().astimezone().date()).items():
        bound = text.replace("{id: ines, name", f"{{account: {ACCOUNT}, id: ines, name")
        texts[name] = bound.replace("  horizon:", f'  console_key: "{key}"\n  horizon:', 1)
    write_plan(root / "plan", texts)
    name_plan(home.settings_file, root / "plan")


def _folder(home: Home) -> PlanFolder:
    return PlanFolder(Path(home.settings().plan.folder))


def _sign(site: Site) -> None:
    folder = _folder(site.home)
    waiting = unsigned_digests(folder.read().plan, folder.signatures(), Side.IT)
    told = {"account": ACCOUNT, "proven_at": to_text(site.clock.now()), "shown": shown_digest(waiting)}
    act(site, "plan.sign", {**told, "reason": "version 1", "by": "A. Admin"}, silent)


def _recorded(site: Site) -> list[Signature]:
    return [Signature.load(one.facts) for one in site.journal.entries(kinds=[FactKind.PLAN_SIGNED])]


@pytest.mark.slow
@pytest.mark.parametrize("when", When)
def test_no_power_cut_leaves_a_signature_unknown_or_an_answer_without_one(tmp_path: Path, when: When) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    _prepare(prepared)
    with Machine(copy_machine(prepared, tmp_path / "whole")) as machine, machine.site() as site:
        opening = len(machine.disk.calls)
        _sign(site)
        whole = len(machine.disk.calls)
    assert whole - opening >= 7, "a fact, what was signed, and the signature, each file with its name and directory"
    outcomes = set()
    for number in range(opening + 1, whole + 1):
        root, is_answered = copy_machine(prepared, tmp_path / f"cut{number}"), False
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                _sign(site)
                is_answered = True
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            folder, recorded = _folder(site.home), _recorded(site)
            plan, kept = folder.read().plan, folder.signatures()
            assert all(one in recorded for one in kept), (number, "the fact comes first")
            assert kept or not is_answered, (number, "who was answered has signed")
            assert agreement(plan, kept).counted == kept
            assert all(folder.signed_parts(one) for one in kept), (number, "what was signed is kept before")
            outcomes.add((bool(recorded), bool(kept)))
            # Whoever was not answered signs again.
            with suppress(NothingToSign):
                _sign(site)
            assert agreement(plan, folder.signatures()).missing(Side.IT) == ()
    assert (True, False) in outcomes, "the power went between the fact and the signature"
