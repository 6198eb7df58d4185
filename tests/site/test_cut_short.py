"""An instance that is cut short is kept, named, and left out of a refill; a whole one that comes later goes instead."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from safelight.core.progress import silent
from safelight.recovery.selection import select
from safelight.site.acts import act
from safelight.site.flushing import pack_everything
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.recoveries import start
from safelight.site.recovery_holdings import VaultHoldings
from support.crash_acts import Day, found_home, receive
from support.dicom_files import image
from support.raw_sender import RawInstance, make_instance

STUDY = "1.2.826.0.1.3680043.9.9999.7.1"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found_home(tmp_path / "machine")
    return Home.at(tmp_path / "machine" / "home")


def _seed(site: Site, folder: Path, **files: bytes) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    told = act(site, "protection.seed", {"folder": str(folder), "label": "F", "list": str(folder) + ".list"}, silent)
    lines = [json.loads(line) for line in Path(str(folder) + ".list").read_text().splitlines()]
    return dict(told), {line["locator"]: (line["outcome"], line["reason"]) for line in lines}


def test_a_truncated_file_is_kept_and_named_and_a_refill_leaves_it_out(home: Home, tmp_path: Path) -> None:
    with Site.open(home) as site:
        told, lines = _seed(site, tmp_path / "files", cut=image(1, 1, 1)[:5000], whole=image(1, 1, 2))
        assert lines == {"cut": ("kept", "wire.cut-short"), "whole": ("kept", "")}
        assert (told["found"], told["kept"], told["reasons"]["kept"]) == (2, 2, {"wire.cut-short": 1})
        [finding] = site.catalog.findings(code="wire.cut-short")
        assert (finding.subject, finding.facts["study"]) == (f"{STUDY}.1.1", STUDY)
        selection = select(VaultHoldings(site).instances(STUDY, None), honours_rejection=False)
        assert [one.sop_instance for one in selection.going] == [f"{STUDY}.1.2"]
        assert [(one.instance, one.code) for one in selection.notes] == [(f"{STUDY}.1.1", "cut-short")]

        _seed(site, tmp_path / "again", found=image(1, 1, 1))
        selection = select(VaultHoldings(site).instances(STUDY, None), honours_rejection=False)
        assert len(selection.going) == 2, "the whole one goes"


def test_a_study_of_which_nothing_is_whole_is_withheld_and_says_why(home: Home, tmp_path: Path) -> None:
    with Site.open(home) as site:
        _seed(site, tmp_path / "files", cut=image(1, 1, 1)[:5000])
        document = start(site, {"folder": str(tmp_path / "out"), "reason": "test", "by": "test"}, silent)
    assert not document["all_confirmed"]
    assert [(one["state"], one["told"]) for one in document["open"]] == [("withheld", "cut-short")]


def test_what_was_received_cut_short_is_named_when_it_is_packed(home: Home) -> None:
    whole = make_instance("2.25.9", 1, 1, 24, random.Random(1))
    with Site.open(home) as site:
        receive(site, Day(), [RawInstance(whole.uid, whole.study, whole.data[:-100])])
        pack_everything(site, silent)
        assert [one.subject for one in site.catalog.findings(code="wire.cut-short")] == [whole.uid]


def test_the_numbers_of_a_seed_add_up(home: Home, tmp_path: Path) -> None:
    files = {"a": image(1, 1, 1), "b": image(1, 1, 2), "twin": image(1, 1, 1), "letter": b"Dear", "nothing": b""}
    with Site.open(home) as site:
        told, _ = _seed(site, tmp_path / "files", **files, cut=image(2, 1, 1)[:5000])
        assert told["found"] == told["kept"] + told["held_already"] + told["not_kept"] == 6
        assert (told["kept"], told["held_already"], told["not_kept"]) == (4, 1, 1)
        reasons = {"wire.not-dicom": 1, "wire.cut-short": 1}
        assert told["reasons"] == {"kept": reasons, "held_already": {}, "not_kept": {"empty": 1}}
