"""What a drill leaves in the journal is read as a drill, and as nothing that the hospital went through."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from safelight.core.clock import SetClock
from safelight.core.progress import silent
from safelight.core.signing import SigningKey
from safelight.downtime.outage import Event, Said, Scope
from safelight.downtime.phase import Phase as ScopePhase
from safelight.drill.facts import (
    Answered,
    Finished,
    Inject,
    ItemAssigned,
    ItemClosed,
    Measured,
    OpenItem,
    Sealed,
    TierMeasured,
    to_body,
)
from safelight.drill.facts import Started as DrillStarted
from safelight.drill.state import DrillState, Phase, fold
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.recovery.facts import Level, Settings, Started, StudyCompared
from safelight.recovery.facts import to_body as recovery_body
from safelight.site.commitment_asks import refilled
from safelight.site.drill_records import drill_measures, drill_of
from safelight.site.drill_report import succeeded
from safelight.site.drills import conclude, run, say
from safelight.site.opened import Site
from safelight.site.outages import downtime_state, is_refilling
from safelight.site.recoveries import state_of
from support.hl7_house import make_home

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.create(tmp_path / "journal.db", SetClock(NOW), "node", SigningKey.generate())


def _recovery(journal: Journal, number: str, study: str, drill: str = "") -> None:
    settings = Settings("PACS@127.0.0.1:104", "generic", Level.ATTRIBUTES, "US", "why", "who", drill=drill)
    started = Started(number, NOW, settings)
    journal.append(started.kind, recovery_body(started))
    if study:
        compared = StudyCompared(number, NOW, study, Level.BYTES, "get", 1, 1, 1.0, {"bytes": 1})
        journal.append(compared.kind, recovery_body(compared))


def _begun(journal: Journal, study: str = "1.2.9") -> None:
    started = DrillStarted(
        "1", NOW, "restore-tier", "", "hardware", (), "", "PACS@127.0.0.1:104", None, 0.0, "why", "who"
    )
    journal.append(started.kind, to_body(started))
    _recovery(journal, "2", study, drill="1")


def test_a_drill_moves_no_phase_and_is_not_asked_commitment_for(journal: Journal) -> None:
    said = Said(Event.DECLARED, Scope.PACS, 1, NOW, NOW, "broke", "who")
    journal.append(said.kind, said.to_body())
    _begun(journal)
    assert downtime_state(journal).scope(Scope.PACS, NOW).phase is ScopePhase.DOWNTIME
    assert not is_refilling(journal)
    assert refilled(journal) == []
    _recovery(journal, "3", "1.2.3")
    assert downtime_state(journal).scope(Scope.PACS, NOW).phase is ScopePhase.RECOVERY
    assert is_refilling(journal)
    journal.append(FactKind.RECOVERY_FINISHED, {"recovery": "2"})
    assert is_refilling(journal), "that was the drill's"
    assert refilled(journal) == ["1.2.3"]


def test_a_bundle_counts_when_it_can_tell_what_was_measured_and_a_second_one_changes_nothing(journal: Journal) -> None:
    _begun(journal)
    sealed = {"recovery": "2", "first": 1, "last": 2}
    journal.append(FactKind.EVIDENCE_SEALED, {**sealed, "sha256": "early"})
    journal.append(FactKind.RECOVERY_FINISHED, {"recovery": "2"})
    assert drill_of(journal, None).evidence == ""
    assert drill_measures(drill_of(journal, "1")) is None
    measured = Measured("1", NOW, "2", (TierMeasured("emergency", 1, 1, 2.0, 0.0),))
    journal.append(measured.kind, to_body(measured))
    journal.append(FactKind.EVIDENCE_SEALED, {**sealed, "sha256": "right"})
    journal.append(Finished.kind, to_body(Finished("1", NOW)))
    journal.append(FactKind.EVIDENCE_SEALED, {**sealed, "sha256": "again"})
    state = drill_of(journal, "1")
    assert (state.phase, state.evidence, state.recovery) == (Phase.DONE, "right", "2")
    told = drill_measures(state)
    assert told is not None
    assert told["tiers"][0]["rto_seconds"] == 2.0


def test_what_was_measured_of_a_drill_given_up_meanwhile_is_not_recorded_and_drills_stay_readable(
    tmp_path: Path,
) -> None:
    with Site.open(make_home(tmp_path, 0)) as site:
        _begun(site.records.journal)
        site.records.journal.append(FactKind.RECOVERY_FINISHED, {"recovery": "2"})
        say(site, {"number": "1", "what": "abandon", "reason": "a real outage", "by": "who"})
        conclude(site, Measured("1", NOW, "2", ()))
        conclude(site, Finished("1", NOW))
        state = drill_of(site.records.journal, "1")
        assert (state.phase, state.measured) == (Phase.ABANDONED, None)


def test_a_dry_run_of_going_on_or_giving_up_records_nothing_and_holds_no_restore(tmp_path: Path) -> None:
    signed = {"reason": "why", "by": "who", "dry_run": True}
    with Site.open(make_home(tmp_path, 0)) as site:
        journal = site.records.journal
        _begun(journal, study="")
        before = len(list(journal.entries()))
        assert say(site, {"number": "1", "what": "abandon", **signed})["state"] == "abandoned"
        told = run(site, {"resume": "1", **signed}, silent)
        assert (told["state"], told["waits_for"]) == ("running", {"what": "itself"})
        assert len(list(journal.entries())) == before
        assert not state_of(journal, "2").paused


@pytest.mark.parametrize(
    "then", [ItemAssigned("1", NOW, 1, "omar", date(2026, 3, 9), "why", "who"), ItemClosed("1", NOW, 1, "told", "who")]
)
def test_a_table_top_succeeds_once_nothing_of_it_is_open_without_an_owner(then: ItemAssigned | ItemClosed) -> None:
    inject = Inject("gone", "It is gone.", "What now?", "Where?")
    state = DrillState()
    for fact in (
        DrillStarted("1", NOW, "table-top", "", "hardware", (), "", "", None, None, "why", "who", injects=(inject,)),
        Answered("1", NOW, "gone", "", "At the scanner", (OpenItem("IT had no answer", ""),)),
        Sealed("1", NOW, "ab"),
        Finished("1", NOW),
    ):
        state = fold(state, fact)
    assert not succeeded(state)
    assert succeeded(fold(state, then))
