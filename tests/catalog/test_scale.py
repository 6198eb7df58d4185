"""What is asked often costs by what is asked and not by what is held: every question has its index."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from safelight.catalog.catalog import Catalog
from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.census_rows import CensusRun
from safelight.catalog.levels import given_at
from safelight.catalog.rows import CopyState
from safelight.catalog.search import StudySearch
from safelight.core.query import Between, Exactly, Like, Match, QueryLevel, Selection
from support.catalog_filler import START, arrival, claim, digest_of, fill, pack_of


@dataclass(frozen=True)
class _Fact:
    kind: str
    told: dict[str, Any]
    position: int = 1
    at: datetime = START

    @property
    def facts(self) -> dict[str, Any]:
        return {"sop_instance": "1.2.3.8.1.1", "study": "1.2.3.8", "note": "9", "reason": "113001", **self.told}


LATER = START + timedelta(days=1)
BIG = [
    "version",
    "holding",
    "series",
    "study",
    "name",
    "pack",
    "copy",
    "census",
    "claim",
    "landed",
    "patient",
    "reference",
    "description",
    "former",
]
QUESTIONS: dict[str, Callable[[Catalog], object]] = {
    "the numbers": lambda catalog: catalog.tally(),
    "a patient": lambda catalog: catalog.find(StudySearch(patient_id="P000007")),
    "patients": lambda catalog: catalog.find(StudySearch(patient_id="P00000*")),
    "another decision": lambda catalog: catalog.apply(
        [_Fact("version-chosen", {"digest": digest_of(8, 1, 1, 0).hex()})]
    ),
    "another rejection": lambda catalog: catalog.apply([_Fact("rejection-noted", {"instances": ["1.2.3.8.1.1"]})]),
    "a name": lambda catalog: catalog.find(StudySearch(name="berg*")),
    "an accession number": lambda catalog: catalog.find(StudySearch(accession="A0000007")),
    "a day": lambda catalog: catalog.find(StudySearch(date_from="20200105", date_to="20200105")),
    "a study": lambda catalog: catalog.study("1.2.3.7"),
    "series": lambda catalog: catalog.series("1.2.3.7"),
    "instances": lambda catalog: catalog.instances(study="1.2.3.7"),
    "instances of a series": lambda catalog: catalog.instances(series="1.2.3.7.1"),
    "a patient's studies by C-FIND": lambda catalog: asked(catalog, QueryLevel.STUDY, {0x00100020: Exactly("P000007")}),
    "a name by C-FIND": lambda catalog: asked(catalog, QueryLevel.STUDY, {0x00100010: Like("BERG^ANA0*")}),
    "a named patient by C-FIND": lambda catalog: asked(catalog, QueryLevel.PATIENT, {0x00100010: Like("BERG^ANA0*")}),
    "a day's CTs by C-FIND": lambda catalog: asked(
        catalog, QueryLevel.STUDY, {0x00080020: Between("20200105", "20200106"), 0x00080061: Exactly("CT")}
    ),
    "series by C-FIND": lambda catalog: asked(catalog, QueryLevel.SERIES, {0x0020000D: Exactly("1.2.3.7")}),
    "instances by C-FIND": lambda catalog: asked(
        catalog, QueryLevel.IMAGE, {0x0020000D: Exactly("1.2.3.7"), 0x0020000E: Exactly("1.2.3.7.1")}
    ),
    "an instance by C-FIND": lambda catalog: asked(catalog, QueryLevel.IMAGE, {0x00080018: Exactly("1.2.3.7.1.1")}),
    "versions of an instance": lambda catalog: catalog.versions(instance="1.2.3.7.1.1"),
    "holdings of a study": lambda catalog: catalog.holdings(study="1.2.3.7"),
    "holdings by digest": lambda catalog: catalog.holdings(digests=[digest_of(7, 1, 1, 0)]),
    "what is known": lambda catalog: catalog.known([digest_of(7, 1, 1, 0)]),
    "pixels": lambda catalog: catalog.pixels_known([digest_of("pixels", digest_of(7, 1, 1, 0))]),
    "the census of a day": lambda catalog: catalog.census(dates=("20200105", "20200105")),
    "the unprotected": lambda catalog: catalog.census(outcomes=[CensusOutcome.UNPROTECTED], limit=50),
    "the exposure": lambda catalog: catalog.exposure_inputs(2),
    "packs lacking copies": lambda catalog: catalog.packs_lacking(2),
    "the next to verify": lambda catalog: catalog.least_recently_verified("home", 10),
    "damaged copies": lambda catalog: catalog.copies_in_state("home", CopyState.DAMAGED),
    "what waits": lambda catalog: catalog.landed_waiting(),
    "another arrival": lambda catalog: catalog.record_landed([arrival(7, 1, 1, version=9)]),
    "another pack": lambda catalog: catalog.record_packed(*pack_of(arrival(7, 1, 1, version=8))),
    "what is held of studies": lambda catalog: catalog.held_studies(["1.2.3.7", "1.2.3.8"]),
    "what was claimed of studies": lambda catalog: catalog.kept_claims("PACS", ["1.2.3.7", "1.2.3.8"]),
    "claims of a day": lambda catalog: catalog.claims_before("PACS", LATER, ("20200105", "20200105")),
    "what vanished of a day": lambda catalog: catalog.vanished("PACS", LATER, ("20200105", "20200105")),
    "what nobody claims of a day": lambda catalog: catalog.unclaimed("PACS", LATER, ("20200105", "20200105")),
    "the row limit": lambda catalog: catalog.row_limit("PACS"),
    "the end of a day's census": lambda catalog: catalog.end_census(
        CensusRun("PACS", "run-3", START, complete=True, studies=0, whole=False), ("20200105", "20200105")
    ),
    "another claim": lambda catalog: catalog.record_claims("PACS", "run-2", [claim(7, 6)], START),
}


def asked(catalog: Catalog, level: QueryLevel, matches: dict[int, Match]) -> object:
    keys = catalog.level_keys(Selection(level, matches, hides_withdrawn=True), 100)
    return catalog.level_rows(level, sorted(given_at(level)), keys, hides_withdrawn=True)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path_factory.mktemp("scale") / "catalog.db")
    fill(made, 40, 2, 3)
    yield made
    made.close()


def plans_of(ask: Callable[[], object]) -> Iterator[tuple[str, str]]:
    """Run a question and give each statement it made with each step of the engine's plan for it."""
    asked: list[tuple[str, object]] = []
    plans: list[tuple[str, str]] = []

    def executed(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        del connection
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
            one = parameters[0] if isinstance(parameters, list) and parameters else parameters
            asked.append((statement, one))
            rows = cursor.connection.execute("EXPLAIN QUERY PLAN " + statement, one)  # type: ignore[attr-defined]
            plans.extend((statement, row[3]) for row in rows)

    event.listen(Engine, "before_cursor_execute", executed)
    try:
        ask()
    finally:
        event.remove(Engine, "before_cursor_execute", executed)
    assert asked
    yield from plans


@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_no_question_reads_a_whole_table(catalog: Catalog, question: str) -> None:
    for statement, step in plans_of(lambda: QUESTIONS[question](catalog)):
        scanned = re.match(r"SCAN (\w+)", step)
        # Walking an index in the order wanted, up to a limit, is no reading of everything.
        limited = "USING" in step and "LIMIT" in statement
        if scanned and not limited:
            assert scanned[1] not in BIG, f"{step}: {statement}"


def questions_cost(catalog: Catalog) -> dict[str, int]:
    """Return how many steps of the engine's machine each question takes."""
    costs = {}
    for name, ask in QUESTIONS.items():
        steps = 0

        def counted() -> int:
            nonlocal steps
            steps += 1
            return 0

        def opened(connection: object) -> None:
            connection.connection.dbapi_connection.set_progress_handler(counted, 100)  # type: ignore[attr-defined]

        event.listen(Engine, "engine_connect", opened)
        try:
            ask(catalog)
        finally:
            event.remove(Engine, "engine_connect", opened)
        costs[name] = steps
    return costs


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_times_as_much_costs_each_question_the_same(tmp_path: Path) -> None:
    costs = []
    for studies in (20, 400):
        made = Catalog.create(tmp_path / f"{studies}.db")
        fill(made, studies)
        made.close()
        again = Catalog.open(tmp_path / f"{studies}.db")
        costs.append(questions_cost(again))
        again.close()
    small, large = costs
    # Steps of the engine in hundreds: names and limits reach further in a larger house, tables must not.
    grown = {name: (small[name], steps) for name, steps in large.items() if steps > 1.5 * small[name] + 300}
    assert grown == {}
