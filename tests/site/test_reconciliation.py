"""Reconciling in a real home: from exams of an outage to an empty list, against an archive on real sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from safelight.catalog.search import StudySearch
from safelight.site.recovery_holdings import VaultHoldings
from support.archive_door import ArchiveDoor, open_archive
from support.reconciled_house import WHO, Hospital, hospital, local_now, order_message


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[ArchiveDoor]:
    folder = tmp_path / "pacs"
    folder.mkdir()
    with open_archive(folder) as archive:
        yield archive


@pytest.fixture
def there(tmp_path: Path, pacs: ArchiveDoor) -> Iterator[Hospital]:
    with hospital(tmp_path, str(pacs.peer)) as opened:
        yield opened


def test_a_walk_in_meets_its_order_and_nothing_is_left_open(there: Hospital, pacs: ArchiveDoor) -> None:
    there.begin()
    exam = there.register(name="REAL^RITA", birth_date="19700102", sex="F", procedure="head")
    there.scan(exam)
    there.step(exam["accession"], "acquired")
    there.step(exam["accession"], "read", text="Bleeding.\nCall surgery.", urgent=True)
    there.step(exam["accession"], "called", to="Dr. Ward", read_back=True)
    there.end()
    # The clerk enters the order afterwards, under the RIS's own numbers.
    there.tell(order_message("1", "4711", "RA1", local_now(there.site)))
    told = there.act("reconciliation.compare")
    assert told["by_kind"] == {
        "study-without-order": 1,
        "report-not-delivered": 1,
        "missing-at-target": 1,
        "order-without-study": 1,
    }
    (proposal,) = told["differences"][0]["proposals"]
    assert (proposal["order"], proposal["certain"], proposal["but"]) == ("RA1", False, "not enough agrees")
    decided = there.act("reconciliation.decide", differences=["DT01"], verdict="matched", order="RA1", **WHO)
    assert decided["decisions"][0]["identity"]["patient_id"] == "4711"
    told = there.act("reconciliation.send")
    assert not told["failed"], told
    there.reports.wait_for(1)
    there.patients.wait_for(1)
    merge, report = there.patients.got[0].decode(), there.reports.got[0].decode()
    assert "|ADT^A40^ADT_A39|" in merge and "PID|1||4711^^^H||" in merge and "MRG|DP01^^^H" in merge
    assert "OBR|1|PRA1|FRA1|" in report and "|P|" in report and "Told to Dr. Ward" in report and "read back" in report
    there.await_delivery()
    assert there.open() == []
    # The PACS has it under the identity of the order, under the modality's Study Instance UID.
    (row,) = pacs.site.catalog.find(StudySearch(study=exam["study"]))
    assert (row.patient_id.text, row.accession, row.instances) == ("4711", "RA1", 2)
    # Here both versions are held, and the corrected one is in force.
    assert len(there.site.catalog.versions(exam["study"])) == 4
    assert {one.versions for one in VaultHoldings(there.site).instances(exam["study"], None)} == {2}
    there.act("downtime.say", event="closed", scopes=["pacs", "ris"], **WHO)
