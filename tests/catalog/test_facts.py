"""Journal facts fold into findings, rejections, choices and copies; in order, and harmless when repeated."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog.caller import CallerAct, CallerSighting, from_body, merged, to_body
from safelight.catalog.callers import CALLERS_MAX, Sighted
from safelight.catalog.catalog import Catalog
from safelight.catalog.rows import CopyState
from support.catalog_filler import START, arrival, claim, pack_of

LATER = START + timedelta(hours=1)


@dataclass(frozen=True)
class Entry:
    position: int
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    at: datetime = START


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.db")
    yield made
    made.close()


def test_a_finding_opens_closes_and_opens_again(catalog: Catalog) -> None:
    opened = Entry(1, "finding-opened", {"code": "vault.x", "subject": "s", "severity": "high", "pack": "p"})
    closed = Entry(2, "finding-closed", {"code": "vault.x", "subject": "s", "because": "healed"}, LATER)
    again = Entry(3, "finding-opened", {"code": "vault.x", "subject": "s", "severity": "low"}, LATER)
    catalog.apply([opened])
    (finding,) = catalog.findings()
    assert (finding.code, finding.severity, finding.facts, finding.opened_at) == (
        "vault.x",
        "high",
        {"pack": "p"},
        START,
    )
    catalog.apply([closed])
    assert catalog.findings() == []
    (finding,) = catalog.findings(open_only=False)
    assert (finding.closed_at, finding.closed_because) == (LATER, "healed")
    catalog.apply([again])
    assert [(one.severity, one.opened_at) for one in catalog.findings(code="vault.x")] == [("low", LATER)]
    assert catalog.tally().findings_open == 1


def test_applying_the_journal_twice_is_applying_it_once(catalog: Catalog) -> None:
    row, held = pack_of(arrival())
    catalog.record_packed(row, held)
    rejected = {"note": "9", "instances": ["1.2.3.1.1.1"], "study": "1.2.3.1", "reason": "113037"}
    facts = [
        Entry(1, "pack-sealed", {"pack": row.name}),
        Entry(2, "copy-verified", {"pack": row.name, "placement": "home"}),
        Entry(3, "copy-damaged", {"pack": row.name, "placement": "second"}, LATER),
        Entry(4, "finding-opened", {"code": "a"}),
        Entry(5, "finding-closed", {"code": "a"}),
        Entry(6, "finding-opened", {"code": "b"}),
        Entry(7, "rejection-noted", rejected),
        Entry(8, "version-chosen", {"sop_instance": "1.2.3.1.1.1", "digest": held[0].digest.hex()}),
        Entry(9, "source-claimed", {"source": "PACS", "run": "r", "complete": True}),
        Entry(10, "something-new", {}),
    ]
    catalog.apply(facts)

    def told() -> list[object]:
        return [
            catalog.tally(),
            catalog.findings(open_only=False),
            catalog.rejections(study="1.2.3.1"),
            catalog.copies(row.name),
            catalog.pack(row.name),
            list(catalog.dump()),
        ]

    before = told()
    catalog.apply(facts)
    assert told() == before
    assert catalog.tally().journal_position == 10
    assert catalog.tally().findings_open == 1
    assert [copy.state for copy in catalog.copies(row.name)] == [CopyState.VERIFIED, CopyState.DAMAGED]


def test_a_decision_chooses_the_version_from_its_moment_on(catalog: Catalog) -> None:
    first, second = arrival(version=0), arrival(version=1, minutes=1, offset=1)
    catalog.record_landed([first, second])
    chosen = {"sop_instance": "1.2.3.1.1.1", "digest": second.digest.hex()}
    catalog.apply([Entry(1, "version-chosen", chosen, LATER)])

    def current(at: datetime | None) -> bytes:
        return catalog.instances(study="1.2.3.1", as_of=at)[0].digest

    assert current(LATER - timedelta(seconds=1)) == first.digest
    assert current(LATER) == current(None) == second.digest
    catalog.apply([Entry(2, "version-chosen", chosen | {"digest": first.digest.hex()}, LATER)])
    assert current(None) == first.digest


def test_a_pack_the_journal_knows_and_nobody_found_is_told(catalog: Catalog) -> None:
    row, held = pack_of(arrival())
    catalog.apply(
        [Entry(4, "pack-sealed", {"pack": row.name}), Entry(5, "copy-verified", {"pack": row.name, "placement": "x"})]
    )
    assert catalog.packs_not_found() == [row.name]
    assert catalog.exposure_inputs(1).packs_not_found == (row.name,)
    catalog.record_packed(row, held)
    assert catalog.packs_not_found() == []
    found = catalog.pack(row.name)
    assert found is not None
    assert found.journal_position == 4


def test_rejections_are_found_by_study_and_by_instance(catalog: Catalog) -> None:
    catalog.apply(
        [Entry(1, "rejection-noted", {"note": "9", "instances": ["1.1", "1.2"], "study": "1", "reason": "r"})]
    )
    assert [one.sop_instance for one in catalog.rejections(study="1")] == ["1.1", "1.2"]
    assert [one.note for one in catalog.rejections(instances=["1.2", "1.3"])] == ["9"]
    assert catalog.rejections(study="2") == []


def test_a_census_fact_tells_what_is_gone(catalog: Catalog) -> None:
    catalog.record_claims("PACS", "one", [claim(1, 1)], START)
    catalog.apply([Entry(1, "source-claimed", {"source": "PACS", "run": "two", "complete": True, "studies": 0}, LATER)])
    assert catalog.census() == []
    assert catalog.exposure_inputs(1).last_complete_census["PACS"].ended_at == LATER


def _see(catalog: Catalog, sightings: Sequence[CallerSighting]) -> None:
    catalog.keep_callers(catalog.with_sightings(sightings))


def test_callers_are_remembered_with_what_they_did(catalog: Catalog) -> None:
    _see(
        catalog,
        [
            CallerSighting("CT_1", "192.0.2.1", CallerAct.ASSOCIATION, START, "SAFE", sop_classes=("1.2", "1.1")),
            CallerSighting("CT_1", "192.0.2.1", CallerAct.STORE, LATER, "SAFE", count=40),
            CallerSighting("CT_1", "192.0.2.9", CallerAct.REFUSAL, START),
        ],
    )
    _see(
        catalog,
        [CallerSighting("CT_1", "192.0.2.1", CallerAct.STORE, START, "DOWN", 2, "1.9", "V9", ("1.3",), ("1.2.840",))],
    )
    first, second = catalog.callers()
    assert (first.host, first.called, first.sop_classes) == ("192.0.2.1", ("DOWN", "SAFE"), ("1.1", "1.2", "1.3"))
    assert (first.implementation_uid, first.implementation_version) == ("1.9", "V9")
    assert first.counts == {CallerAct.ASSOCIATION: 1, CallerAct.STORE: 42}
    assert first.last == {CallerAct.ASSOCIATION: START, CallerAct.STORE: LATER}
    assert (first.first_seen_at, first.last_seen_at) == (START, LATER)
    assert second.counts == {CallerAct.REFUSAL: 1}
    assert catalog.tally().callers == 2


def test_callers_come_back_from_facts_in_any_order_and_however_often(catalog: Catalog, tmp_path: Path) -> None:
    facts = []
    for minutes, act in enumerate([*CallerAct, CallerAct.STORE]):
        at = START + timedelta(minutes=minutes)
        seen = CallerSighting(
            "CT_1", "192.0.2.1", act, at, f"T{minutes % 3}", 3, f"1.{minutes}", "V", (f"2.{minutes}",)
        )
        _see(catalog, [seen, replace(seen, title="MR", sop_classes=(), transfer_syntaxes=("1.2.840",))])
        facts.append({"callers": [to_body(row) for row in catalog.callers()]})
    assert [from_body(one) for one in facts[-1]["callers"]] == catalog.callers()
    again = Catalog.create(tmp_path / "again.db")
    for position, number in enumerate((3, 8, 0, 8, 5), 1):
        again.apply([Entry(position, "callers-seen", facts[number])])
    assert again.callers() == catalog.callers()
    assert again.tally().callers == 2
    again.close()


def test_two_accounts_of_a_caller_never_make_it_more_than_it_was(catalog: Catalog) -> None:
    _see(catalog, [CallerSighting("CT_1", "h", CallerAct.STORE, START, "A", 5)])
    [older] = catalog.callers()
    _see(catalog, [CallerSighting("CT_1", "h", CallerAct.STORE, LATER, "A", 2)])
    [newer] = catalog.callers()
    assert merged(older, newer) == merged(newer, older) == newer
    catalog.keep_callers(Sighted((older, newer)))
    assert catalog.callers() == [newer]


def test_invented_callers_and_uids_cannot_fill_the_register(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CALLERS_MAX == 10_000
    monkeypatch.setattr("safelight.catalog.callers.CALLERS_MAX", 3)
    many = [CallerSighting(f"AE{number}", "h", CallerAct.ECHO, START) for number in range(5)]
    _see(catalog, many)
    _see(catalog, [*many, CallerSighting("AE0", "h", CallerAct.ECHO, START, sop_classes=("1.2",) * 2)])
    _see(
        catalog,
        [
            CallerSighting(
                "AE0", "h", CallerAct.STORE, START, sop_classes=tuple(f"1.{number}" for number in range(2000))
            )
        ],
    )
    rows = catalog.callers()
    assert [row.title for row in rows] == ["AE0", "AE1", "AE2"]
    assert (rows[0].counts[CallerAct.ECHO], len(rows[0].sop_classes)) == (3, 512)
    assert (catalog.tally().callers, catalog.tally().callers_not_kept) == (3, 4)


def test_a_pack_that_is_recorded_with_its_place_in_the_journal_is_not_looked_for(catalog: Catalog) -> None:
    row, held = pack_of(arrival())
    catalog.apply([Entry(4, "pack-sealed", {"pack": row.name})])
    catalog.record_packed(replace(row, journal_position=4), held)
    assert catalog.packs_not_found() == []


def test_the_gravest_findings_are_not_cut_by_older_ones(catalog: Catalog) -> None:
    for position, severity in enumerate(("note", "serious", "critical", "warning", "serious"), 1):
        facts = {"code": "vault.x", "subject": f"s{position}", "severity": severity}
        catalog.apply([Entry(position, "finding-opened", facts, START if position < 5 else LATER)])
    assert [(one.severity, one.subject) for one in catalog.findings(limit=4)] == [
        ("critical", "s3"),
        ("serious", "s2"),
        ("serious", "s5"),
        ("warning", "s4"),
    ]
