"""Failures become errors that say who must act."""

from pathlib import Path

import pytest

from safelight.core.errors import foreseen


def test_every_failure_becomes_an_error_that_says_who_must_act(tmp_path: Path) -> None:
    with pytest.raises(OSError) as refused:
        (tmp_path / "none" / "file").read_bytes()
    told = foreseen(refused.value)
    assert (told.exit_code, told.facts) == (
        30,
        {"where": str(tmp_path / "none" / "file"), "error": "No such file or directory"},
    )
    defect = foreseen(ZeroDivisionError("division by zero"))
    assert (defect.exit_code, defect.facts) == (70, {"error": "ZeroDivisionError: division by zero"})
    assert foreseen(defect) is defect
