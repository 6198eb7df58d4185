"""The command that simulates an outage, as people run it."""

import importlib.util
import json
import re
from datetime import date
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from click.testing import CliRunner

from safelight.cli.plan_impact import impact
from safelight.core.errors import SafelightError
from safelight.impact.errors import BadFile
from safelight.site.impact_file import department_document
from safelight.site.plan_folder import example_beside, example_texts, write_plan
from safelight.site.plan_outage import NoEstimate

ROOT = Path(__file__).parents[2]
HOSPITAL = ROOT / "docs/cases/general-hospital.yaml"
TODAY = date(2026, 11, 24)


def test_it_answers_a_program_and_draws(tmp_path: Path) -> None:
    words = ["--department", str(HOSPITAL), "--scenario", "network island for a day", "--seeds", "2", "--json"]
    result = CliRunner().invoke(impact, [*words, "--svg", str(tmp_path / "svg")])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["seeds"] == 2
    assert told["figures"]["backlog"]["CT"]["seeds"] == 2
    assert {one["service"] for one in told["tolerance"]} == {"stroke", "emergency CT", "inpatients", "outpatients"}
    pictures = sorted((tmp_path / "svg").glob("*.svg"))
    assert {"waits.svg", "tolerance.svg", "late-by-length.svg", "arrivals.svg", "backlog-ct.svg"} <= {
        one.name for one in pictures
    }
    for one in pictures:
        fromstring(one.read_text())


def test_it_tells_people_what_services_stand_and_where_figures_come_from() -> None:
    result = CliRunner().invoke(impact, ["--department", str(HOSPITAL), "--seeds", "2", "--hours", "4"])
    assert result.exit_code == 0, result.output
    assert "What each service stands" in result.stdout
    assert "published fallback: CT mean, Sexauer 2022" in result.stdout


def test_a_cost_is_told_in_the_currency_of_the_site(tmp_path: Path) -> None:
    file = tmp_path / "with_values.yaml"
    values = "department:\n  unit_values: {currency: EUR, outage_hour: 100}\n"
    file.write_text(HOSPITAL.read_text().replace("department:\n", values, 1))
    words = ["--department", str(file), "--hours", "4", "--seeds", "1", "--no-tolerance"]
    assert re.search(r"cost .* 400 \[400 to 400\] EUR", CliRunner().invoke(impact, words).stdout)
    told = json.loads(CliRunner().invoke(impact, [*words, "--json"]).stdout)
    assert (told["currency"], told["figures"]["cost"]["median"]) == ("EUR", 400.0)


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("department: [", [], "impact.bad-file"),
        ("a: !!python/object/apply:os.system [true]", [], "impact.bad-file"),
        ("just words", [], "impact.bad-file"),
        ("a: &a [x, x]\nb: [*a, *a]", [], "impact.bad-file"),
        ("department: {}\ndepartment: {}", [], "impact.bad-file"),
        ("a: " + 50 * "[", [], "impact.bad-file"),
        ("colour: blue", [], "impact.bad-model"),
        ("x" * 1_000_001, [], "impact.bad-file"),
        (None, ["--scenario", "moon"], "impact.no-scenario"),
        (None, ["--hours", "-1"], "impact.bad-model"),
        (None, ["--hours", "nan"], "impact.bad-model"),
        (None, ["--weeks", "1"], "impact.bad-model"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str | None, options: list[str], code: str) -> None:
    file = HOSPITAL if text is None else tmp_path / "bad.yaml"
    if text is not None:
        file.write_text(text)
    result = CliRunner().invoke(impact, ["--department", str(file), "--seeds", "1", *options])
    assert isinstance(result.exception, SafelightError)
    assert result.exception.code == code


def test_a_word_is_a_word_a_number_a_number_and_a_mistake_has_its_place(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text('a: [no, "1", 1e3, 12:30, 1_0, .5, ~, "", nan]\n')
    assert department_document(file) == {"a": ["no", "1", 1000.0, "12:30", "1_0", 0.5, None, "", "nan"]}
    file.write_text("a: 1\nb: *bomb\n")
    with pytest.raises(BadFile) as refused:
        department_document(file)
    assert (refused.value.facts["line"], refused.value.facts["column"]) == (2, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a plan that has a department, and estimates for two kinds of disruption."""
    write_plan(tmp_path / "plan", {**example_texts("400-bed", TODAY), **example_beside("400-bed")})
    return tmp_path / "plan"


def test_the_estimate_of_the_plan_is_a_length_and_is_said_to_be(folder: Path) -> None:
    words = ["--plan", str(folder), "--seeds", "1", "--no-tolerance", "--json"]
    told = json.loads(CliRunner().invoke(impact, [*words, "--disruption", "ransomware"]).stdout)
    assert (told["hours"], told["length"]["hours"], told["length"]["from"]) == (28.5, 28.5, "estimate")
    assert "until Stroke has its systems back" in told["length"]["source"]
    assert {"system": "", "what": "detect", "takes": "15 min", "source": "as the plan says"} in told["length"]["path"]
    told = json.loads(CliRunner().invoke(impact, words).stdout)
    assert (told["length"]["from"], told["hours"]) == ("scenario", 8.0)
    assert told["plan_estimates"] == {"hardware": 4.5, "ransomware": 28.5}
    told = json.loads(CliRunner().invoke(impact, [*words, "--hours", "3"]).stdout)
    assert told["length"] == {"hours": 3.0, "from": "asked", "source": "as asked", "path": []}


def test_people_read_whose_length_it_is_and_which_others_there_are(folder: Path) -> None:
    words = ["--plan", str(folder), "--seeds", "1", "--no-tolerance"]
    told = CliRunner().invoke(impact, [*words, "--disruption", "hardware"]).stdout
    assert "Length: 4.5 h, the plan's estimate for hardware, until Stroke has its systems back\n" in told
    assert "4 h  ct-1: rebuild [as the plan says]" in told
    assert "by the plan's estimate: 28.5 h, with --disruption ransomware\n" in told
    assert "Length: 8 h, as the scenario says\n" in CliRunner().invoke(impact, words).stdout


def test_a_service_is_held_to_the_mtd_of_the_plan_and_not_to_that_of_the_file(folder: Path) -> None:
    file = folder / "impact" / "department.yaml"
    file.write_text(file.read_text().replace("declared_mtd_minutes: 720", "declared_mtd_minutes: 6"))

    def stroke(*words: str) -> tuple[float, str, bool]:
        told = json.loads(CliRunner().invoke(impact, [*words, "--seeds", "4", "--json"]).stdout)
        one = next(one for one in told["tolerance"] if one["service"] == "stroke")
        return one["declared_mtd_hours"], one["declared_mtd_from"], one["rift"]

    assert stroke("--plan", str(folder)) == (12.0, "the plan, for hardware", True)
    assert stroke("--department", str(file)) == (0.1, "the department's file", False)


def test_a_disruption_without_an_estimate_is_refused_with_what_is_missing(folder: Path) -> None:
    words = ["--plan", str(folder), "--seeds", "1", "--no-tolerance", "--disruption"]
    result = CliRunner().invoke(impact, [*words, "people"])
    assert isinstance(result.exception, NoEstimate)
    assert result.exception.facts == {"disruption": "people", "known": "hardware, ransomware"}
    systems = folder / "systems.yaml"
    systems.write_text(
        systems.read_text().replace("- {disruption: hardware, rebuild", "- {disruption: site, rebuild", 1)
    )
    result = CliRunner().invoke(impact, [*words, "hardware"])
    assert isinstance(result.exception, NoEstimate)
    assert "no `recovery` for hardware" in result.exception.facts["unknown"]
    told = CliRunner().invoke(impact, words[:-1]).stdout
    assert "by the plan's estimate: unknown, with --disruption hardware" in told


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--disruption", "site", "--department", str(HOSPITAL)],
        ["--plan", ".", "--disruption", "site", "--hours", "1"],
    ],
)
def test_a_length_has_one_origin_and_a_department_a_file(words: list[str]) -> None:
    assert CliRunner().invoke(impact, words).exit_code == 2


@pytest.mark.slow
def test_the_page_of_published_cases_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("impact_cases", ROOT / "tools/impact_cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == (ROOT / "docs/cases/README.md").read_text(encoding="utf-8"), "run: make docs"
