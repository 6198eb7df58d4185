"""Whether a data set is whole is told by its lengths, at every byte that it may end with."""

import pytest

from safelight.core.errors import SafelightError
from safelight.core.instance import MemorySource
from safelight.site.heads import read_head
from safelight.wire.dicom.dataset import is_cut_short
from support.encoded import SEQUENCE_END, UNDEFINED, element, implicit, item, sequence, uids
from support.real_files import all_files

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
PIXELS = 0x7FE00010
NATIVE = element(PIXELS, "OW", bytes(40))
FRAGMENTS = element(PIXELS, "OB", item(b"") + item(bytes(20)) + item(bytes(6)) + SEQUENCE_END, length=UNDEFINED)


@pytest.mark.parametrize("pixels", [NATIVE, FRAGMENTS])
def test_a_data_set_that_ends_within_its_pixels_is_cut_short_at_every_byte(pixels: bytes) -> None:
    before = uids() + sequence(0x00081140, uids())
    whole = before + pixels
    assert not is_cut_short(MemorySource(whole), EXPLICIT)
    for end in range(len(before) + 1, len(whole)):
        assert is_cut_short(MemorySource(whole[:end]), EXPLICIT), end
    assert is_cut_short(MemorySource(b"before it" + whole[:-1]), EXPLICIT, 9)


def test_a_data_set_that_ends_within_a_sequence_is_cut_short() -> None:
    whole = uids() + sequence(0x00081140, uids())
    for end in range(len(uids()) + 1, len(whole)):
        assert is_cut_short(MemorySource(whole[:end]), EXPLICIT), end


def test_implicit_data_sets_are_told_too_and_deflated_ones_are_not() -> None:
    whole = implicit(0x00080018, b"1.2.3.4\0") + implicit(PIXELS, bytes(40))
    assert not is_cut_short(MemorySource(whole), IMPLICIT)
    assert is_cut_short(MemorySource(whole[:-1]), IMPLICIT)
    assert not is_cut_short(MemorySource(whole[:-1]), "1.2.840.10008.1.2.1.99")


def test_of_the_real_files_those_that_are_truncated_are_named_and_no_other() -> None:
    named = set()
    for path in all_files():
        source = MemorySource(path.read_bytes())
        try:
            wrapper, head = read_head(source)
        except SafelightError:
            continue
        if is_cut_short(source, head.transfer_syntax, wrapper.prefix_size):
            named.add(path.name)
    assert named == {"MR_truncated.dcm", "rtplan_truncated.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}
