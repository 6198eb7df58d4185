"""Instances that only the packer reads: what it finds must be what was surveyed."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from safelight.core.instance import MemorySource, Receipt, Way
from safelight.protection.seed_bytes import SourceChanged
from safelight.site.heads import read_head
from safelight.site.packer import Unread, _read_item
from support.real_files import real_file

RECEIPT = Receipt(datetime(2026, 3, 1, tzinfo=UTC), Way.SEED, "", "", "folder")


@pytest.mark.parametrize("name", ["CT_small.dcm", "test-SR.dcm", "image_dfl.dcm"])
def test_an_instance_is_read_as_the_survey_would_have_read_it(name: str) -> None:
    data = real_file(name).read_bytes()
    wrapper, head = read_head(MemorySource(data))
    item = _read_item(Unread(head.study, head.series, head.sop_instance, RECEIPT), MemorySource(data), len(data))
    assert (item.wrapper, item.head, item.digest) == (wrapper, head, None)


@pytest.mark.parametrize("change", ["study", "series", "instance", "size"])
def test_another_instance_than_the_surveyed_is_refused(change: str) -> None:
    data = real_file("CT_small.dcm").read_bytes()
    head = read_head(MemorySource(data))[1]
    uids = {"study": head.study, "series": head.series, "instance": head.sop_instance}
    size = len(data) + (change == "size")
    if change in uids:
        uids[change] += ".1"
    with pytest.raises(SourceChanged):
        _read_item(Unread(**uids, receipt=RECEIPT), MemorySource(data), size)


def test_what_does_not_fit_into_memory_is_hashed_before_it_is_packed() -> None:
    data = real_file("CT_small.dcm").read_bytes()

    class Large:
        size = len(data)

        def read(self, offset: int, length: int) -> bytes:
            return data[offset : offset + length]

    wrapper, head = read_head(MemorySource(data))
    item = _read_item(Unread(head.study, head.series, head.sop_instance, RECEIPT), Large(), len(data))
    assert item.digest == sha256(data[wrapper.prefix_size :]).digest()
