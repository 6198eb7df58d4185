"""Writing data sets in another transfer syntax: nothing is lost on any real file."""

from pathlib import Path

import pytest

from safelight.core.instance import MemorySource
from safelight.wire.dicom.comparison import Level, StoredInstance, compare
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.elements import BadDataSet
from safelight.wire.dicom.frames import Undecodable
from safelight.wire.dicom.part10 import NotDicom, read_prefix
from safelight.wire.dicom.transcoding import NATIVE, alternatives
from support.encoded import transcode
from support.real_files import all_files, real_file

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


def stored(path: Path) -> tuple[MemorySource, str]:
    raw = path.read_bytes()
    prefix = read_prefix(MemorySource(raw))
    return MemorySource(raw[prefix.prefix_size :]), prefix.transfer_syntax


def instances() -> list[Path]:
    found = []
    for path in all_files():
        if path.stat().st_size > 3_000_000:
            continue
        try:
            data, syntax = stored(path)
            head = scan_head(data, syntax)
        except (NotDicom, BadDataSet):
            continue
        # Who lacks these is kept by its digest, and cannot be retrieved by name.
        if syntax and head.sop_class and head.study and head.series:
            found.append(path)
    return found


@pytest.mark.parametrize("path", instances(), ids=lambda path: path.name)
def test_a_real_file_written_anew_shows_the_same(path: Path) -> None:
    data, syntax = stored(path)
    for wanted in alternatives(syntax):
        try:
            written = transcode(data, syntax, wanted)
        except (BadDataSet, Undecodable):
            # Refused, not changed: the retrieve counts it as failed.
            continue
        outcome = compare(StoredInstance(data, syntax), StoredInstance(written, wanted))
        assert outcome.level >= Level.PIXELS, (wanted, outcome)
        back = transcode(written, wanted, EXPLICIT)
        assert compare(StoredInstance(written, wanted), StoredInstance(back, EXPLICIT)).level is not Level.UIDS


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm", "ExplVR_BigEnd.dcm", "image_dfl.dcm", "JPEG-LL.dcm"],
)
def test_what_modalities_send_is_written_in_both_plain_syntaxes(name: str) -> None:
    data, syntax = stored(real_file(name))
    for wanted in alternatives(syntax):
        written = transcode(data, syntax, wanted)
        outcome = compare(StoredInstance(data, syntax), StoredInstance(written, wanted))
        assert outcome.level >= Level.PIXELS, (wanted, outcome)


def test_the_better_one_comes_first() -> None:
    assert NATIVE == (EXPLICIT, IMPLICIT)
    assert alternatives(IMPLICIT) == (EXPLICIT,)
