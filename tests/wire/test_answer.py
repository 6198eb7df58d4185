"""Answers written from text are what a data set of the same attributes is."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from safelight.wire.dicom.answer import AnswerAttribute, AnswerShape
from safelight.wire.dicom.identifier import decode_identifier, encode_identifier
from safelight.wire.dicom.uids import EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN

SYNTAXES = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
LEVEL = AnswerAttribute(0x00080052, "CS", text="STUDY")
TITLE = AnswerAttribute(0x00080054, "AE", text="PACS")
NAME = AnswerAttribute(0x00100010, "PN")
STUDY = AnswerAttribute(0x0020000D, "UI")
COMMENT = AnswerAttribute(0x00324000, "LT", text="")


def _data_set(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_alike_in_all_stands_in_its_place_before_between_and_after_the_rest(syntax: str) -> None:
    shape = AnswerShape([LEVEL, TITLE, NAME, STUDY, COMMENT], syntax)
    for name, study in (("Berg^Ana", "1.2.3"), ("", "1.2.3.4"), ("Tan^Bo", "")):
        wanted = _data_set(
            QueryRetrieveLevel="STUDY",
            RetrieveAETitle="PACS",
            PatientName=name,
            StudyInstanceUID=study,
        )
        wanted.add_new(0x00324000, "LT", "")
        assert shape.encode([name, study]) == encode_identifier(wanted, syntax)


def test_an_answer_of_nothing_but_what_is_alike_takes_no_values() -> None:
    wanted = _data_set(QueryRetrieveLevel="STUDY", RetrieveAETitle="PACS")
    assert AnswerShape([LEVEL, TITLE], EXPLICIT_LITTLE_ENDIAN).encode([]) == encode_identifier(
        wanted, EXPLICIT_LITTLE_ENDIAN
    )


def test_a_value_for_what_is_alike_in_all_is_a_mistake_and_not_an_answer() -> None:
    with pytest.raises(ValueError, match="zip"):
        AnswerShape([LEVEL, NAME], EXPLICIT_LITTLE_ENDIAN).encode(["STUDY", "Berg^Ana"])


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_names_beyond_ascii_and_sequences_keep_what_is_alike(syntax: str) -> None:
    item = (AnswerAttribute(0x00080060, "CS", text="CT"), AnswerAttribute(0x00400001, "AE"))
    shape = AnswerShape([LEVEL, NAME, AnswerAttribute(0x00400100, "SQ", item)], syntax)
    read = decode_identifier(shape.encode(["Müller^Ida", ["STATION1"]]), syntax, 4096)
    step = _data_set(Modality="CT", ScheduledStationAETitle="STATION1")
    assert read == _data_set(
        SpecificCharacterSet="ISO_IR 192",
        QueryRetrieveLevel="STUDY",
        PatientName="Müller^Ida",
        ScheduledProcedureStepSequence=Sequence([step]),
    )


def test_text_too_long_for_its_representation_is_cut_and_the_answer_stays_readable() -> None:
    shape = AnswerShape([NAME, STUDY], EXPLICIT_LITTLE_ENDIAN)
    read = decode_identifier(shape.encode(["A" * 70_001, "1.2.3"]), EXPLICIT_LITTLE_ENDIAN, 100_000)
    assert (len(str(read.PatientName)), read.StudyInstanceUID) == (0xFFFE, "1.2.3")
