"""The bundle of a drill is held against the journal's own words: what is told otherwise, or left out, is found."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from safelight.core.signing import SigningKey
from safelight.drill.facts import (
    Answered,
    Call,
    Called,
    CopyTried,
    Inject,
    KeyAsked,
    KeyTried,
    Started,
    Step,
    StepNoted,
    to_body,
)
from safelight.evidence.verification import check_bundle
from safelight.site.evidence import export_drill
from safelight.site.opened import Site
from support.bundle_forged import resealed_with
from support.hl7_house import make_home

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
FACTS = (
    Started(
        "1", NOW, "full", "", "hardware", (), "", "", None, None, "why", "who",
        injects=(Inject("gone", "It is gone.", "What now?", "Where?"),),
        calls=(Call("admin", "radiology", "paula", "mei"), Call("lead", "it", "omar")),
        placements=("home", "second"),
        steps=(Step("labels", "Labels lie there", "radiology"), Step("forms", "Forms lie there", "radiology")),
    ),
    Called("1", NOW, "paula", "mobile", NOW, NOW),
    Called("1", NOW, "omar", "mobile", NOW, None),
    KeyAsked("1", NOW),
    KeyTried("1", NOW, (CopyTried("home", "ab", NOW), CopyTried("second", "cd", None, "vault.bad-key"))),
    StepNoted("1", NOW, "labels", True, ""),
    StepNoted("1", NOW, "forms", False, "none left"),
    Answered("1", NOW, "gone", "Restore", "At the scanner"),
)  # fmt: skip
KEY = SigningKey.generate()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("drill")
    with Site.open(make_home(folder, 0)) as site:
        for fact in FACTS:
            site.records.journal.append(fact.kind, to_body(fact))
        export_drill(site, {"drill": "1", "to": str(folder / "drill.zip")})
    return (folder / "drill.zip").read_bytes()


def broken(bundle: bytes, change: Callable[[dict[str, Any]], object]) -> list[str]:
    def forge(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        change(manifest["drill"])
        members["manifest.json"] = json.dumps(manifest).encode()

    return [one.what for one in check_bundle(resealed_with(KEY, bundle, forge), None) if not one.holds]


def test_a_drill_told_as_it_was_holds(bundle: bytes) -> None:
    assert [one.what for one in check_bundle(bundle, None) if not one.holds] == []
    assert broken(bundle, lambda drill: None) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda drill: drill.update(drill="2"), "8 journal entries are shown, all of them of drill 2"),
        (lambda drill: drill.update(tiers=[{"tier": "emergency"}]), "what was measured of each tier is what the"),
        (
            lambda drill: drill["objectives"].append({"side": "it", "of": "pacs", "rto_seconds": 1, "rpo_seconds": 1}),
            "the journal has the 1 objectives",
        ),
        (lambda drill: drill["notification"]["roles"][1].update(by="omar"), "the journal has the calls"),
        (lambda drill: drill["notification"]["roles"].pop(), "the journal has the calls"),
        (lambda drill: drill.update(notification=None), "the journal has the calls"),
        (lambda drill: drill["escrow_key"]["copies"][1].update(opened=True), "what the recovery key opened"),
        (lambda drill: drill.update(escrow_key=None), "what the recovery key opened"),
        (lambda drill: drill["shift"][1].update(executed=True), "the journal has the 2 steps"),
        (lambda drill: drill["shift"].pop(), "the journal has the 1 steps"),
        (lambda drill: drill.update(shift=[]), "the journal has the 0 steps"),
        (lambda drill: drill["table_top"][0].update(it="We would have"), "the journal has the answers"),
        (lambda drill: drill.update(table_top=[]), "the journal has the answers"),
    ],
)
def test_what_is_told_otherwise_or_left_out_is_found_though_signed(
    bundle: bytes, change: Callable[[dict[str, Any]], object], found: str
) -> None:
    (what,) = broken(bundle, change)
    assert what.startswith(found)
