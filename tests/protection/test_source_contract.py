"""A misbehaving PACS on a real socket, asked by Safelight's own client, beside the model of it in memory."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from safelight.core.clock import SetClock
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.protection.census import CensusScope, take_census
from safelight.protection.enumeration import EnumerationSettings, begin_whole
from safelight.protection.pull import PullSettings, begin_pull, next_moment, take_turn
from safelight.protection.source import QueryKey, RetrieveWay, SourceArchive, SourceUnreachable, StudyQuery
from safelight.site.retrieval import DicomSource
from safelight.wire.dicom.dataset import scan_head
from support.dicom_door import TITLE, open_door
from support.hostile_source import HostileSource, hostile_source
from support.source_model import MemoryBook, Misbehaviour, ModelSource, ModelStudy, SourceModel, make_study

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Archive:
    """A source under test, and what has arrived from it."""

    source: SourceArchive
    model: SourceModel
    book: MemoryBook
    hostile: HostileSource | None
    early: ModelSource | None

    def deliver(self) -> None:
        """Let an early C-MOVE really send."""
        if self.hostile is not None:
            self.hostile.wait_for_senders()
            self.source._settled()  # type: ignore[attr-defined]
        while self.early is not None and self.early.late:
            self.early.late.pop(0)()


@contextmanager
def in_memory(studies: list[ModelStudy], misbehaviour: Misbehaviour) -> Iterator[Archive]:
    book = MemoryBook()
    source = ModelSource(SourceModel(studies, misbehaviour), book)
    yield Archive(source, source.model, book, None, source)


@contextmanager
def on_a_socket(studies: list[ModelStudy], misbehaviour: Misbehaviour) -> Iterator[Archive]:
    model, book = SourceModel(studies, misbehaviour), MemoryBook()
    with ExitStack() as stack:
        door = stack.enter_context(open_door())
        hostile = stack.enter_context(hostile_source(model))
        hostile.destination = ("127.0.0.1", door.listener.port)

        def settled() -> None:
            with door.intake.lock:
                taken, door.intake.taken[:] = list(door.intake.taken), []
            for one in taken:
                head = scan_head(MemorySource(one.data), one.command.transfer_syntax)
                book.arrive(head.study, head.series, head.sop_instance)

        peer = Peer(AETitle("PACS"), "127.0.0.1", hostile.port)
        yield Archive(DicomSource(peer, TITLE, door.intake, settled), model, book, hostile, None)


ARCHIVES = [pytest.param(in_memory, id="memory"), pytest.param(on_a_socket, id="socket", marks=pytest.mark.peer)]


def a_department() -> list[ModelStudy]:
    return [
        *(make_study(n, (NOW.date() - timedelta(days=n % 90)).strftime("%Y%m%d")) for n in range(230)),
        *(make_study(1000 + n, "20260202", time=f"{n % 24:02}{n % 60:02}00") for n in range(270)),
        *(make_study(2000 + n, "") for n in range(260)),
        *(make_study(3000 + n, "20260203", series=0) for n in range(7)),
        make_study(4000, "", series=0, patient="HL7-ONLY"),
    ]


@pytest.mark.parametrize("open_archive", ARCHIVES)
def test_a_study_row_is_read_as_the_source_gives_it(open_archive: type) -> None:
    studies = [
        make_study(1, "20260101", patient="A*1", series=2),
        make_study(2, "", time="", patient="B"),
        make_study(3, "20260102", series=0),
    ]
    with open_archive(studies, Misbehaviour()) as archive:
        claims = {claim.study: claim for claim in archive.source.find_studies(StudyQuery()).claims}
        first, second, third = (claims[study.uid] for study in studies)
        assert (first.date, first.second, first.patient.text) == (date(2026, 1, 1), 43200, "A*1")
        assert (first.series_count, first.instance_count, first.modalities) == (2, 4, ("CT",))
        assert (second.date, second.second) == (None, None)
        assert (third.instance_count, third.modalities) == (0, ())
        assert [part.instance_count for part in archive.source.find_series(studies[0].uid)] == [2, 2]
        found = archive.source.find_instances(studies[0].uid, f"{studies[0].uid}.2")
        assert [row.instance for row in found] == studies[0].series[f"{studies[0].uid}.2"]
        assert archive.source.find_series("2.25.404") == []


@pytest.mark.parametrize("open_archive", ARCHIVES)
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (StudyQuery(first=date(2026, 1, 1)), {1, 2, 3}),
        (StudyQuery(last=date(2026, 1, 1)), {1}),
        (StudyQuery(date(2026, 1, 2), date(2026, 1, 2)), {2, 3}),
        (StudyQuery(date(2026, 1, 2), date(2026, 1, 2), seconds=(0, 3599)), {2}),
        (StudyQuery(date(2026, 1, 2), date(2026, 1, 2), seconds=(3600, 86399)), {3}),
        (StudyQuery(patient="AB*"), {2, 4}),
        (StudyQuery(patient="AB"), {2}),
        (StudyQuery(modality="CT"), {1, 3}),
        (StudyQuery(), {1, 2, 3, 4}),
    ],
)
def test_every_key_narrows_an_answer(open_archive: type, query: StudyQuery, expected: set[int]) -> None:
    studies = [
        make_study(1, "20260101", patient="XY"),
        make_study(2, "20260102", time="005959.5", patient="AB"),
        make_study(3, "20260102", time="01", patient="CD"),
        make_study(4, "", patient="ABC"),
    ]
    studies[2].time = "010000"
    with open_archive(studies, Misbehaviour()) as archive:
        rows = archive.source.find_studies(query).claims
        assert {row.study for row in rows} == {f"2.25.{1000 + number}" for number in expected}


@pytest.mark.parametrize("open_archive", ARCHIVES)
def test_misbehaviour_is_seen(open_archive: type) -> None:
    studies = [make_study(n, "20260101") for n in range(60)]
    misbehaviour = Misbehaviour(
        row_limit=50, says_truncated=True, duplicate_rows=True, ignores=frozenset({QueryKey.DATE})
    )
    with open_archive(studies, misbehaviour) as archive:
        answer = archive.source.find_studies(StudyQuery(date(1999, 1, 1), date(1999, 1, 1)))
        assert (len(answer.claims), answer.truncated) == (50, True)
        assert len({row.study for row in answer.claims}) < 50


@pytest.mark.parametrize("open_archive", ARCHIVES)
@pytest.mark.parametrize("way", RetrieveWay)
@pytest.mark.parametrize("early", [False, True])
def test_a_retrieve_brings_what_the_source_does_not_keep_back(
    open_archive: type, way: RetrieveWay, early: bool
) -> None:
    study = make_study(1, "20260101", series=2, instances=3)
    lost = study.series[f"{study.uid}.1"][0]
    with open_archive([study], Misbehaviour(never_sends=frozenset({lost}), early_move=early)) as archive:
        outcome = archive.source.retrieve(study.uid, f"{study.uid}.1", way)
        assert outcome.accepted
        is_late = early and way is RetrieveWay.MOVE
        assert bool(archive.book.instances(study.uid)) != is_late
        archive.deliver()
        assert archive.book.instances(study.uid) == {f"{study.uid}.1": set(study.series[f"{study.uid}.1"]) - {lost}}
        archive.source.retrieve(study.uid, None, way)
        archive.deliver()
        assert archive.book.counts([study.uid])[study.uid].instances == 5


@pytest.mark.peer
def test_a_source_that_is_gone_is_unreachable() -> None:
    with on_a_socket([], Misbehaviour()) as archive:
        source = archive.source
    with pytest.raises(SourceUnreachable):
        source.find_studies(StudyQuery())


@pytest.mark.parametrize("open_archive", ARCHIVES)
def test_the_census_of_a_hostile_source_is_complete(open_archive: type) -> None:
    studies = a_department()
    misbehaviour = Misbehaviour(row_limit=200, duplicate_rows=True, early_move=True)
    with open_archive(studies, misbehaviour) as archive:
        scope = CensusScope(begin_whole(EnumerationSettings(), NOW.date()))
        summary = take_census(archive.source, archive.book, scope, SetClock(NOW))
        assert {study for _, study in archive.book.kept} == {study.uid for study in studies}
        assert summary.complete, summary.unknown
        assert summary.row_limit == 200
        assert summary.instances_missing == sum(study.instance_count for study in studies)


@pytest.mark.parametrize("open_archive", ARCHIVES)
def test_the_census_of_a_source_that_cannot_be_split_says_what_it_does_not_know(open_archive: type) -> None:
    ignores = frozenset({QueryKey.PATIENT, QueryKey.MODALITY})
    with open_archive(a_department(), Misbehaviour(row_limit=200, ignores=ignores)) as archive:
        scope = CensusScope(begin_whole(EnumerationSettings(), NOW.date()))
        summary = take_census(archive.source, archive.book, scope, SetClock(NOW))
        assert not summary.complete
        assert summary.unknown


@pytest.mark.parametrize("open_archive", ARCHIVES)
@pytest.mark.parametrize("way", RetrieveWay)
def test_a_pull_from_a_hostile_source_brings_everything(open_archive: type, way: RetrieveWay) -> None:
    studies = [
        *(make_study(n, f"202602{1 + n % 28:02}") for n in range(30)),
        *(make_study(100 + n, "") for n in range(30)),
        make_study(200, "20260203", series=0),
    ]
    misbehaviour = Misbehaviour(row_limit=25, duplicate_rows=True, early_move=True)
    with open_archive(studies, misbehaviour) as archive:
        clock = SetClock(NOW)
        state = begin_pull(PullSettings(ways=(way,)), NOW.date())
        while not state.finished:
            local = clock.now().replace(tzinfo=None)
            state, done = take_turn(state, archive.source, archive.book, clock, local, record=lambda fact: None)
            if not done:
                due = next_moment(state, clock.now())
                clock.advance(due - clock.now() if due else timedelta(minutes=1))
                archive.deliver()
        assert (state.unfinished, state.enumeration.complete) == ((), True)
        for study in studies:
            assert archive.book.instances(study.uid) == {series: set(part) for series, part in study.series.items()}
