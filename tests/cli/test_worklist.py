"""Lists of steps, procedure steps, commitment and cutover as people type them."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from safelight.catalog.errors import BadSearch
from safelight.cli.main import program
from safelight.site.worklist_import import ExtractNotUnderstood
from support.hl7_house import make_home

WHO = ["--reason", "clinic closed", "--by", "A. Admin"]
TOMORROW = f"{datetime.now().astimezone() + timedelta(days=1):%Y-%m-%d}"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    home = make_home(tmp_path).directory

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(program, [*arguments, "--home", str(home)], catch_exceptions=False)

    return run


def _extract(folder: Path, count: int) -> str:
    file = folder / "extract.csv"
    lines = [f"P{n},Berg^Ana,A{n},CT,{TOMORROW},08:00\n" for n in range(count)]
    file.write_text("MRN,Name,Accession,Modality,Date,Time\n" + "".join([*lines, "P99,Berg^Eva,A99,CT,soon,08:00\n"]))
    return str(file)


def test_an_extract_is_looked_at_taken_in_and_stays_when_the_next_is_far_too_short(run: Run, tmp_path: Path) -> None:
    told = run("gateway", "worklist", "import", _extract(tmp_path, 20), "--dry-run")
    assert told.exit_code == 0 and "20 steps; 20 would be new" in told.output
    assert "line 22: ScheduledProcedureStepStartDate" in told.output and "Eva" not in told.output
    assert run("gateway", "worklist", "import", _extract(tmp_path, 20)).exit_code == 0
    short = run("gateway", "worklist", "import", _extract(tmp_path, 2))
    assert short.exit_code == 1 and "stays as it was" in short.output
    assert "STANDS STILL" in run("gateway", "worklist", "list").output
    accepted = run("gateway", "worklist", "import", _extract(tmp_path, 2), "--accept", *WHO, "--json")
    assert accepted.exit_code == 0 and json.loads(accepted.stdout)["gone"] == 18
    shown = run("catalog", "worklist").output
    assert "A0" in shown and "2 steps" in shown and "import extract as of" in shown


def test_looking_first_at_what_is_no_extract_is_refused_as_importing_it_is(run: Run, tmp_path: Path) -> None:
    for more in ([], ["--dry-run"]):
        with pytest.raises(ExtractNotUnderstood):
            run("gateway", "worklist", "import", "/etc/passwd", *more)
    file = tmp_path / "extract.csv"
    file.write_text("MRN,Date\nP1,soon\n")
    told = run("gateway", "worklist", "import", str(file), "--dry-run")
    assert told.exit_code == 1 and "line 2: ScheduledProcedureStepStartDate" in told.output


def test_days_of_the_worklist_are_written_with_and_without_dashes(run: Run, tmp_path: Path) -> None:
    assert run("gateway", "worklist", "import", _extract(tmp_path, 2)).exit_code == 0
    day = datetime.fromisoformat(TOMORROW)
    for form in ("%Y%m%d", "%Y-%m-%d"):
        before, on, after = (f"{day + timedelta(days=one):{form}}" for one in (-1, 0, 1))
        assert "2 steps" in run("catalog", "worklist", "--from", on, "--to", on).output
        assert "0 steps" in run("catalog", "worklist", "--from", after).output
        assert "0 steps" in run("catalog", "worklist", "--to", before).output
    for word in ("tomorrow", "20260230", "2026"):
        with pytest.raises(BadSearch):
            run("catalog", "worklist", "--from", word)


def test_what_has_nothing_to_show_says_so(run: Run) -> None:
    assert "No aliases are set" in run("downtime", "cutover").output
    assert json.loads(run("gateway", "procedure-steps", "list", "--to", "RIS", "--json").stdout)["count"] == 0
    assert json.loads(run("gateway", "commitment", "list", "--json").stdout)["waiting"] == 0
    forwarded = run("gateway", "procedure-steps", "forward", "--to", "RIS@127.0.0.1:104", *WHO)
    assert forwarded.exit_code == 0 and "0 notices told" in forwarded.output
