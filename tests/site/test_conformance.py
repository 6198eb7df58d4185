"""The conformance statement, asked of a real door: every SOP class that the standard has is proposed to it."""

from itertools import islice
from pathlib import Path

import pytest
from pydicom.uid import UID_dictionary

from safelight.gateway.dicom.contexts import CONTEXTS_MAX, ContextProposal
from safelight.gateway.dicom.storage_classes import carries_instances
from safelight.site.dicom_services import SOP_CLASSES
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN, VERIFICATION
from support.archive_door import open_archive

pytestmark = pytest.mark.peer
PRIVATE = "1.2.826.0.1.3680043.9.9999.7"
EVERY = sorted(uid for uid, facts in UID_dictionary.items() if facts[1] == "SOP Class")


def test_the_door_accepts_what_the_statement_says_and_nothing_else(tmp_path: Path) -> None:
    proposed = iter([*EVERY, PRIVATE])
    accepted: set[str] = set()
    with open_archive(tmp_path) as door:
        while some := list(islice(proposed, CONTEXTS_MAX)):
            with door.call([ContextProposal(one, (EXPLICIT_LITTLE_ENDIAN,)) for one in some]) as association:
                accepted |= {one.abstract_syntax for one in association.contexts}
    storage = {one for one in EVERY if carries_instances(one)}
    assert accepted == storage | {PRIVATE, VERIFICATION, *SOP_CLASSES}


@pytest.mark.parametrize("uid", EVERY)
def test_what_is_taken_as_an_instance_is_called_storage(uid: str) -> None:
    name, *_ = UID_dictionary[uid]
    # Two retired classes of images have no name.
    is_instance = "Storage" in name and "Commitment" not in name
    assert (carries_instances(uid) and uid != VERIFICATION) == (is_instance or not name)
