"""Failures become errors that say who must act."""

from pathlib import Path

import pytest

from safelight.core.clock import from_text
from safelight.core.errors import foreseen


def test_every_failure_becomes_an_error_that_says_who_must_act(tmp_path: Path) -> None:
    with pytest.raises(OSError) as refused:
        (tmp_path / "none" / "file").read_bytes()
    told = foreseen(refused.value)
    assert (told.exit_code, told.facts) == (
        30,
        {"where": str(tmp_path / "none" / "file"), "error": "No such file or directory"},
    )


def test_a_defect_tells_its_kind_and_place_and_quotes_nothing() -> None:
    with pytest.raises(ValueError) as found:
        from_text("DOE^JANE")
    defect = foreseen(found.value)
    assert (defect.exit_code, defect.facts["error"]) == (70, type(found.value).__name__)
    assert str(defect.facts["where"]).startswith("safelight.")
    assert "DOE" not in str(defect)
    assert foreseen(defect) is defect
    assert foreseen(ZeroDivisionError("DOE^JANE")).facts == {"error": "ZeroDivisionError", "where": None}
