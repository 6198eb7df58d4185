"""What progress looks like where nobody watches a terminal."""

import pytest

from safelight.cli.progress import shown
from safelight.core.progress import Progress


def test_a_finished_stage_that_is_reported_again_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(quiet=False) as report:
        for done in range(4):
            report(Progress("pinned", 6, 6, "studies", "6 sent"))
            report(Progress("older", done, 4, "studies"))
        report(Progress("older", 4, 4, "studies"))
    assert capsys.readouterr().err.splitlines() == [
        "pinned: 6 of 6 studies (6 sent)",
        "older: 0 of 4 studies",
        "older: 4 of 4 studies",
    ]


def test_a_finished_stage_that_brings_news_is_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(quiet=False) as report:
        report(Progress("pinned", 6, 6, "studies", "5 confirmed"))
        report(Progress("pinned", 6, 6, "studies", "6 confirmed"))
    assert len(capsys.readouterr().err.splitlines()) == 2
