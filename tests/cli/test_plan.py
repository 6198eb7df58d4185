"""The plan at the command line: begin, check, sign by both sides, change, review."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from safelight.cli.plan import plan
from safelight.core.errors import SafelightError
from safelight.plan.inventory import System
from safelight.plan.words import EXAMPLES, Side
from safelight.site.plan_folder import BadSignatureFile, NeverSigned, PlanFolder, VersionNeverSigned
from safelight.site.plan_inventory import HEADINGS


def run(*words: object, answers: str | None = None) -> Result:
    return CliRunner().invoke(plan, [str(word) for word in words], input=answers, standalone_mode=False)


def document(*words: object) -> dict[str, object]:
    told: dict[str, object] = json.loads(run(*words, "--json").stdout)
    return told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run("init", tmp_path / "plan", "--example", "400-bed").exception is None
    return tmp_path / "plan"


def kept(folder: Path) -> dict[str, Any]:
    """Return how a plan stands to keeping documentation for six years."""
    packs: Any = document("assess", folder)["requirements"]
    asked = next(one["requirements"] for one in packs if one["pack"] == "hipaa")
    return next(one for one in asked if one["check"] == "signed-versions-kept")


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
    assert kept(folder)["standing"] == "met"
    text = (folder / "systems.yaml").read_text()
    (folder / "systems.yaml").write_text(text.replace("name: RIS and worklist", "name: RIS"))
    assert document("show", folder)["unsigned"] == {"it": ["systems/ris"], "radiology": ["systems/ris"]}
    (change,) = document("diff", folder)["changes"]  # type: ignore[misc]
    assert change == {"where": "systems/ris", "field": "name", "before": "RIS and worklist", "after": "RIS"}
    assert run("assess", folder).return_value == 1
    for one in (folder / "signed").iterdir():
        one.unlink()
    assert (kept(folder)["standing"], len(kept(folder)["says"])) == ("open", 2)


def test_a_damaged_file_of_signatures_is_told(folder: Path) -> None:
    signature = dict.fromkeys(("person", "version", "reason", "key", "signature"), "x")
    undated = {"signatures": [{**signature, "side": "it", "at": "yesterday", "covers": {}}]}
    for damaged in ("{", json.dumps(undated)):
        (folder / "signatures.json").write_text(damaged)
        assert isinstance(run("assess", folder).exception, BadSignatureFile)


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


def test_lint_reads_the_rules_of_the_site_and_assess_asks_those_that_can_be_used(folder: Path) -> None:
    rule = """[{name}]
title = "Every modality has a vendor"
kind = "gap"
severity = "low"
sources = ["our own"]
section = "systems"
where = {{kind = "modality"}}
must = {{{field} = {{there = true}}}}
says = "{{id}} has no vendor"
"""
    (folder / "rules").mkdir()
    (folder / "rules" / "good.toml").write_text(rule.format(name="S01", field="vendor"))
    assert run("lint", folder).return_value == 0
    (folder / "rules" / "bad.toml").write_text("[S02")
    (folder / "rules" / "odd.toml").write_text("# ours\n" + rule.format(name="S03", field="vendr"))
    (folder / "rules" / "taken.toml").write_text(rule.format(name="R01", field="vendor"))
    done = run("lint", folder)
    assert done.return_value == 2
    assert "rules/bad.toml:1:1: `rules/bad.toml`: cannot be read as TOML" in done.stdout
    assert "rules/odd.toml:2:1: `S03`: KeyError: 'vendr'." in done.stdout
    assert "rules/taken.toml:1:1: `R01`: has the name of a rule that comes with Safelight." in done.stdout
    assert "Sound" not in done.stdout
    told = document("assess", folder)
    assert [one["rule"] for one in told["broken_rules"]] == ["rules/bad.toml", "R01", "S03"]  # type: ignore[attr-defined]
    assert {"S01", "R07"} <= {one["rule"] for one in told["findings"]}  # type: ignore[attr-defined]
    assert run("assess", folder).return_value == 1


def test_a_circle_of_needs_is_told_with_its_line_by_every_command(folder: Path) -> None:
    text = (folder / "systems.yaml").read_text()
    head, systems, rest = text.partition("systems:\n")
    circle = "".join(
        f"  - {{id: {one}, name: {one}, kind: other, site: main, in_it_plan: yes, needs: [{other}]}}\n"
        for one, other in (("egg", "hen"), ("hen", "egg"))
    )
    (folder / "systems.yaml").write_text(head + systems + circle + rest)
    line = head.count("\n") + 2
    done = run("lint", folder)
    assert done.return_value == 2
    assert f"systems.yaml:{line}:5: Systems wait for each other in a circle: egg -> hen -> egg." in done.stdout
    refused = run("show", folder).exception
    assert isinstance(refused, SafelightError)
    assert f"systems.yaml:{line}:5" in str(refused)


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
    assert "cmdb.csv, row 2: cannot be read and is left out" in told["remarks"]  # type: ignore[operator]


def imported(folder: Path, tmp_path: Path, rows: str) -> tuple[dict[str, System], list[str]]:
    table = tmp_path / "cmdb.csv"
    table.write_text(rows)
    remarks: list[str] = document("import", folder, table)["remarks"]  # type: ignore[assignment]
    return {one.id: one for one in PlanFolder(folder).read().plan.systems}, remarks


def test_an_inventory_says_whether_its_plan_has_a_system_and_what_is_not_said_is_not_yes(
    folder: Path, tmp_path: Path
) -> None:
    heads = "name,kind,site,in_it_plan\n"
    rows = "One,vna,main,yes\nTwo,vna,main,No\nThree,vna,main,TRUE\nFour,vna,main,\nFive,vna,main,perhaps\n"
    systems, remarks = imported(folder, tmp_path, heads + rows)
    assert {name: systems[name].in_it_plan for name in ("one", "two", "three", "four", "five")} == {
        "one": True, "two": False, "three": True, "four": False, "five": False,
    }  # fmt: skip
    assert remarks == [
        "cmdb.csv, row 5: four: nothing in `in_it_plan`, so it is taken as not in IT's plan",
        "cmdb.csv, row 6: five: in_it_plan `perhaps` is taken as `no`; an answer is `yes` or `no`",
    ]
    assert "systems/two" in {one["subject"] for one in document("assess", folder)["findings"] if one["rule"] == "R01"}  # type: ignore[attr-defined]


def test_an_inventory_without_that_column_puts_nothing_into_its_plan(folder: Path, tmp_path: Path) -> None:
    systems, remarks = imported(folder, tmp_path, "name,kind,site\nOne,vna,main\n")
    assert not systems["one"].in_it_plan
    assert remarks == ["cmdb.csv, row 1: no column `in_it_plan`, so each system is taken as not in IT's plan"]


def test_an_inventory_names_owners_and_who_pays(folder: Path, tmp_path: Path) -> None:
    heads = "name,kind,site,in_it_plan,owner,radiology owner,funded by,run by,segment,tier\n"
    systems, remarks = imported(folder, tmp_path, heads + "One,vna,main,yes,tove,Mr. Nobody,radiology,IT,servers,2\n")
    one = systems["one"]
    assert (one.it_owner, one.bought_by, one.staffed_by) == ("tove", Side.RADIOLOGY, Side.IT)
    assert (one.segment, one.tier) == ("servers", 2)
    assert one.radiology_owner is None
    assert remarks == [
        "cmdb.csv, row 2: one: radiology_owner `Mr. Nobody` is left out; nobody of the plan has this name"
    ]


def test_what_an_inventory_says_and_the_plan_cannot_take_is_told_with_its_row(folder: Path, tmp_path: Path) -> None:
    heads = "name,kind,site,in_it_plan,segment,tier,funded by\n"
    _, remarks = imported(folder, tmp_path, heads + ",vna,main,yes,,1,\n,,,,,,\nTwo,vna,main,yes,attic,abc,bank\n")
    assert remarks == [
        "cmdb.csv, row 2: has no name and is left out",
        "cmdb.csv, row 4: two: segment `attic` is left out; the plan has no such segment",
        "cmdb.csv, row 4: two: tier `abc` is left out; a tier is a whole number below 100",
        "cmdb.csv, row 4: two: bought_by `bank` is left out; a side is `it` or `radiology`",
    ]


def test_the_headings_that_are_taken_stand_in_the_help_and_on_the_page() -> None:
    help_text = run("import", "--help").stdout
    page = (Path(__file__).parents[2] / "docs" / "plan.md").read_text()
    for field, words in HEADINGS.items():
        line = next(one for one in help_text.splitlines() if one.split()[:1] == [field])
        row = next(one for one in page.splitlines() if one.startswith(f"| `{field}` |"))
        for word in words:
            assert word == field or word in line, (word, line)
            assert f"`{word}`" in row, (word, row)


def test_the_map_shows_every_system_and_escapes_its_name(folder: Path, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    text = (folder / "systems.yaml").read_text()
    (folder / "systems.yaml").write_text(text.replace("name: RIS and worklist", 'name: "RIS <& Co>"'))
    run("map", folder, "--to", tmp_path / "map.svg")
    root = ElementTree.parse(tmp_path / "map.svg").getroot()
    names = {one.text for one in root.iter("{http://www.w3.org/2000/svg}title")}
    assert {"PACS", "RIS <& Co>", "Finance"} <= names
    drawn = [[one.text for one in box.iter("{http://www.w3.org/2000/svg}text")] for box in root]
    assert ["CT in the", "emergency", "department", "tier 1 · modalities"] in drawn, "a name is not cut"


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
    # What it stands by simulation stands beside the MTD that the plan declares.
    told["tolerance"] = [{"service": "Stroke", "surely_breached_hours": 8.0}]
    (tmp_path / "impact.json").write_text(json.dumps(told))
    found = document("assess", folder, "--impact", tmp_path / "impact.json")
    said = [one["what"] for one in found["findings"] if (one["rule"], one["subject"]) == ("R26", "services/stroke")]  # type: ignore[attr-defined]
    assert "Stroke, hardware: MTD 12 h declared; by simulation it does not stand 8 h." in said
    told["tolerance"] = [{"service": "Stroke"}]
    (tmp_path / "impact.json").write_text(json.dumps(told))
    assert isinstance(run("assess", folder, "--impact", tmp_path / "impact.json").exception, SafelightError)
    (tmp_path / "impact.json").write_text("{}")
    assert isinstance(run("assess", folder, "--impact", tmp_path / "impact.json").exception, SafelightError)


RTO = ("tolerance", "capability", "estimate", "measurement")


def test_time_and_data_have_four_values_each(folder: Path) -> None:
    copies = folder / "flows-and-copies.yaml"
    mirror = next(line for line in copies.read_text().splitlines() if "id: pacs-mirror," in line)

    def stroke() -> dict[str, object]:
        rows: list[dict[str, object]] = document("show", folder)["objectives"]  # type: ignore[assignment]
        return next(one for one in rows if (one["service"], one["disruption"]) == ("stroke", "hardware"))

    told = stroke()
    assert [told[name] for name in RTO] == ["6 h", "4 h", "4 h 30 min", "3 h"]
    assert [told[f"rpo_{name}"] for name in RTO] == ["0 min", "0 min", "0 min", "0 min"]
    assert told["beyond_tolerance"] == []
    copies.write_text(copies.read_text().replace(mirror + "\n", ""))
    told = stroke()
    assert [told[f"rpo_{name}"] for name in RTO] == ["0 min", "0 min", "1 h", "0 min"]
    assert told["beyond_tolerance"] == ["rpo-estimate"]
    assert {"system": "pacs", "loses": "1 h", "source": "safelight is made every 1 h, as the plan says"} in told[
        "losses"
    ]  # type: ignore[operator]
    shown = run("show", folder, "--path").stdout
    assert "beyond tolerance: rpo-estimate" in shown
    assert "1 h  pacs [safelight is made every 1 h, as the plan says]" in shown
    # An archive of which a drill measured no point was not measured, whatever was measured of others.
    practice = folder / "practice.yaml"
    practice.write_text(
        practice.read_text().replace("{system: pacs, rto: 3 h, rpo: 0 min}", "{system: pacs, rto: 3 h}")
    )
    told = stroke()
    assert (told["measurement"], told["rpo_measurement"]) == ("3 h", None)


def test_a_plan_alone_is_assessed_without_loading_a_database(folder: Path) -> None:
    asked = (
        "import sys; from safelight.cli.plan import plan\n"
        f"plan(['assess', {str(folder)!r}, '--json'], standalone_mode=False)\n"
        "print([one for one in ('sqlalchemy', 'sqlite3') if one in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
