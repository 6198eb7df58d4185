"""Screens hear of every change of what they show, whoever made it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from safelight.catalog.order_search import StepSearch
from safelight.core.disk import DiskFull
from safelight.core.names import AETitle
from safelight.core.progress import silent
from safelight.gateway.dicom.ports import AssociationFacts
from safelight.gateway.dicom.procedure_step_service import StepNotice, StepStatus
from safelight.journal.entry import Entry
from safelight.site import performed_steps
from safelight.site.acts import act
from safelight.site.dicom_procedure_steps import StepLedger
from safelight.site.opened import Site
from safelight.site.web_changes import EVERYTHING, STATUS
from safelight.wire.dicom.identifier import encode_identifier
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN
from support.console_house import WHO, Browser, ConsoleHouse, console_house
from support.dicom_files import image
from support.web_house import WebHouse

HEAD = "Patient ID,Patient name,Accession,Modality,Start date,Start time\n"
MODALITY = AssociationFacts(AETitle.parse("CT1"), AETitle.parse("HERE"), "127.0.0.1")
WIDE = "state=scheduled&state=started&state=completed"
QUERIES = {"catalog/worklist": WIDE, "catalog/reports": "patient_id=P01"}


def shown(browser: Browser) -> dict[str, bytes]:
    """Return every document but the one whose exposure grows by itself."""
    told = {}
    for name in EVERYTHING:
        if name != STATUS:
            answered = browser.get(f"/api/{name}?{QUERIES.get(name, '')}")
            assert answered.status == 200, answered.body
            told[name] = answered.body
    return told


def notice(site: Site, status: StepStatus) -> StepNotice:
    """Say what a modality says of the one step that it was given."""
    ((_, values),) = site.scheduled_steps.find(site.messages.index, StepSearch())
    named = Dataset()
    named.StudyInstanceUID = values["StudyInstanceUID"]
    named.ScheduledProcedureStepID = values["ScheduledProcedureStepID"]
    told = Dataset()
    told.PerformedProcedureStepStatus = status.value
    told.ScheduledStepAttributesSequence = [named]
    return StepNotice("1.2.3.1", status, encode_identifier(told, EXPLICIT_LITTLE_ENDIAN), EXPLICIT_LITTLE_ENDIAN)


@pytest.mark.slow
def test_no_document_changes_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "extract.csv"
    file.write_text(f"{HEAD}P1,Berg^Ana,A1,CT,{datetime.now().astimezone():%Y-%m-%d},23:58\n")
    with console_house(tmp_path) as house:
        browser, ledger = house.browser("pacs-administrator"), StepLedger(house.site)
        studies = WebHouse(house.site, house.port)
        extract = {"file": str(file), "source": "nightly"}
        happenings: tuple[tuple[str, Callable[[], object]], ...] = (
            ("catalog/worklist", lambda: act(house.site, "gateway.worklist.import", extract, silent)),
            ("catalog/worklist", lambda: ledger.begin(MODALITY, notice(house.site, StepStatus.IN_PROGRESS))),
            ("catalog/worklist", lambda: ledger.change(MODALITY, notice(house.site, StepStatus.COMPLETED))),
            ("catalog/find", lambda: studies.land([image(1, 1, 1)])),
            ("catalog/find", studies.pack),
        )
        for expected, happens in happenings:
            heard(house, browser, expected, happens)


def heard(house: ConsoleHouse, browser: Browser, expected: str, happens: Callable[[], object]) -> None:
    """Have something happen: what is other than before was told, and what was to become other is."""
    before, known = shown(browser), house.door._changes.mark()
    happens()
    after = shown(browser)
    told = house.door._changes.since(known, house.door._changes.mark())
    changed = {name for name in after if after[name] != before[name]}
    assert expected in changed
    assert changed <= set(told), (changed, told)


def test_screens_hear_of_changes_while_something_else_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise DiskFull

    monkeypatch.setattr("safelight.site.web_door.write_readings", no_room)
    with console_house(tmp_path) as house, house.browser("viewer", board=True).events() as events:
        assert next(events)[1] == "hello"
        act(house.site, "downtime.say", {"event": "declared", "scopes": ["viewers"], **WHO}, silent)
        assert "downtime/log" in next(events)[2]["documents"]


def test_what_modalities_said_is_read_once_however_often_the_worklist_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[Entry]()

    def noted(entry: Entry) -> tuple[tuple[str, str], ...]:
        read.append(entry)
        return ()

    monkeypatch.setattr(performed_steps, "_references", noted)
    with console_house(tmp_path) as house:
        told = encode_identifier(Dataset(), EXPLICIT_LITTLE_ENDIAN)
        begun = StepNotice("1.2.3.1", StepStatus.IN_PROGRESS, told, EXPLICIT_LITTLE_ENDIAN)
        StepLedger(house.site).begin(MODALITY, begun)
        browser = house.browser("technologist")
        for number in range(3):
            assert browser.get(f"/api/catalog/worklist?accession=A{number}").status == 200
    assert len(read) == 1
