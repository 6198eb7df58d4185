"""Instances of one UID with several contents: what a decision makes of them, here and at a real archive."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from safelight.core.names import AETitle, Peer
from safelight.core.progress import silent
from safelight.journal.kinds import FactKind
from safelight.reconciliation.state import ReplacedAlready
from safelight.site.flushing import pack_everything
from safelight.site.reconciliation import DoesNotFit, NotSettled
from safelight.site.recovery_holdings import VaultHoldings
from safelight.site.verifying import rebuild
from support.dicom_peers import orthanc
from support.reconciled_house import (
    WHO,
    Hospital,
    acquire,
    hospital,
    local_now,
    order_message,
)
from support.two_contents import (
    OURS,
    REFERRING,
    STUDY,
    UNTOUCHED,
    given_back,
    held_here,
    held_there,
    pixels_in_force,
    read_back,
    store_at,
    study_image,
)

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Hospital]:
    with orthanc(tmp_path, 1) as archive, hospital(tmp_path, str(archive.peer)) as opened:
        yield opened


def _two_contents(there: Hospital) -> str:
    """Let the target have other pixels under one UID; return the id of the difference that a deep look finds."""
    now = local_now(there.site)
    there.begin()
    acquire(there.site, *held_here(now))
    store_at(there.target, *held_there(now))
    there.end()
    there.tell(order_message("1", "100", "RA20", now, study=STUDY))
    assert there.act("reconciliation.compare", deep=True)["by_kind"] == {"same-uid-other-bytes": 1}
    # A look at lists of names says nothing of contents, and makes nothing equal.
    assert there.act("reconciliation.compare")["by_kind"] == {"same-uid-other-bytes": 1}
    return there.difference("same-uid-other-bytes")


def _pixels(there: Hospital) -> bytes:
    return pixels_in_force(there.site)


def test_the_targets_content_is_taken_in_and_counts_until_that_is_taken_back(there: Hospital) -> None:
    what = _two_contents(there)
    before = _pixels(there)
    number = there.decide(what, "theirs")["decisions"][0]["decision"]
    assert there.open() == [("same-uid-other-bytes", "sending")]
    assert not there.act("reconciliation.send")["failed"]
    assert there.open() == []
    assert _pixels(there) == bytes(128) != before
    assert {one.sop_instance: one.versions for one in VaultHoldings(there.site).instances(STUDY, None)} == {
        OURS: 2,
        UNTOUCHED: 1,
        REFERRING: 1,
    }
    # It is as it is there now, also to whoever compares contents, and also computed anew.
    assert there.act("reconciliation.compare", deep=True)["open"] == 0
    pack_everything(there.site, silent)
    dump = list(there.site.catalog.dump())
    rebuild(there.site, silent)
    assert list(there.site.catalog.dump()) == dump
    there.act("reconciliation.undo", decision=number, **WHO)
    assert _pixels(there) == before
    assert there.act("reconciliation.compare", deep=True)["by_kind"] == {"same-uid-other-bytes": 1}


def test_what_differs_again_after_theirs_was_taken_is_not_forgotten_by_a_look_at_names(there: Hospital) -> None:
    what = _two_contents(there)
    (ours,) = [one.digest for one in there.site.catalog.instances(STUDY) if one.sop_instance == OURS]
    there.decide(what, "theirs")
    there.act("reconciliation.send")
    there.site.records.record(FactKind.VERSION_CHOSEN, {"sop_instance": OURS, "digest": ours.hex()})
    assert there.act("reconciliation.compare", deep=True)["by_kind"] == {"same-uid-other-bytes": 1}
    assert there.act("reconciliation.compare")["by_kind"] == {"same-uid-other-bytes": 1}


def test_our_content_goes_out_under_a_new_uid_with_a_note_for_the_old_one(there: Hospital) -> None:
    what = _two_contents(there)
    there.decide(what, "ours")
    assert not there.act("reconciliation.send")["failed"]
    # Orthanc shows what a note rejects; that is said, and left to people.
    there.decide(there.difference("identity-differs", f"shown {STUDY}"), "left")
    assert there.open() == []
    (entry,) = there.site.records.journal.entries(kinds=[FactKind.RECONCILIATION_REPLACED])
    new_of = {row[0]: row[2] for row in entry.facts["instances"]}
    # What refers to it goes with it, and nothing else does.
    assert set(new_of) == {OURS, REFERRING}
    held = {one.sop_instance: one for one in VaultHoldings(there.site).instances(STUDY, None) if not one.rejected}
    copy, referring = read_back(held[new_of[OURS]]), read_back(held[new_of[REFERRING]])
    assert copy.SeriesInstanceUID == f"{STUDY}.1" and copy.StudyInstanceUID == STUDY
    assert referring.ReferencedImageSequence[0].ReferencedSOPInstanceUID == new_of[OURS]
    assert UNTOUCHED in held
    (note,) = [read_back(one) for one in held.values() if one.is_rejection_note]
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    came = given_back(there.site, there.target, [new_of[OURS], UNTOUCHED])
    assert set(came) == {new_of[OURS], UNTOUCHED} and bytes(copy.PixelData) in came[new_of[OURS]]
    with pytest.raises(ReplacedAlready):
        there.act("reconciliation.undo", decision=2, **WHO)


def test_ours_waits_until_it_is_known_whose_study_it_is(there: Hospital) -> None:
    what = _two_contents(there)
    there.act("reconciliation.undo", decision=1, **WHO)
    with pytest.raises(NotSettled):
        there.decide(what, "ours")
    with pytest.raises(DoesNotFit):
        there.decide(what, "no-order")
    there.decide(STUDY, "matched", order="RA20")
    assert there.decide(what, "ours", dry_run=True)["decisions"][0]["instances"] == [OURS]
    assert ("same-uid-other-bytes", "decision") in there.open()


def test_of_two_contents_that_came_here_the_one_in_force_is_kept(there: Hospital) -> None:
    now = local_now(there.site)
    second = study_image(1, now)
    second.add_new(0x7FE00010, "OW", bytes(128))
    there.begin()
    acquire(there.site, study_image(1, now))
    before = _pixels(there)
    acquire(there.site, second)
    there.end()
    there.act("reconciliation.compare")
    there.decide(there.difference("same-uid-other-bytes"), "ours")
    there.decide(STUDY, "no-order")
    assert not there.act("reconciliation.send")["failed"]
    assert there.open() == [] and _pixels(there) == before
    assert there.site.catalog.findings(code="protection.version-conflict") == []
    assert len(there.site.catalog.versions(STUDY)) == 2


@contextmanager
def _lying() -> Iterator[tuple[Peer, list[str]]]:
    """A PACS that stores nothing it says it stored, lists all of it, and answers every retrieve with success."""
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import (
        CTImageStorage,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        Verification,
    )

    listed: list[str] = []

    def store(event: Any) -> int:
        listed.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    def find(event: Any) -> Iterator[tuple[int, Dataset]]:
        for name in dict.fromkeys(listed):
            row = Dataset()
            row.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
            row.StudyInstanceUID, row.SeriesInstanceUID, row.SOPInstanceUID = STUDY, f"{STUDY}.1", name
            row.PatientID, row.AccessionNumber, row.NumberOfStudyRelatedInstances = "100", "RA20", len(set(listed))
            yield 0xFF00, row
            if row.QueryRetrieveLevel == "STUDY":
                return

    def get(event: Any) -> Iterator[int]:
        del event
        yield 0

    entity = AE("PACS")
    entity.add_supported_context(CTImageStorage, scu_role=True, scp_role=True)
    for served in (Verification, StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet):
        entity.add_supported_context(served)
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_C_FIND, find), (evt.EVT_C_GET, get)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield Peer(AETitle("PACS"), "127.0.0.1", server.socket.getsockname()[1]), listed
    finally:
        server.shutdown()


def test_a_pacs_that_lists_what_it_does_not_give_back_is_told_and_asked_again(tmp_path: Path) -> None:
    with _lying() as (peer, listed), hospital(tmp_path, str(peer)) as there:
        there.begin()
        acquire(there.site, *(study_image(number, local_now(there.site)) for number in (1, 2)))
        there.end()
        there.act("reconciliation.compare")
        there.decide(STUDY, "no-order")
        told = there.act("reconciliation.send")
        (sent,) = there.site.records.journal.entries(kinds=[FactKind.RECONCILIATION_DONE])
        assert (sent.facts["told"]["level"], sent.facts["told"]["lacking"]) == ("none", [OURS, UNTOUCHED])
        assert [(one["kind"], one["waits_for"]) for one in told["differences"]] == [("missing-at-target", "sending")]
        assert listed == [OURS, UNTOUCHED]
        # The next time it is sent once more: a PACS that was mended has it then.
        there.act("reconciliation.send")
        assert listed == [OURS, UNTOUCHED] * 2
        assert there.open() == [("missing-at-target", "sending")]
