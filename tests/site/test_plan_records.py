"""What a home has on record becomes the sizes, rates and work of a plan's estimates, each with its source."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from safelight.catalog.caller import CallerAct, CallerSighting
from safelight.catalog.catalog import Catalog
from safelight.cli.main import program
from safelight.core.clock import SetClock
from safelight.core.instance import Arrival
from safelight.core.signing import SigningKey
from safelight.downtime.outage import Event, Said, Scope
from safelight.journal.journal import Journal
from safelight.plan.on_record import OnRecord, Span
from safelight.plan.words import Portion
from safelight.recovery.facts import Fact, Level, Settings, Started, StudyCompared, StudySent, to_body
from safelight.site.plan_assessment import objectives_document
from safelight.site.plan_folder import PlanFolder, example_beside, example_texts, write_plan
from safelight.site.plan_records import PlanRecords, lived_through, measured_rate, records_of, sizes_held
from safelight.site.plan_review import agenda
from support.catalog_filler import arrival, head
from support.hl7_house import make_home

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
GB = 10**9


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.create(tmp_path / "journal.db", SetClock(NOW), "node", SigningKey.generate())


def record(journal: Journal, *facts: Fact) -> None:
    for fact in facts:
        journal.append(fact.kind, to_body(fact))


def started(number: str, drill: str = "") -> Started:
    return Started(
        number, NOW, Settings("PACS@there:104", "generic", Level.ATTRIBUTES, "US", "why", "who", drill=drill)
    )


def sent(number: str, study: str, minute: float, seconds: float) -> StudySent:
    return StudySent(number, NOW + timedelta(minutes=minute), study, 1, GB, seconds)


def compared(number: str, study: str, minute: float, seconds: float, level: Level = Level.BYTES) -> StudyCompared:
    return StudyCompared(number, NOW + timedelta(minutes=minute), study, level, "get", 1, GB, seconds, {})


def test_a_rate_counts_work_at_the_same_time_once_and_no_pause(journal: Journal) -> None:
    record(
        journal,
        started("1", drill="4"),
        # Two at once for six minutes, then a night, then six minutes more: 3 GB in 12 minutes.
        sent("1", "1.1", 6, 360),
        sent("1", "1.2", 6, 360),
        compared("1", "1.1", 600, 120),
        compared("1", "1.2", 602, 120),
        sent("1", "1.3", 604, 120),
        compared("1", "1.3", 604, 60),
    )
    rate = measured_rate(journal)
    assert rate is not None
    assert rate.value == pytest.approx(3 / 0.2)
    assert "drill 4 on 2026-11-24: 3 studies, 3 GB, to PACS@there:104" in rate.source


def test_a_rate_is_that_of_the_last_refill_that_confirmed_anything_and_resends_are_not_two(journal: Journal) -> None:
    record(
        journal, started("1"), sent("1", "1.1", 60, 1800), sent("1", "1.1", 120, 3600), compared("1", "1.1", 180, 1800)
    )
    record(journal, started("2"), sent("2", "1.1", 200, 1), compared("2", "1.1", 201, 1, Level.NONE))
    rate = measured_rate(journal)
    assert rate is not None
    assert rate.value == pytest.approx(1 / 2.0)
    assert "recovery 1" in rate.source


def test_nothing_measured_is_no_rate(journal: Journal) -> None:
    record(journal, started("1"))
    assert measured_rate(journal) is None
    assert lived_through(journal) is None


def test_the_longest_work_after_a_return_is_what_was_lived_through(journal: Journal) -> None:
    for outage, hours in ((1, 24), (2, 3)):
        for event, after in ((Event.DECLARED, 0), (Event.ENDED, 8), (Event.CLOSED, 8 + hours)):
            moment = NOW + timedelta(days=10 * outage, hours=after)
            said = Said(event, Scope.PACS, outage, moment, moment, "why", "who")
            journal.append(said.kind, said.to_body())
    lived = lived_through(journal)
    assert lived is not None
    assert lived.takes == timedelta(hours=24)
    assert "outage 1" in lived.source


def arrival_of(number: int, day: date) -> Arrival:
    of = head(number)
    return arrival(number, of=replace(of, values={**of.values, 0x00080020: f"{day:%Y%m%d}".encode()}))


def test_sizes_are_those_of_the_busiest_day_of_four_weeks_and_of_everything(tmp_path: Path) -> None:
    today = NOW.date()
    home = make_home(tmp_path)
    catalog = Catalog.open(home.catalog)
    ages = (0, 7, 7, 27, 28, 4000)
    catalog.record_landed([arrival_of(number, today - timedelta(days=age)) for number, age in enumerate(ages, 1)])
    one = catalog.studies_size() / len(ages) / GB
    found = sizes_held(catalog, today)
    assert found[Portion.LAST_24_HOURS].value == pytest.approx(2 * one)
    assert found[Portion.LAST_4_WEEKS].value == pytest.approx(4 * one)
    assert found[Portion.EVERYTHING].value == pytest.approx(6 * one)
    assert "the busiest day" in found[Portion.LAST_24_HOURS].source
    catalog.close()


def test_the_exposure_of_a_home_is_what_may_be_lost_and_a_home_that_hears_nobody_does_not_know(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    catalog = Catalog.open(home.catalog)
    assert records_of(home).figures.exposure is None
    heard = datetime.now(UTC) - timedelta(minutes=50)
    sightings = [CallerSighting("CT1", "10.0.0.7", CallerAct.STORE, heard)]
    catalog.keep_callers(catalog.with_sightings(sightings))
    catalog.close()
    told = records_of(home).figures.exposure
    assert told is not None
    assert timedelta(minutes=50) <= told.takes < timedelta(minutes=55)
    assert "exposure measured on" in told.source
    write_plan(tmp_path / "plan", example_texts("400-bed", date.today()))
    rows = objectives_document(PlanFolder(tmp_path / "plan").read().plan, records_of(home))
    found = {one["source"] for row in rows for one in row["losses"] if row["disruption"] == "ransomware"}
    assert any(source.startswith("safelight: exposure measured on") for source in found)


def test_the_commands_say_where_each_number_comes_from(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    catalog = Catalog.open(home.catalog)
    catalog.record_landed([arrival_of(1, datetime.now().astimezone().date())])
    catalog.close()
    write_plan(tmp_path / "plan", example_texts("400-bed", date.today()))
    words = ["plan", "show", str(tmp_path / "plan"), "--home", str(home.directory)]
    told = json.loads(CliRunner().invoke(program, [*words, "--json"], catch_exceptions=False).output)
    care = next(
        one for one in told["objectives"] if (one["service"], one["disruption"]) == ("intensive-care", "hardware")
    )
    (data,) = (part for part in care["path"] if part["what"] == "data")
    assert "1 studies dated" in data["source"] and "600 GB/h (as the plan says)" in data["source"]
    assert care["complete"]
    shown = CliRunner().invoke(program, [*words, "--path"], catch_exceptions=False).output
    assert "counted: 1 studies" in shown and "until everything that is held is back" in shown
    done = CliRunner().invoke(program, ["plan", "assess", *words[2:], "--json"], catch_exceptions=False)
    assert json.loads(done.output)["broken_rules"] == []


def test_the_agenda_has_the_findings_that_records_open(tmp_path: Path) -> None:
    today, folder = NOW.date(), PlanFolder(tmp_path / "plan")
    write_plan(folder.path, {**example_texts("400-bed", today), **example_beside("400-bed")})
    plan = folder.read().plan
    assert "R26" not in {one["rule"] for one in agenda(folder, plan, today)["items"]}
    lived = PlanRecords(OnRecord(work_recovery=Span(timedelta(days=30), "lived through in outage 1")))
    assert "R26" in {one["rule"] for one in agenda(folder, plan, today, lived)["items"]}
