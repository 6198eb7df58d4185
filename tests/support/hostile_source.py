"""A real query/retrieve SCP on pynetdicom that misbehaves as `SourceModel` says.

It caps its rows, gives a study in two rows, has studies without images and without a date, answers C-MOVE
with success before it has sent anything, and keeps back instances it claims.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_context, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from support.source_model import ModelStudy, SourceModel

PENDING, SUCCESS, OUT_OF_RESOURCES = 0xFF00, 0x0000, 0xA700
SENDINGS_MAX = 3


@dataclass
class HostileSource:
    """The SCP while it runs."""

    model: SourceModel
    port: int = 0
    destination: tuple[str, int] = ("127.0.0.1", 0)
    """Where C-MOVE sends to."""
    release: threading.Event = field(default_factory=threading.Event)
    """An early C-MOVE sends nothing before this is set."""
    sending: threading.Lock = field(default_factory=threading.Lock)
    """One early C-MOVE at a time sends: the answers came early, not the associations at once."""
    senders: list[threading.Thread] = field(default_factory=list)
    finds: int = 0

    def wait_for_senders(self) -> None:
        """Let every early C-MOVE send, and return when it has."""
        self.release.set()
        while self.senders:
            self.senders.pop().join(240)
        self.release.clear()


@contextmanager
def hostile_source(model: SourceModel) -> Iterator[HostileSource]:
    """Run the SCP on a port of the system's choice."""
    source = HostileSource(model)
    application = AE("PACS")
    application.add_supported_context(Verification)
    application.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    application.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
    application.add_supported_context(StudyRootQueryRetrieveInformationModelMove)
    application.add_supported_context(SecondaryCaptureImageStorage, scu_role=True, scp_role=True)
    handlers: list[Any] = [
        (evt.EVT_C_FIND, lambda event: _find(source, event.identifier)),
        (evt.EVT_C_GET, lambda event: _get(source, event.identifier)),
        (evt.EVT_C_MOVE, lambda event: _move(source, event.identifier)),
    ]
    server = application.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    source.port = server.socket.getsockname()[1]
    try:
        yield source
    finally:
        source.wait_for_senders()
        server.shutdown()


def _find(source: HostileSource, asked: Dataset) -> Iterator[tuple[int, Dataset | None]]:
    source.finds += 1
    level = asked.QueryRetrieveLevel
    if level == "STUDY":
        studies, truncated = source.model.match(
            str(asked.get("StudyDate") or ""),
            str(asked.get("StudyTime") or ""),
            str(asked.get("PatientID") or ""),
            str(asked.get("ModalitiesInStudy") or ""),
        )
        for study in studies:
            yield PENDING, _study_row(source, study)
        if truncated:
            yield OUT_OF_RESOURCES, None
    elif level == "SERIES":
        found = source.model.study(asked.StudyInstanceUID)
        for series, instances in found.series.items() if found else ():
            row = _row("SERIES", StudyInstanceUID=asked.StudyInstanceUID, SeriesInstanceUID=series, Modality="OT")
            if source.model.misbehaviour.counts:
                row.NumberOfSeriesRelatedInstances = len(instances)
            yield PENDING, row
    else:
        limit = source.model.misbehaviour.row_limit
        for series, instance in source.model.instances(asked.StudyInstanceUID, asked.SeriesInstanceUID)[:limit]:
            yield (
                PENDING,
                _row(
                    "IMAGE",
                    StudyInstanceUID=asked.StudyInstanceUID,
                    SeriesInstanceUID=series,
                    SOPInstanceUID=instance,
                    SOPClassUID=SecondaryCaptureImageStorage,
                ),
            )


def _study_row(source: HostileSource, study: ModelStudy) -> Dataset:
    row = _row(
        "STUDY",
        StudyInstanceUID=study.uid,
        StudyDate=study.date,
        StudyTime=study.time,
        PatientID=study.patient,
        ModalitiesInStudy=study.modality if study.series else "",
    )
    if source.model.misbehaviour.counts:
        row.NumberOfStudyRelatedSeries = len(study.series)
        row.NumberOfStudyRelatedInstances = study.instance_count
    return row


def _row(level: str, **values: str) -> Dataset:
    row = Dataset()
    row.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(row, keyword, value)
    return row


def _get(source: HostileSource, asked: Dataset) -> Iterator[Any]:
    sent = _to_send(source, asked)
    yield len(sent)
    for data in sent:
        yield PENDING, data


def _move(source: HostileSource, asked: Dataset) -> Iterator[Any]:
    sent = _to_send(source, asked)
    contexts = [build_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)]
    yield (*source.destination, {"contexts": contexts})
    if not source.model.misbehaviour.early_move:
        yield len(sent)
        for data in sent:
            yield PENDING, data
        return
    # Nothing left to do, says the answer; a thread of its own sends when the test lets it.
    sender = threading.Thread(target=_send_later, args=(source, sent), daemon=True)
    source.senders.append(sender)
    sender.start()
    yield 0


def _send_later(source: HostileSource, sent: list[Dataset]) -> None:
    source.release.wait(60)
    left = list(sent)
    with source.sending:
        # pynetdicom's reactor now and then takes an answer that its sender waits for; that instance is sent again.
        for _ in range(SENDINGS_MAX):
            left = _send_all(source.destination, left)
            if not left:
                return
    raise AssertionError(f"{len(left)} instances were not taken")


def _send_all(destination: tuple[str, int], sent: list[Dataset]) -> list[Dataset]:
    """Send until an answer is missing; return what had none."""
    application = AE("PACS")
    # Dozens of these share one interpreter; on a busy machine an answer may be read late.
    application.dimse_timeout = application.acse_timeout = application.network_timeout = 240
    application.add_requested_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
    association = application.associate(*destination, ae_title="SAFELIGHT")
    assert association.is_established
    for number, data in enumerate(sent):
        status = association.send_c_store(data)
        if "Status" not in status:
            return sent[number:]
        assert status.Status == SUCCESS
    association.release()
    return []


def _to_send(source: HostileSource, asked: Dataset) -> list[Dataset]:
    kept_back = source.model.misbehaviour.never_sends
    pairs = source.model.instances(asked.StudyInstanceUID, asked.get("SeriesInstanceUID") or None)
    return [_instance(asked.StudyInstanceUID, *pair) for pair in pairs if pair[1] not in kept_back]


def _instance(study: str, series: str, instance: str) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = instance
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = instance
    data.StudyInstanceUID = study
    data.SeriesInstanceUID = series
    return data
