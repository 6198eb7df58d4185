"""A study of which the restored PACS has other pixels than we under one UID, and a third instance that refers to it."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset

from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import Outgoing, connect
from safelight.gateway.dicom.contexts import contexts_for
from safelight.recovery.ports import HeldInstance, Version
from safelight.site.opened import Site
from safelight.site.reconciliation_target import TargetDesk
from safelight.site.recovery_holdings import VaultHoldings
from safelight.wire.dicom.part10 import write_prefix
from support.encoded import whole
from support.reconciled_house import CT_IMAGE, EXPLICIT, encoded, image

STUDY = "1.2.20"
OURS, UNTOUCHED, REFERRING = (f"{STUDY}.1.{number}" for number in (1, 2, 3))
THEIR_PIXELS = bytes(128)


def study_image(number: int, started: str, **told: Any) -> Dataset:
    """Return an image of the study."""
    of_exam = {"PatientID": "100", "PatientName": "Real^Rita", "AccessionNumber": "RA20"}
    return image(STUDY, number, started, **of_exam, **told)


def held_here(started: str) -> list[Dataset]:
    """Return what we have."""
    referred = Dataset()
    referred.ReferencedSOPClassUID, referred.ReferencedSOPInstanceUID = CT_IMAGE, OURS
    return [
        study_image(1, started),
        study_image(2, started),
        study_image(3, started, ReferencedImageSequence=[referred]),
    ]


def held_there(started: str) -> list[Dataset]:
    """Return what the PACS has."""
    other, *rest = held_here(started)
    other.add_new(0x7FE00010, "OW", THEIR_PIXELS)
    return [other, *rest]


def store_at(target: str, *data_sets: Dataset) -> None:
    """Store instances at a PACS, as a modality does."""
    made = [Outgoing(CT_IMAGE, str(one.SOPInstanceUID), EXPLICIT, MemorySource(encoded(one))) for one in data_sets]
    for proposals in contexts_for((one.sop_class, one.transfer_syntax) for one in made):
        with connect(Peer.parse(target), AETitle("CT1"), proposals) as association:
            assert all(one.is_stored for one in association.store_all(made))


def pixels_in_force(site: Site, instance: str = OURS) -> bytes:
    """Return the pixels that count here."""
    (held,) = [one for one in VaultHoldings(site).instances(STUDY, None) if one.sop_instance == instance]
    return bytes(read_back(held).PixelData)


def read_back(held: HeldInstance) -> Dataset:
    """Read an instance that is held."""
    return dcmread(BytesIO(write_prefix(held.sop_class, held.sop_instance, held.transfer_syntax) + whole(held.open())))


def given_back(site: Site, target: str, instances: Sequence[str]) -> dict[str, bytes]:
    """Return the data sets that the PACS gives back of those instances."""
    came: dict[str, bytes] = {}

    def take(theirs: Version) -> None:
        came[theirs.sop_instance] = whole(theirs.data_set)

    with TargetDesk(site, Peer.parse(target)) as desk:
        desk.versions(STUDY, instances, take)
    return came
