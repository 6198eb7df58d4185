"""What messages say of patients, orders and reports, and how it folds; hostile order of arrival included."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.catalog.message_index import MessageIndex
from safelight.catalog.order_changes import Changes, PatientName, StepState
from safelight.catalog.order_search import StepRow, StepSearch
from safelight.gateway.attribute_values import Judged, judged
from safelight.gateway.hl7.mapping import BadMapping, Mappings
from safelight.gateway.hl7.order_reading import read_changes
from safelight.wire.hl7.header import UnreadableHeader, read_header
from safelight.wire.hl7.message import Message

AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
USUAL = Mappings.read()
EVERY = StepSearch(states=tuple(StepState))


@contextmanager
def _standing_in(zone: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(autouse=True)
def greenwich() -> Iterator[None]:
    """Have this machine stand where the clock on the wall shows UTC."""
    with _standing_in("UTC"):
        yield


@pytest.fixture
def tokyo(greenwich: None) -> Iterator[None]:
    """Have this machine stand nine hours ahead, where AT is 21:30:15."""
    del greenwich
    with _standing_in("Asia/Tokyo"):
        yield


def _head(event: str, at: str = "20260301120000", version: str = "2.3.1") -> str:
    return f"MSH|^~\\&|RIS|H|PACS|H|{at}||{event}|1|P|{version}||||||UNICODE UTF-8"


def _read(*segments: str, mappings: Mappings = USUAL, received: datetime = AT, is_history: bool = False) -> Changes:
    message = Message("\r".join(segments).encode())
    return read_changes(message, mappings.of(message.header.sender), received, is_history=is_history)


PID = "PID|1||77^^^HOSP&1.2.3&ISO~88^^^NAT||Berg^Jo^K^Jr^Dr||19700203|F"


def orm(
    control: str = "NW",
    status: str = "SC",
    at: str = "20260301120000",
    number: str = "1",
    patient: str = PID,
    more: str = "",
) -> Changes:
    """Read an invented order."""
    return _read(
        _head("ORM^O01", at),
        patient,
        "PV1|1|I|WARD^1^2||||1^Doc^Ref^^^Dr|2^Doc^Fam|||||||B6||||ADM9",
        f"ORC|{control}|P{number}^RIS|F{number}^RIS||{status}||^^^202603021015^^S",
        f"OBR|1|P{number}|F{number}|CT1^CT head^L||||||||||||3^Req^Doc||A{number}|R{number}|S{number}||||CT",
        f"ZDS|1.2.{number}^RIS^Application^DICOM{more}",
    )


def test_an_order_of_2_3_1_is_read_field_by_field() -> None:
    changes = orm()
    (patient,), (order,) = changes.patients, changes.orders
    assert patient.patient == order.patient == PatientName("77", "HOSP")
    assert patient.others == (PatientName("88", "NAT"),)
    assert patient.attributes == {
        "PatientName": "Berg^Jo^K^Dr^Jr",
        "PatientBirthDate": "19700203",
        "PatientSex": "F",
        "PregnancyStatus": "3",
        "AdmissionID": "ADM9",
        "RouteOfAdmissions": "I",
        "CurrentPatientLocation": "WARD 1 2",
    }
    assert order.names == (("filler", "F1^RIS"), ("placer", "P1^RIS"))
    assert order.also == (("accession", "A1"), ("study", "1.2.1"))
    assert order.state is StepState.SCHEDULED
    assert order.attributes == {
        "PlacerOrderNumberImagingServiceRequest": "P1",
        "FillerOrderNumberImagingServiceRequest": "F1",
        "AccessionNumber": "A1",
        "RequestedProcedureID": "R1",
        "StudyInstanceUID": "1.2.1",
        "RequestedProcedureDescription": "CT head",
        "RequestedProcedurePriority": "STAT",
        "ReferringPhysicianName": "Doc^Fam",
        "RequestingPhysician": "Req^Doc",
        "ScheduledProcedureStepStartDate": "20260302",
        "ScheduledProcedureStepStartTime": "101500",
        "Modality": "CT",
        "ScheduledProcedureStepDescription": "CT head",
        "ScheduledProtocolCodeValue": "CT1",
        "ScheduledProtocolCodingScheme": "L",
        "ScheduledProcedureStepID": "S1",
    }


def test_an_imaging_order_of_2_5_1_gives_a_step_for_each_ipc() -> None:
    changes = _read(
        _head("OMI^O23^OMI_O23", version="2.5.1"),
        PID,
        "ORC|NW|P1|F1||SC",
        "TQ1|1||||||20260302101500||R",
        "OBR|1|P1|F1|CT1^CT^L",
        "IPC|A1^RIS|R1|1.2.3|S1|CT|C1^Head^L|ROOM1|B2|CTAE",
        "IPC|A1^RIS|R1|1.2.3|S2|MR|C2^Neck^L|ROOM2|B3|MRAE",
    )
    told = [
        (one.names[0][1], one.attributes["ScheduledProcedureStepID"], one.attributes["ScheduledStationAETitle"])
        for one in changes.orders
    ]
    assert told == [("F1^^S1", "S1", "CTAE"), ("F1^^S2", "S2", "MRAE")]
    assert {one.attributes["ScheduledProcedureStepStartTime"] for one in changes.orders} == {"101500"}
    assert {one.attributes["RequestedProcedurePriority"] for one in changes.orders} == {"ROUTINE"}


def test_several_orders_in_a_message_are_several_steps() -> None:
    changes = _read(
        _head("ORM^O01"),
        PID,
        "ORC|NW|P1|F1||SC",
        "OBR|1|P1|F1|A^One",
        "NTE|1||first",
        "ORC|NW|P2|F2||SC",
        "OBR|1|P2|F2|B^Two",
        "OBR|2|P2|F2|C^Three",
    )
    assert [(one.names[0][1], one.attributes["ScheduledProcedureStepDescription"]) for one in changes.orders] == [
        ("F1", "One"),
        ("F2", "Two"),
        ("F2^#1", "Three"),
    ]
    assert changes.orders[0].attributes["RequestedProcedureComments"] == "first"


def test_a_missing_start_is_the_time_of_receipt() -> None:
    changes = _read(_head("ORM^O01"), PID, "ORC|NW|P1|||SC", "OBR|1|P1||A^One")
    told = changes.orders[0].attributes
    assert (told["ScheduledProcedureStepStartDate"], told["ScheduledProcedureStepStartTime"]) == ("20260301", "123015")


@pytest.mark.usefixtures("tokyo")
def test_a_missing_start_is_the_time_of_receipt_by_the_clock_on_the_wall() -> None:
    for received, start in ((AT, ("20260301", "213015")), (AT + timedelta(hours=4), ("20260302", "013015"))):
        told = _read(_head("ORM^O01"), PID, "ORC|NW|P1|||SC", "OBR|1|P1||A^One", received=received).orders[0].attributes
        assert (told["ScheduledProcedureStepStartDate"], told["ScheduledProcedureStepStartTime"]) == start


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    ("written", "start"),
    [
        ("20260302140000", ("20260302", "140000")),
        ("20260302140000+0500", ("20260302", "180000")),
        ("20260302140000.123-0500", ("20260303", "040000")),
        ("202603021400+0900", ("20260302", "140000")),
        ("20260302", ("20260302", None)),
        ("20260302+0500", ("20260302", None)),
    ],
)
def test_a_start_with_an_offset_is_brought_to_the_clock_on_the_wall(
    written: str, start: tuple[str, str | None]
) -> None:
    told = _read(_head("ORM^O01"), PID, f"ORC|NW|P1|||SC||^^^{written}", "OBR|1|P1||A^One").orders[0].attributes
    assert (told["ScheduledProcedureStepStartDate"], told.get("ScheduledProcedureStepStartTime")) == start


@pytest.mark.usefixtures("tokyo")
def test_a_birth_date_stays_as_it_is_written_whatever_its_offset() -> None:
    told = _read(_head("ADT^A08"), "PID|1||77^^^HOSP||Berg^Jo||19700203000000-0800").patients[0].attributes
    assert told["PatientBirthDate"] == "19700203"


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    "at", ["", "20990101000000", "20260301122500+0000", "20260301072500-0500", "20260301212500", "20261345"]
)
def test_a_cancel_counts_by_the_same_clock_as_its_order(tmp_path: Path, at: str) -> None:
    day = Day(tmp_path).tell(orm(at="20260301212000"), orm("CA", "CA", at=at))
    assert day.states() == [StepState.CANCELED]


@pytest.mark.usefixtures("tokyo")
def test_a_cancel_from_before_its_order_by_another_offset_is_older(tmp_path: Path) -> None:
    day = Day(tmp_path).tell(orm(at="20260301212000"), orm("CA", "CA", at="20260301121000+0000"))
    assert day.states() == [StepState.SCHEDULED]


@pytest.mark.parametrize(
    ("at", "told_at", "clock"),
    [
        ("20260301120000", "20260301120000", ""),
        ("20260302120000", "20260302120000", ""),
        ("20260302124500", AT.strftime("%Y%m%d%H%M%S"), "more than 1 day ahead"),
        ("20260215", "20260215000000", ""),
        ("20010101120000", AT.strftime("%Y%m%d%H%M%S"), "more than 30 days behind"),
        ("", AT.strftime("%Y%m%d%H%M%S"), ""),
    ],
)
def test_a_clock_that_cannot_be_right_is_not_believed_and_is_told(at: str, told_at: str, clock: str) -> None:
    changes = orm(at=at)
    assert (changes.told_at, changes.clock) == (told_at, clock)


def test_what_lay_in_files_may_be_as_old_as_it_likes() -> None:
    changes = _read(_head("ORM^O01", "20010101120000"), PID, is_history=True)
    assert (changes.told_at, changes.clock) == ("20010101120000", "")


def test_a_cancel_by_a_clock_years_behind_cancels(tmp_path: Path) -> None:
    assert Day(tmp_path).tell(orm(), orm("CA", "CA", at="20010301120000")).states() == [StepState.CANCELED]


@pytest.mark.parametrize(
    ("control", "status", "state"),
    [
        ("NW", "SC", StepState.SCHEDULED),
        ("NW", "IP", StepState.SCHEDULED),
        ("XO", "SC", StepState.SCHEDULED),
        ("SC", "IP", StepState.STARTED),
        ("XO", "CM", StepState.COMPLETED),
        ("SC", "CM", StepState.COMPLETED),
        ("SC", "A", StepState.COMPLETED),
        ("CA", "CA", StepState.CANCELED),
        ("CA", "CM", StepState.CANCELED),
        ("OC", "", StepState.CANCELED),
        ("DC", "CA", StepState.DISCONTINUED),
        ("ZZ", "ZZ", None),
        ("", "", None),
    ],
)
def test_order_control_and_status_give_the_state(control: str, status: str, state: StepState | None) -> None:
    changes = orm(control, status)
    assert changes.orders[0].state is state
    assert bool(changes.not_understood) is (state is None)


def test_appointments_give_steps_and_their_cancellation() -> None:
    segments = [
        "SCH|P1|F1|||||CT1^CT head|||30|min|^^^20260303080000",
        PID,
        "RGS|1",
        "AIS|1||CT1^CT head|20260303090000",
    ]
    made, gone = (_read(_head(f"SIU^{event}"), *segments).orders for event in ("S12", "S15"))
    assert [one.state for one in (*made, *gone)] == [StepState.SCHEDULED, StepState.CANCELED]
    assert made[0].attributes["ScheduledProcedureStepStartTime"] == "090000"
    assert made[0].names == gone[0].names


def test_reports_are_found_by_what_they_are_about() -> None:
    changes = _read(
        _head("ORU^R01"),
        PID,
        "ORC|RE|P1|F1",
        "OBR|1|P1|F1|CT1^CT head|||202603011000|||||||||||A1|||||||F",
        "ZDS|1.2.1",
        "OBX|1|TX|||Text||||||F",
    )
    (report,) = changes.reports
    assert (report.accession, report.study, report.filler, report.status) == ("A1", "1.2.1", "F1", "F")
    assert (report.observed, report.title) == ("202603011000", "CT head")
    (document,) = _read(_head("MDM^T02"), PID, "TXA|1|Report||202603011000|||||||||||F9||LA").reports
    assert (document.title, document.status, document.filler) == ("Report", "LA", "F9")


def test_a_sender_may_have_its_own_mapping_and_a_wrong_one_is_refused() -> None:
    own = Mappings.read('[sender."RIS|H".order]\nAccessionNumber = ["ORC-3.1"]\nModality = ["OBR-20"]\n')
    told = _read(_head("ORM^O01"), PID, "ORC|NW|P1|F1||SC", "OBR|1|P1|F1|A|||||||||||||||X|CT", mappings=own).orders[0]
    assert (told.attributes["AccessionNumber"], told.attributes["Modality"]) == ("F1", "CT")
    assert own.name != USUAL.name
    for wrong in (
        "x",
        "[other]",
        '[sender."A|B".nothing]',
        '[sender."A|B".order]\nModality = ["OBR"]',
        '[sender."A|B".order]\nModality = ["OBR-1:strange"]',
        '[sender."A|B".states]\n"NW_SC" = "never"',
        '[sender."A|B".order]\nModality = 7',
    ):
        with pytest.raises(BadMapping):
            Mappings.read(wrong)


@given(
    st.lists(
        st.sampled_from(["PID", "PV1", "ORC", "OBR", "ZDS", "IPC", "TQ1", "MRG", "SCH", "AIS", "TXA", "NTE", "ZZZ"]),
        max_size=12,
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.sampled_from(["ORM^O01", "OMI^O23", "SIU^S12", "ADT^A40", "ORU^R01", "MDM^T02", "OMG^O19"]),
)
def test_no_content_makes_reading_fail(names: list[str], text: str, event: str) -> None:
    raw = "\r".join([_head(event), *(f"{name}|{text}|{text}^{text}~{text}&{text}||{text}" for name in names)]).encode()
    try:
        read_header(raw)
    except UnreadableHeader:
        return
    changes = read_changes(Message(raw), USUAL.usual, AT)
    assert isinstance(changes, Changes)
    told = [*(one.attributes for one in changes.patients), *(one.attributes for one in changes.orders)]
    for keyword, value in (pair for attributes in told for pair in attributes.items()):
        assert judged(keyword, value) == Judged(value), keyword


def _unfit(start: str = "", study: str = "1.2.3", name: str = "Berg^Jo", step: str = "S1", sex: str = "F") -> Changes:
    return _read(
        _head("ORM^O01"),
        f"PID|1||77^^^HOSP||{name}||19700203|{sex}",
        f"ORC|NW|P1|||SC||^^^{start}",
        f"OBR|1|P1||A^One||||||||||||||A1|R1|{step}||||CT",
        f"ZDS|{study}",
    )


@pytest.mark.parametrize(
    ("start", "told", "unfit"),
    [
        ("20261345996199", ("20260301", "123015"), True),
        ("TOMORROW", ("20260301", "123015"), True),
        ("20260302996199", ("20260302", None), True),
        ("20260230", ("20260301", "123015"), True),
        ("20260302101500+9900", ("20260302", "101500"), False),
        ("", ("20260301", "123015"), False),
    ],
)
def test_a_start_that_is_no_moment_is_left_out_as_a_missing_one_is(
    start: str, told: tuple[str, str | None], unfit: bool
) -> None:
    changes = _unfit(start)
    attributes = changes.orders[0].attributes
    assert (attributes["ScheduledProcedureStepStartDate"], attributes.get("ScheduledProcedureStepStartTime")) == told
    assert bool(changes.unfit) is unfit and all("ScheduledProcedureStepStart" in one for one in changes.unfit)


def test_a_start_that_is_no_moment_gives_way_to_one_in_another_field() -> None:
    segments = [PID, "ORC|NW|P1|||SC||^^^STAT", "OBR|1|P1||A^One" + "|" * 32 + "20260304091500"]
    changes = _read(_head("ORM^O01"), *segments)
    assert changes.orders[0].attributes["ScheduledProcedureStepStartDate"] == "20260304"


@pytest.mark.parametrize(
    ("written", "keyword", "value"),
    [
        ({"study": "1.2.3.4x; DROP"}, "StudyInstanceUID", None),
        ({"study": "1." + "2" * 64}, "StudyInstanceUID", None),
        ({"step": "S" * 300}, "ScheduledProcedureStepID", None),
        ({"step": "S\\E\\1"}, "ScheduledProcedureStepID", "S 1"),
        ({"name": "Be\\E\\rg^Jo"}, "PatientName", "Be rg^Jo"),
        ({"name": "Be\\X1B\\rg^Jo\\X07\\"}, "PatientName", "Be rg^Jo"),
        ({"name": "x" * 99}, "PatientName", "x" * 64),
        ({"sex": "FEMALE"}, "PatientSex", None),
    ],
)
def test_what_dicom_cannot_carry_is_mended_or_left_out_and_told(
    written: dict[str, str], keyword: str, value: str | None
) -> None:
    changes = _unfit(**written)
    assert ({**changes.patients[0].attributes, **changes.orders[0].attributes}).get(keyword) == value
    (told,) = changes.unfit
    assert told.startswith(f"{keyword}: ")


@pytest.mark.parametrize(
    ("written", "keyword", "value"),
    [
        ({"name": "Ya=ma\\.br\\da^Jo"}, "PatientName", "Ya ma da^Jo"),
        ({"name": "山田　^太郎"}, "PatientName", "山田^太郎"),
        ({"sex": "U"}, "PatientSex", None),
        ({"sex": "a"}, "PatientSex", "O"),
    ],
)
def test_what_is_only_written_otherwise_is_no_fault(written: dict[str, str], keyword: str, value: str | None) -> None:
    changes = _unfit(**written)
    assert (changes.patients[0].attributes.get(keyword), changes.unfit) == (value, ())


def test_a_merge_knows_an_identifier_again_that_was_mended(tmp_path: Path) -> None:
    order = orm(patient="PID|1||T\\E\\1^^^HOSP||Unknown^Person")
    merge = _read(_head("ADT^A40", "20260301121000"), "PID|1||77^^^HOSP||Berg^Jo", "MRG|T\\E\\1^^^HOSP")
    (step,) = Day(tmp_path).tell(order, merge).steps()
    assert (step.patient_id.text, order.patients[0].patient.patient_id) == ("77", "T 1")


# Folding.


class Day:
    """An index into which messages are folded one after the other."""

    def __init__(self, folder: Path) -> None:
        self.index = MessageIndex.open(folder / "messages.db")
        self.position = 0

    def tell(self, *changes: Changes) -> "Day":
        for one in changes:
            self.position += 1
            self.index.fold([(self.position, one)])
        return self

    def steps(self) -> list[StepRow]:
        return self.index.steps(EVERY)

    def states(self) -> list[StepState]:
        return [one.state for one in self.steps()]


def adt(event: str, patient: str = "77", name: str = "Berg^Jo", at: str = "20260301120000", prior: str = "") -> Changes:
    """Read an invented ADT."""
    merge = [f"MRG|{prior}^^^HOSP"] if prior else []
    return _read(_head(f"ADT^{event}", at), f"PID|1||{patient}^^^HOSP||{name}", *merge)


def test_an_order_that_is_changed_and_cancelled_is_one_step(tmp_path: Path) -> None:
    day = Day(tmp_path).tell(orm(), orm("XO", at="20260301121000"), orm("CA", "CA", at="20260301122000"))
    (step,) = day.steps()
    assert (step.state, step.attributes["AccessionNumber"]) == (StepState.CANCELED, "A1")
    assert day.index.steps(StepSearch()) == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_arrival_does_not_change_how_an_order_ends(tmp_path: Path, order: tuple[int, ...]) -> None:
    told = [orm(at="20260301120000"), orm("XO", at="20260301121000"), orm("CA", "CA", at="20260301122000")]
    day = Day(tmp_path).tell(*(told[number] for number in order))
    assert day.states() == [StepState.CANCELED]
    assert day.steps()[0].attributes["Modality"] == "CT"


def test_a_cancel_before_its_order_at_the_same_time_keeps_it_cancelled(tmp_path: Path) -> None:
    assert Day(tmp_path).tell(orm("CA", "CA"), orm("NW", "SC")).states() == [StepState.CANCELED]


def test_an_order_placed_again_later_is_scheduled_again(tmp_path: Path) -> None:
    day = Day(tmp_path).tell(orm("CA", "CA"), orm("NW", "SC", at="20260301130000"))
    assert day.states() == [StepState.SCHEDULED]


def test_a_step_found_by_its_placer_number_takes_its_filler_number_too(tmp_path: Path) -> None:
    placed = _read(_head("ORM^O01"), PID, "ORC|NW|P1|||SC", "OBR|1|P1||A^One")
    filled = _read(_head("ORM^O01", "20260301121000"), PID, "ORC|SC|P1|F1||IP", "OBR|1|P1|F1|A^One")
    done = _read(_head("ORM^O01", "20260301122000"), PID, "ORC|SC||F1||CM", "OBR|1||F1|A^One")
    assert Day(tmp_path).tell(placed, filled, done).states() == [StepState.COMPLETED]


def test_an_older_message_does_not_overwrite_and_fills_what_is_empty(tmp_path: Path) -> None:
    late = _read(_head("ADT^A08", "20260301110000"), "PID|1||77^^^HOSP||Old^Name||19700203")
    day = Day(tmp_path).tell(adt("A08", name="New^Name"), late)
    found = day.index.patient(PatientName("77", "HOSP"))
    assert found is not None
    assert found[1] == {"PatientName": "New^Name", "PatientBirthDate": "19700203"}


def test_null_deletes_and_absence_does_not(tmp_path: Path) -> None:
    first = _read(_head("ADT^A08"), "PID|1||77^^^HOSP||Berg^Jo||19700203|F")
    second = _read(_head("ADT^A08", "20260301130000"), 'PID|1||77^^^HOSP||||""|')
    found = Day(tmp_path).tell(first, second).index.patient(PatientName("77", "HOSP"))
    assert found is not None and found[1] == {"PatientName": "Berg^Jo", "PatientSex": "F"}


def test_a_clock_years_ahead_does_not_silence_everybody_else(tmp_path: Path) -> None:
    day = Day(tmp_path).tell(
        adt("A08", name="Wrong^Clock", at="20990101"), adt("A08", name="Right^Clock", at="20260301130000")
    )
    found = day.index.patient(PatientName("77", "HOSP"))
    assert found is not None and found[1]["PatientName"] == "Right^Clock"


@pytest.mark.parametrize("event", ["A40", "A34", "A47"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_merge_before_or_after_the_order_and_the_patient_gives_the_same(
    tmp_path: Path, event: str, order: tuple[int, ...]
) -> None:
    told = [
        orm(patient="PID|1||TEMP^^^HOSP||Unknown^Person"),
        adt(event, "77", at="20260301123000", prior="TEMP"),
        adt("A08", "77", at="20260301124000", name="Berg^Jo"),
    ]
    day = Day(tmp_path).tell(*(told[number] for number in order))
    (step,) = day.steps()
    assert (step.patient_id.text, step.patient["PatientName"].text) == ("77", "Berg^Jo")
    found = day.index.patient(PatientName("TEMP", "HOSP"))
    assert found is not None and found[0] == PatientName("77", "HOSP")


def test_a_newer_message_under_an_identifier_that_was_merged_away_does_not_rename_the_patient(tmp_path: Path) -> None:
    day = Day(tmp_path).tell(
        orm(number="1", patient="PID|1||Q1^^^HOSP||OLD^NAME", at="20260301120000"),
        adt("A40", "Q9", name="NEW^NAME", at="20260301121000", prior="Q1"),
        orm(number="2", patient="PID|1||Q9^^^HOSP||NEW^NAME", at="20260301122000"),
    )
    late = orm(number="3", patient="PID|1||Q1^^^HOSP||OLD^NAME||19700203", at="20260301123000")
    assert day.index.fold([(4, late)]) == {4}
    steps = day.steps()
    assert [one.attributes["AccessionNumber"] for one in steps] == ["A1", "A2", "A3"]
    assert {(one.patient_id.text, one.patient["PatientName"].text) for one in steps} == {("Q9", "NEW^NAME")}
    # What nobody told yet is taken from it, and whoever knows the merge is believed after it as before.
    assert steps[0].patient["PatientBirthDate"].text == "19700203"
    between = adt("A08", "Q9", name="NEWER^NAME", at="20260301122500")
    assert day.index.fold([(5, between)]) == set()
    assert {one.patient["PatientName"].text for one in day.steps()} == {"NEWER^NAME"}


def test_a_message_from_before_a_merge_did_not_miss_it(tmp_path: Path) -> None:
    day = Day(tmp_path).tell(adt("A40", "Q9", name="NEW^NAME", at="20260301121000", prior="Q1"))
    assert day.index.fold([(2, orm(patient="PID|1||Q1^^^HOSP||OLD^NAME", at="20260301120000"))]) == set()
    assert day.steps()[0].patient["PatientName"].text == "NEW^NAME"


def test_merges_in_a_chain_and_in_a_circle_end(tmp_path: Path) -> None:
    day = Day(tmp_path).tell(
        orm(patient="PID|1||A^^^HOSP"),
        adt("A40", "B", prior="A"),
        adt("A40", "C", prior="B"),
        adt("A40", "A", prior="C"),
    )
    assert len(day.steps()) == 1
    assert day.index.patient(PatientName("B", "HOSP")) is not None


def test_who_is_in_the_house_is_known(tmp_path: Path) -> None:
    name, day = PatientName("77", "HOSP"), Day(tmp_path)
    for event, minute, in_house in (
        ("A01", 1, True),
        ("A08", 2, True),
        ("A03", 3, False),
        ("A13", 4, True),
        ("A11", 5, False),
    ):
        found = day.tell(adt(event, at=f"2026030112{minute:02}00")).index.patient(name)
        assert found is not None and found[2] is in_house, event


def test_folding_twice_changes_nothing(tmp_path: Path) -> None:
    told = [orm(), adt("A40", "99", prior="77"), orm("SC", "IP", at="20260301123000")]
    day = Day(tmp_path).tell(*told)
    before = day.steps()
    day.index.fold([(number, one) for number, one in enumerate(told, start=1)])
    assert day.steps() == before


def test_the_worklist_is_asked_by_date_modality_station_patient_and_accession(tmp_path: Path) -> None:
    day = Day(tmp_path).tell(*(orm(number=str(number)) for number in range(1, 4)))
    assert len(day.index.steps(StepSearch(date_from="20260302", date_to="20260302", modality="CT"))) == 3
    assert len(day.index.steps(StepSearch(accession="A2"))) == 1
    assert len(day.index.steps(StepSearch(patient_id="77", limit=2))) == 2
    assert day.index.steps(StepSearch(date_from="20260303")) == []
    assert day.index.steps(StepSearch(station="NONE")) == []
    day.tell(_read(_head("ORU^R01"), PID, "OBR|1||F1|CT1^CT head||||||||||||||A1"))
    assert [one.message for one in day.index.reports(accession="A1")] == [4]
    assert [one.message for one in day.index.reports(patient_id="77", study="9")] == [4]
    assert day.index.reports(accession="A9") == []
