"""Power cuts at every durable call while a site heals copies and rebuilds its catalog, and comes back from a cut."""

from pathlib import Path

import pytest

from support.crash_acts import Stage, cut_everywhere


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("act", ["come back", "heal and rebuild"])
def test_promises_outlive_a_power_cut_anywhere(tmp_path: Path, act: str) -> None:
    cut_everywhere(Stage(tmp_path), act)
