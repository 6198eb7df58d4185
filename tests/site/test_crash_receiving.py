"""Power cuts at every durable call while a site receives, packs and copies, and while it refills and seals evidence."""

from pathlib import Path

import pytest

from support.crash_acts import Stage, cut_everywhere


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("act", ["receive and pack", "commit", "recover and prove"])
def test_promises_outlive_a_power_cut_anywhere(tmp_path: Path, act: str) -> None:
    cut_everywhere(Stage(tmp_path), act)
