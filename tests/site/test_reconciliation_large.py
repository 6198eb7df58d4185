"""A large multi-frame object is corrected, and looked through for references, without being in memory as a whole."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from safelight.core.names import Personal
from safelight.reconciliation.facts import Decided, Identity, Verdict
from safelight.reconciliation.sides import Patient
from safelight.site.opened import Site
from safelight.site.reconciliation_correcting import replace_study
from support.hl7_house import make_home, opened
from support.reconciled_house import CT_IMAGE, acquire, image, local_now
from support.served_home import free_port

STUDY = "1.2.30"
NAMED, LOOKED_THROUGH, REFERRING = (f"{STUDY}.1.{number}" for number in (1, 2, 3))
FRAME_SIDE, FRAMES = 512, 96
FRAME_BYTES = FRAME_SIDE * FRAME_SIDE * 2
LARGE = FRAMES * FRAME_BYTES


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened(make_home(tmp_path, free_port())) as site:
        yield site


def multi_frame(number: int, started: str) -> Dataset:
    """An object whose every frame says which it is."""
    made = image(STUDY, number, started, PatientID="OLD", PatientName="Real^Rita")
    made.Rows = made.Columns = FRAME_SIDE
    made.NumberOfFrames = FRAMES
    frames = (frame.to_bytes(2, "little") * (FRAME_BYTES // 2) for frame in range(FRAMES))
    made.add_new(0x7FE00010, "OW", b"".join(frames))
    return made


def referring(started: str) -> Dataset:
    referred = Dataset()
    referred.ReferencedSOPClassUID, referred.ReferencedSOPInstanceUID = CT_IMAGE, NAMED
    return image(STUDY, 3, started, PatientID="OLD", ReferencedImageSequence=[referred])


def test_it_takes_no_more_memory_than_some_of_its_frames(site: Site) -> None:
    started = local_now(site)
    for made in (multi_frame(1, started), multi_frame(2, started), referring(started)):
        acquire(site, made)
    del made
    patient = Patient(Personal("NEW"), "", Personal("Real^Rita"), "19700102", "F")
    now = site.clock.now()
    decided = Decided(1, Verdict.OURS, STUDY, now, "ours", "A. Admin", identity=Identity(patient), instances=(NAMED,))
    tracemalloc.start()
    try:
        outcome = replace_study(site, STUDY, decided)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LARGE // 2
    rows = [row for _, fact in outcome.facts for row in fact["instances"] if isinstance(row, list)]
    new_of = {old: (new, bytes.fromhex(digest)) for old, _, new, digest in rows}
    assert set(new_of) == {NAMED, REFERRING}
    uid, digest = new_of[NAMED]
    (copy,) = [row for row in site.catalog.landed(waiting_only=False) if row.version.digest == digest]
    source = site.holdings.data_set(copy)
    assert uid.encode() in bytes(source.read(0, 4096))
    for frame in range(FRAMES):
        at = source.size - LARGE + frame * FRAME_BYTES
        assert source.read(at, FRAME_BYTES) == frame.to_bytes(2, "little") * (FRAME_BYTES // 2), frame
