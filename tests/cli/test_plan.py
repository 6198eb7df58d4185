"""The plan at the command line: begin, check, sign by both sides, change, review."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from safelight.cli.plan import plan
from safelight.core.errors import SafelightError
from safelight.plan.words import EXAMPLES
from safelight.site.plan_folder import NeverSigned, VersionNeverSigned


def run(*words: object, answers: str | None = None) -> Result:
    return CliRunner().invoke(plan, [str(word) for word in words], input=answers, standalone_mode=False)


def document(*words: object) -> dict[str, object]:
    told: dict[str, object] = json.loads(run(*words, "--json").stdout)
    return told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run("init", tmp_path / "plan", "--example", "400-bed").exception is None
    return tmp_path / "plan"


def test_a_plan_is_approved_when_both_sides_signed_and_a_change_unsigns_one_part(folder: Path, tmp_path: Path) -> None:
    for person in ("ines", "paula"):
        made = document("sign", folder, "--by", person, "--reason", "r", "--key", tmp_path / person, "--make-key")
        text = (folder / "plan.yaml").read_text()
        found = next(line for line in text.splitlines() if f"id: {person}," in line)
        signed = found.replace(f"id: {person},", f'id: {person}, signing_key: "{made["public_key"]}",')
        (folder / "plan.yaml").write_text(text.replace(found, signed))
    assert (tmp_path / "ines").stat().st_mode & 0o077 == 0
    words = ("--reason", "version 1.0", "--key")
    assert document("sign", folder, "--by", "ines", *words, tmp_path / "ines", "--dry-run")["recorded"] is False
    assert document("sign", folder, "--by", "ines", *words, tmp_path / "ines")["approved"] is False
    assert document("sign", folder, "--by", "paula", *words, tmp_path / "paula")["approved"] is True
    assert document("assess", folder)["open"] == {"critical": 0, "high": 0, "medium": 0, "low": 0}
    text = (folder / "systems.yaml").read_text()
    (folder / "systems.yaml").write_text(text.replace("name: RIS and worklist", "name: RIS"))
    assert document("show", folder)["unsigned"] == {"it": ["systems/ris"], "radiology": ["systems/ris"]}
    (change,) = document("diff", folder)["changes"]  # type: ignore[misc]
    assert change == {"where": "systems/ris", "field": "name", "before": "RIS and worklist", "after": "RIS"}
    assert run("assess", folder).return_value == 1


def test_a_damaged_file_of_signatures_is_told(folder: Path) -> None:
    (folder / "signatures.json").write_text("{")
    assert isinstance(run("show", folder).exception, SafelightError)


def test_the_hospital_whose_radiology_bought_its_pacs_sees_the_rift(tmp_path: Path) -> None:
    run("init", tmp_path / "plan", "--example", "100-bed")
    told = document("assess", tmp_path / "plan")
    rules = {one["rule"] for one in told["findings"]}  # type: ignore[attr-defined]
    assert {"R01", "R03", "R04", "R05", "R06", "R07", "R08", "R10", "R26", "R32"} <= rules
    assert "first in the way: R01" in run("assess", tmp_path / "plan").stdout


def test_the_interview_makes_a_plan_whatever_is_typed(tmp_path: Path) -> None:
    answers = 'St. "Else": {here}\n' + "\n" * 100
    done = run("init", tmp_path / "plan", answers=answers)
    assert done.exception is None
    assert "Skipped" in done.stdout
    assert document("lint", tmp_path / "plan") == {"sound": True, "troubles": [], "drills_not_written": []}
    assert document("show", tmp_path / "plan")["hospital"] == 'St. "Else": {here}'


def test_an_answer_that_cannot_be_read_is_asked_for_again_and_none_before_it_is_lost(tmp_path: Path) -> None:
    # The sixth question is how long an outage the plan carries through.
    done = run("init", tmp_path / "plan", answers="Here\n" + "\n" * 4 + "28\n3 d\n" + "\n" * 100)
    assert "a time has a unit" in done.stdout
    assert 'hospital: "Here"' in (tmp_path / "plan/plan.yaml").read_text()
    assert "horizon: 3 d" in (tmp_path / "plan/plan.yaml").read_text()


def test_the_help_of_init_names_each_example_on_a_line_of_its_own() -> None:
    told = run("init", "--help").stdout
    assert "\\b" not in told
    assert [line.split()[1] for line in told.splitlines() if line.strip().startswith("--from ")] == [*EXAMPLES]


def test_what_lies_there_is_not_written_over(folder: Path) -> None:
    assert isinstance(run("init", folder, "--example", "100-bed").exception, SafelightError)


def test_lint_names_the_line_and_ends_with_2(folder: Path) -> None:
    (folder / "wrong.yaml").write_text("vendors:\n  - {id: a, nam: A}\n")
    done = run("lint", folder)
    assert done.return_value == 2
    assert "wrong.yaml:2:13: `nam` is no field of `vendors`." in done.stdout
    assert "Did you mean `name`?" in done.stdout


def test_a_review_without_the_pacs_administrator_is_recorded_and_told(folder: Path) -> None:
    assert "Invited" in run("review", folder).stdout
    words = ("--at", "2026-11-24T13:00:00+01:00", "--action", "ines:2026-12-24:Try the radios")
    done = run("review", folder, "--record", "december", "--attended", "ines", *words)
    assert "R06" in done.stdout
    assert (folder / "review-december.yaml").exists()
    assert "R06" in {one["rule"] for one in document("assess", folder)["findings"]}  # type: ignore[attr-defined]
    refused = run("review", folder, "--record", "january", "--attended", "nobody", *words)
    assert isinstance(refused.exception, SafelightError)
    assert not (folder / "review-january.yaml").exists()


@pytest.mark.parametrize(
    ("words", "code", "facts"),
    [
        (("--action", "foo"), "plan.bad-action", {"action": "foo"}),
        (("--action", "ines:soon:Try"), "plan.bad-action", {"problem": "`soon` is no day"}),
        (("--action", "ines:2026-12-24:"), "plan.bad-action", {"action": "ines:2026-12-24:"}),
        (("--discussed", "R99"), "plan.unknown-rule", {"rule": "R99"}),
    ],
)
def test_what_cannot_have_been_said_in_a_review_is_refused_in_its_own_words(
    folder: Path, words: tuple[str, ...], code: str, facts: dict[str, str]
) -> None:
    error = run("review", folder, "--record", "december", "--attended", "paula", *words).exception
    assert isinstance(error, SafelightError)
    assert error.code == code
    assert facts.items() <= error.facts.items()
    assert not (folder / "review-december.yaml").exists()


def test_changes_are_shown_since_any_version_that_was_signed(folder: Path, tmp_path: Path) -> None:
    assert isinstance(run("diff", folder, "--since", "1.0").exception, NeverSigned)
    made = document("sign", folder, "--by", "ines", "--reason", "r", "--key", tmp_path / "k", "--make-key")
    file = folder / "plan.yaml"
    file.write_text(file.read_text().replace("id: ines,", f'id: ines, signing_key: "{made["public_key"]}",'))
    for version in ("1.0", "1.1", "1.2"):
        text = (folder / "plan.yaml").read_text().replace('version: "1.0"', f'version: "{version}"')
        file.write_text(text.replace('version: "1.1"', f'version: "{version}"'))
        document("sign", folder, "--by", "ines", "--reason", "r", "--key", tmp_path / "k")
    assert document("diff", folder) == {"changes": []}
    for version in ("1.0", "1.1"):
        (change,) = document("diff", folder, "--since", version)["changes"]  # type: ignore[misc]
        assert (change["field"], change["before"], change["after"]) == ("version", version, "1.2")
    error = run("diff", folder, "--since", "0.9").exception
    assert isinstance(error, VersionNeverSigned)
    assert error.facts["signed"] == "1.0, 1.1, 1.2"


def test_an_inventory_adds_what_the_plan_does_not_know(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "cmdb.csv"
    table.write_text("Asset;Name;Type;Tier\nx-9;Ultrasound archive;vna;3\npacs;PACS;pacs;1\n;Old: thing;unheard-of;\n")
    dry = document("import", folder, table, "--dry-run")
    assert (dry["taken"], dry["known"], dry["file"]) == (["x-9", "old-thing"], ["pacs"], None)
    assert document("import", folder, table)["file"] == "imported.yaml"
    assert document("import", folder, table)["taken"] == []


def test_an_inventory_may_be_a_sheet(folder: Path, tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (("Name", "Tier"), ("New RIS", 2.0)):
        book.active.append(row)
    book.save(tmp_path / "cmdb.xlsx")
    assert document("import", folder, tmp_path / "cmdb.xlsx")["taken"] == ["new-ris"]
    for damaged in (b"PK", b"PK\x03\x04", (tmp_path / "cmdb.xlsx").read_bytes()[:-200]):
        (tmp_path / "bad.xlsx").write_bytes(damaged)
        assert isinstance(run("import", folder, tmp_path / "bad.xlsx").exception, SafelightError)


def test_a_line_of_an_inventory_that_cannot_be_read_is_told_and_the_others_are_taken(
    folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "cmdb.csv"
    table.write_bytes(b"name,tier\nArchiv S\xfcd,2\nNull,3\n")
    told = document("import", folder, table)
    assert told["taken"] == ["null"]
    assert "row 2 cannot be read and is left out" in told["remarks"]  # type: ignore[operator]


def test_the_map_shows_every_system_and_escapes_its_name(folder: Path, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    text = (folder / "systems.yaml").read_text()
    (folder / "systems.yaml").write_text(text.replace("name: RIS and worklist", 'name: "RIS <& Co>"'))
    run("map", folder, "--to", tmp_path / "map.svg")
    root = ElementTree.parse(tmp_path / "map.svg").getroot()
    names = {one.text for one in root.iter("{http://www.w3.org/2000/svg}title")}
    assert {"PACS", "RIS <& Co>", "Finance"} <= names


def test_what_was_simulated_is_told_by_service(folder: Path, tmp_path: Path) -> None:
    # The median run has no such patient; one run of ten has, after an hour.
    figure = {"median": None, "low": 1.0, "high": 2.0, "never": 0.9}
    cleared = {"median": 1.0, "low": 1.0, "high": 2.0, "never": 0.0}
    told = {
        "figures": {"first_breach_hours": {"Stroke": figure}, "backlog_clearance_hours": {"CT": cleared}},
        "utilisation": {"CT": 0.5},
    }
    (tmp_path / "impact.json").write_text(json.dumps(told))
    found = document("assess", folder, "--impact", tmp_path / "impact.json")
    stroke = next(one for one in found["services"] if one["service"] == "stroke")  # type: ignore[attr-defined]
    assert (stroke["first_breach_minutes"], stroke["first_blocking"]["rule"]) == (60.0, "R26")
    (tmp_path / "impact.json").write_text("{}")
    assert isinstance(run("assess", folder, "--impact", tmp_path / "impact.json").exception, SafelightError)
