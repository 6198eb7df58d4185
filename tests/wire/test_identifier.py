"""Identifiers in every plain transfer syntax, in several character sets, and hostile ones."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from safelight.wire.dicom.faults import LimitExceeded, MalformedIdentifier
from safelight.wire.dicom.identifier import decode_identifier, encode_identifier
from safelight.wire.dicom.uids import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)

SYNTAXES = [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN]
NAMES = {
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 144": "Люкceмбypг",
    "ISO_IR 192": "山田^太郎=Žižka^Jan",
    "GB18030": "王^小东",
}


def _identifier(character_set: str = "ISO_IR 192") -> Dataset:
    identifier = Dataset()
    identifier.SpecificCharacterSet = character_set
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.PatientName = NAMES[character_set]
    identifier.StudyDate = "20260101-20260131"
    identifier.StudyInstanceUID = ["1.2.3", "1.2.4"]
    identifier.NumberOfStudyRelatedInstances = None
    step = Dataset()
    step.Modality = "CT"
    identifier.ScheduledProcedureStepSequence = [step]
    return identifier


@pytest.mark.parametrize("character_set", NAMES)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_identifier_reads_as_it_was_written(syntax: str, character_set: str) -> None:
    raw = encode_identifier(_identifier(character_set), syntax)
    assert len(raw) % 2 == 0
    read = decode_identifier(raw, syntax, 1 << 20)
    assert str(read.PatientName) == NAMES[character_set]
    assert read.StudyDate == "20260101-20260131"
    assert list(read.StudyInstanceUID) == ["1.2.3", "1.2.4"]
    assert read.ScheduledProcedureStepSequence[0].Modality == "CT"


def test_an_empty_identifier_is_one() -> None:
    assert len(decode_identifier(b"", EXPLICIT_LITTLE_ENDIAN, 100)) == 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_identifier_cut_short_is_refused_or_shorter(syntax: str) -> None:
    raw = encode_identifier(_identifier(), syntax)
    whole = decode_identifier(raw, syntax, 1 << 20)
    for cut in range(len(raw) - 2):
        try:
            assert decode_identifier(raw[:cut], syntax, 1 << 20) != whole
        except MalformedIdentifier:
            pass


def test_a_deflated_identifier_cannot_grow_past_its_limit() -> None:
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(5_000_000)) + packer.flush()
    with pytest.raises(LimitExceeded):
        decode_identifier(bomb, DEFLATED_LITTLE_ENDIAN, 1 << 20)
    with pytest.raises(MalformedIdentifier):
        decode_identifier(b"no deflate", DEFLATED_LITTLE_ENDIAN, 1 << 20)


def test_sequences_as_deep_as_a_well_are_refused() -> None:
    # Undefined-length items, each holding a sequence again.
    deep = b"\x40\x00\x00\x01\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5_000
    with pytest.raises(MalformedIdentifier):
        decode_identifier(deep, IMPLICIT_LITTLE_ENDIAN, 1 << 20)


def test_a_length_past_the_end_is_refused() -> None:
    raw = b"\x10\x00\x10\x00PN\xf0\x00" + b"DOE^JANE"
    with pytest.raises(MalformedIdentifier):
        decode_identifier(raw, EXPLICIT_LITTLE_ENDIAN, 1 << 20)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150)
@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_rubbish_is_read_or_refused_and_never_a_stumble(rubbish: bytes, syntax: str) -> None:
    try:
        decode_identifier(rubbish, syntax, 1 << 20)
    except (MalformedIdentifier, LimitExceeded):
        pass
