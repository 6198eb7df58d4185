"""Extracts of a schedule as hospitals write them, and as nobody should."""

import io
import zipfile
from datetime import date, datetime, time
from typing import Any

import pytest
from openpyxl import Workbook

from safelight.core import table_file
from safelight.core.table_file import TableUnreadable, read_lines
from safelight.gateway.schedule.extract_mapping import BadExtractMapping, ExtractMapping
from safelight.gateway.schedule.extract_reading import Extract, read_extract

HEAD = "Patient ID,Patient name,DOB,Sex,Accession,Modality,Start date,Start time,Exam\n"
GOOD = "P1,Berg^Ana,1970-01-02,female,A1,CT,2026-03-02,08:15,Thorax\n"


def read(content: bytes | str, own: str = "", source: str = "nightly") -> Extract:
    mapping = ExtractMapping.read(own, source)
    return read_extract(read_lines(content.encode() if isinstance(content, str) else content, mapping.form), mapping)


def test_a_plain_file_is_read_by_its_headings() -> None:
    extract = read("Export of 1 March\n\n" + HEAD.replace("Exam", "Shoe size") + GOOD)
    (step,) = extract.steps
    assert (step.patient.patient_id, dict(step.of_patient)) == (
        "P1",
        {"PatientName": "Berg^Ana", "PatientBirthDate": "19700102", "PatientSex": "F"},
    )
    assert step.attributes == {
        "AccessionNumber": "A1",
        "Modality": "CT",
        "ScheduledProcedureStepStartDate": "20260302",
        "ScheduledProcedureStepStartTime": "081500",
    }
    assert (extract.not_understood, extract.bad_count) == (["Shoe size"], 0)


def test_a_german_file_with_semicolons_and_its_own_character_set_is_read_by_its_mapping() -> None:
    text = "Patienten-ID;Nachname;Vorname;Geburtsdatum;Geschlecht;Modalität;Termin;Fallnummer\n"
    text += "7;Müller;Jürgen;02.01.1970;männlich;Comp. Tomo;02.03.2026 08:15;F7\n"
    own = '[source.nightly]\ncharset = "iso8859-1"\n[source.nightly.columns]\nAccessionNumber = ["Fallnummer"]\n'
    own += '[source.nightly.values.Modality]\n"comp. tomo" = "CT"\n'
    (step,) = read(text.encode("iso8859-1"), own).steps
    assert step.of_patient["PatientName"] == "Müller^Jürgen" and step.of_patient["PatientSex"] == "M"
    assert (step.attributes["Modality"], step.attributes["AccessionNumber"]) == ("CT", "F7")
    assert step.attributes["ScheduledProcedureStepStartTime"] == "081500"
    assert read(text.encode("iso8859-1"), own, "another").steps == []
    apart = text.replace("Termin;", "Termin;Uhrzeit;").replace("02.03.2026 08:15", "02.03.2026;08:15")
    assert read(apart.encode("iso8859-1"), own).steps == [step]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("P2,Berg^Eva,1970-01-02,F,A2,CT,03/04/2026,08:15,x", "ScheduledProcedureStepStartDate"),
        ("P2,Berg^Eva,1970-01-02,F,A2,CT,2026-02-30,08:15,x", "ScheduledProcedureStepStartDate"),
        ("P2,Berg^Eva,1970-01-02,F,A2,CT,2026-03-02,noon,x", "ScheduledProcedureStepStartTime"),
        (",Berg^Eva,1970-01-02,F,A2,CT,2026-03-02,08:15,x", "PatientID"),
        ("P2,,1970-01-02,F,A2,CT,2026-03-02,08:15,x", "PatientName"),
        ("P2,Berg^Eva,1970-01-02,F,A2,,2026-03-02,08:15,x", "Modality"),
        ("P2,Berg^Eva,1970-01-02,F,A2,Comp Tomo,2026-03-02,08:15,x", "Modality"),
        ("P2,Berg^Eva,1970-01-02,Q,A2,CT,2026-03-02,08:15,x", "PatientSex"),
        ("P2,Berg^Eva,1970-01-02,F,A2345678901234567,CT,2026-03-02,08:15,x", "AccessionNumber"),
        ("P2\\P3,Berg^Eva,1970-01-02,F,A2,CT,2026-03-02,08:15,x", "PatientID"),
        ("P2,Berg\x07^Eva,1970-01-02,F,A2,CT,2026-03-02,08:15,x", "PatientName"),
        ("P2", "PatientName"),
        ('P2,"never closed,F,A2,CT,2026-03-02,08:15,x', "cannot be read"),
        ("P2," + "x" * 5000, "cannot be read"),
        ("P2" + "," * 300, "cannot be read"),
        ("P2,M\udcfcller,1970-01-02,F,A2,CT,2026-03-02,08:15,x", "cannot be read"),
    ],
)
def test_a_bad_line_is_told_by_number_and_costs_nothing_else(line: str, wrong: str) -> None:
    extract = read((HEAD + GOOD + line + "\n" + GOOD.replace("A1", "A3")).encode("utf-8", "surrogateescape"))
    assert [step.attributes["AccessionNumber"] for step in extract.steps] == ["A1", "A3"]
    ((number, why),) = extract.bad_lines
    assert number == 3 and wrong in why and "Berg" not in why


def test_a_cell_of_several_lines_is_one_cell() -> None:
    extract = read(HEAD + GOOD.replace("Thorax", '"Thorax,\nurgent"') + GOOD.replace("A1", "A2"))
    assert [step.attributes["RequestedProcedureDescription"] for step in extract.steps] == ["Thorax, urgent", "Thorax"]


def test_a_line_without_any_number_is_told_apart_by_what_it_says() -> None:
    extract = read(HEAD + GOOD.replace("A1", "") + GOOD.replace("A1", "").replace("08:15", "09:15"))
    first, second = (step.attributes["ScheduledProcedureStepID"] for step in extract.steps)
    assert first != second and len(first) == 16
    assert read(HEAD + GOOD.replace("A1", "")).steps[0].identity == extract.steps[0].identity


@pytest.mark.parametrize("content", ["", "\n\n", "a,b,c\n1,2,3\n", "nothing\n" * 50])
def test_a_file_without_headings_is_not_understood(content: str) -> None:
    assert read(content).steps == []


def sheet(*rows: list[Any], title: str = "List") -> bytes:
    book = Workbook()
    made = book.active
    assert made is not None
    made.title = title
    for row in rows:
        made.append(row)
    book.create_sheet("Empty")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_sheet_is_read_with_its_dates_times_and_numbers() -> None:
    heads = HEAD.strip().split(",")
    row = [4711, "Berg, Ana", date(1970, 1, 2), "F", 1234567.0, "ct", datetime(2026, 3, 2), time(8, 15), None]
    extract = read(sheet(["Title"], heads, row))
    (step,) = extract.steps
    assert step.patient.patient_id == "4711" and step.of_patient["PatientName"] == "Berg^Ana"
    assert step.attributes == {
        "AccessionNumber": "1234567",
        "Modality": "CT",
        "ScheduledProcedureStepStartDate": "20260302",
        "ScheduledProcedureStepStartTime": "081500",
    }
    assert read(sheet(heads, row), '[source.nightly]\nsheet = "Empty"\n').steps == []


def test_a_sheet_that_calls_itself_endless_is_read_as_far_as_it_goes() -> None:
    good = sheet(HEAD.strip().split(","), GOOD.strip().split(","))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as before, zipfile.ZipFile(out, "w") as after:
        for part in before.infolist():
            after.writestr(part, before.read(part).replace(b'ref="A1:I2"', b'ref="A1:XFD1048576"'))
    assert len(read(out.getvalue()).steps) == 1


def _zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/workbook.xml", content)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"\xd0\xcf\x11\xe0 an old file",
        b"PK\x03\x04 no zip",
        _zip(b"<no/>"),
        sheet(["a"])[:-200],
        b"a\0b,c\n",
        b"x" * (table_file.FILE_BYTES_MAX + 1),
    ],
    ids=["xls", "no-zip", "no-workbook", "cut", "binary", "large"],
)
def test_what_is_no_extract_is_refused(content: bytes) -> None:
    with pytest.raises(TableUnreadable):
        read(content)


def test_a_bomb_is_refused_whatever_it_says_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "UNPACKED_BYTES_MAX", 2**20)
    bomb = _zip(b"0" * 2**22)
    with pytest.raises(TableUnreadable):
        read(bomb)
    size = (2**22).to_bytes(4, "little")
    with pytest.raises(TableUnreadable):
        read(bomb.replace(size, (99).to_bytes(4, "little")))


def test_entities_in_a_sheet_are_not_unfolded() -> None:
    good = sheet(HEAD.strip().split(","), GOOD.strip().split(","))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as before, zipfile.ZipFile(out, "w") as after:
        for part in before.infolist():
            content = before.read(part)
            if part.filename.endswith("sheet1.xml"):
                entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
                content = f'<!DOCTYPE w [<!ENTITY e0 "x">{entities}]>'.encode() + content.replace(b"Berg", b"&e8;")
            after.writestr(part, content)
    with pytest.raises(TableUnreadable):
        read(out.getvalue())


def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "LINES_MAX", 10)
    with pytest.raises(TableUnreadable):
        read(HEAD + GOOD * 10)


@pytest.mark.parametrize(
    "own",
    [
        "[source",
        "[else]",
        "source = 1",
        "[source]\nnightly = 1",
        "[source.nightly]\nunknown = 1",
        '[source.nightly]\ncharset = "klingon"',
        '[source.nightly]\ndelimiter = "x"',
        '[source.nightly.columns]\nShoeSize = ["x"]',
        '[source.nightly.columns]\nPatientID = "x"',
        '[source.nightly.values.ShoeSize]\nx = "y"',
        "[source.nightly.fixed]\nModality = 1",
        "[source.nightly]\ndate_formats = 1",
        '[source.nightly]\ncolumns = "x"',
        '[source.nightly.charset]\nx = "y"',
    ],
)
def test_a_mapping_that_means_nothing_is_refused(own: str) -> None:
    with pytest.raises(BadExtractMapping):
        ExtractMapping.read(own, "nightly")
