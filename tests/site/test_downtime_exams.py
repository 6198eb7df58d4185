"""Numbers and exams of a downtime in a real home: recorded, listed, printed, and whole after a power cut."""

import itertools
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.core.progress import silent
from safelight.downtime.number import NumberFor, RangeUsedUp
from safelight.downtime.phase import TimesDisagree
from safelight.downtime.registration import BadRegistration, NoNumberLeft
from safelight.site.acts import act, act_alone
from safelight.site.downtime import ExamsOpen
from safelight.site.downtime_exams import BadStep, NoDowntime, exams_document
from safelight.site.downtime_numbers import TooManyLabels, numbers_document, print_labels
from safelight.site.exams import exams_of, numbers_of
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.reconciliation import DifferencesOpen
from safelight.site.saying import NotSigned
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.hl7_house import make_home
from support.served_home import free_port

WHO = {"reason": "test", "by": "A. Admin"}
CT = {"way": "walk-in", "site": "main", "device": "CT1", "modality": "CT", "by": "T. Tech"}


def _prepare(site: Site) -> None:
    for of, prefix in (("accession", "DT"), ("patient", "DP")):
        told = {"of": of, "prefix": prefix, "first": 1, "last": 40, **WHO}
        act(site, "downtime.numbers.reserve", told, silent)
    for of in ("accession", "patient"):
        _allot(site, of)


def _allot(site: Site, of: str = "accession", count: int = 5) -> dict[str, Any]:
    told = {"of": of, "count": count, "site": "main", "device": "CT1", **WHO}
    return dict(act(site, "downtime.numbers.allot", told, silent))


def _declare(site: Site, event: str = "declared", **told: Any) -> None:
    act(site, "downtime.say", {"event": event, "scopes": ["ris"], **WHO, **told}, silent)


def _register(site: Site, name: str = "DOE^JANE", **told: Any) -> dict[str, Any]:
    return dict(act(site, "downtime.exam.register", {**CT, "name": name, **told}, silent))


def _step(site: Site, accession: str, step: str, **told: Any) -> dict[str, Any]:
    told = {"accession": accession, "step": step, "by": "R. Reader", **told}
    return dict(act(site, "downtime.exam.step", told, silent))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path, free_port())


def test_an_exam_goes_from_registration_to_the_read_back_and_lets_the_outage_close(home: Home) -> None:
    with Site.open(home) as site:
        _prepare(site)
        with pytest.raises(NoDowntime):
            _register(site)
        _declare(site)
        made = _register(site, procedure="head", place="ED, ext. 4711")
        assert (made["accession"], made["patient_id"]) == ("DT01", "DP01")
        assert made["study"].startswith("2.25.")
        _step(site, "DT01", "arrived")
        _step(site, "DT01", "acquired")
        _step(site, "DT01", "read", text="bleeding", urgent=True)
        _declare(site, "ended")
        with pytest.raises(ExamsOpen):
            _declare(site, "closed")
        assert exams_document(home, only_open=True)["waiting_for"] == {"call": 1}
        _step(site, "DT01", "called", to="Dr. Ward", read_back=True)
        # Its images are not here, no order fits, and its read reached nobody's system.
        with pytest.raises(DifferencesOpen):
            _declare(site, "closed")
        _declare(site, "closed", leave_open=True)
    told = exams_document(home, only_open=False)
    assert told["open"] == 0
    assert [one["step"] for one in told["exams"][0]["steps"]] == ["arrived", "acquired", "read", "called"]
    assert told["exams"][0]["steps"][2]["preliminary"] is True
    assert exams_document(home, only_open=True)["exams"] == []
    assert [one["taken"] for one in numbers_document(home)["blocks"]] == [1, 1]


def test_an_outage_may_be_closed_over_open_exams_by_saying_so(home: Home) -> None:
    with Site.open(home) as site:
        _prepare(site)
        _declare(site)
        _register(site, name="", way="unidentified")
        _declare(site, "ended")
        _declare(site, "closed", leave_open=True)
        # What was left open is still told, and can still be settled.
        _step(site, "DT01", "identified", patient_id="4711", reason="wallet")
    assert exams_document(home, only_open=True)["waiting_for"] == {"images": 1}


def test_a_step_lacks_nothing_and_lies_in_the_past(home: Home) -> None:
    with Site.open(home) as site:
        _prepare(site)
        _declare(site)
        _register(site)
        _step(site, "DT01", "acquired", at="2026-01-02T03:04:05Z")
        for step, told in (("read", {"text": " "}), ("identified", {"patient_id": "1"})):
            with pytest.raises(BadStep):
                _step(site, "DT01", step, **told)
        with pytest.raises(TimesDisagree):
            _step(site, "DT01", "read", text="seen", at="2999-01-01T00:00:00Z")
        with pytest.raises(NotSigned):
            _step(site, "DT01", "read", text="seen", by="")
        _step(site, "DT01", "read", text="seen")
        with pytest.raises(BadStep):
            _step(site, "DT01", "called", to="")
    (exam,) = exams_document(home, only_open=False)["exams"]
    assert [one["step"] for one in exam["steps"]] == ["acquired", "read"]
    assert exam["steps"][0]["at"] == "2026-01-02T03:04:05.000000Z" < exam["steps"][0]["said_at"]


def test_a_patient_was_born_on_a_day_of_the_calendar_that_is_not_ahead(home: Home) -> None:
    with Site.open(home) as site:
        _prepare(site)
        _declare(site)
        today = datetime.now().astimezone().date()
        tomorrow = f"{today + timedelta(days=1):%Y%m%d}"
        for born in ("20991399", "20990101", tomorrow, "19700230", "1970-02-03", "1970", "٢٠٠٠٠١٠١"):
            with pytest.raises(BadRegistration, match="birth_date"):
                _register(site, birth_date=born)
        assert _register(site, birth_date=f"{today:%Y%m%d}")["accession"] == "DT01"
        assert _register(site, name="ROE^RITA", birth_date="20000229")["accession"] == "DT02"


def test_a_dry_run_takes_no_number(home: Home) -> None:
    with Site.open(home) as site:
        _prepare(site)
        _declare(site)
        for _ in range(2):
            assert _register(site, dry_run=True)["accession"] == "DT01"
            told = {"of": "accession", "count": 5, "site": "main", "device": "X", "dry_run": True, **WHO}
            assert act(site, "downtime.numbers.allot", told, silent)["first"] == "DT06"
    assert exams_document(home, only_open=False)["exams"] == []
    assert len(numbers_document(home)["blocks"]) == 2


def test_labels_are_printed_for_a_block(home: Home, tmp_path: Path) -> None:
    act_alone(home, "downtime.numbers.reserve", {"of": "patient", "prefix": "P", "first": 1, "last": 9, **WHO}, silent)
    told = {"of": "patient", "count": 2, "site": "main", "device": "CT1", **WHO}
    act_alone(home, "downtime.numbers.allot", told, silent)
    assert print_labels(home, 1, tmp_path / "labels.pdf", 3)["labels"] == 6
    assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(TooManyLabels):
        print_labels(home, 1, tmp_path / "labels.pdf", 0)


def _life(site: Site, promised: list[tuple[str, str]]) -> None:
    _prepare(site)
    _declare(site)
    for _ in range(2):
        told = _allot(site, count=3)
        promised += [("block", told["first"]), ("block", told["last"])]
        promised.append(("exam", _register(site)["accession"]))


def _go_on(site: Site, promised: list[tuple[str, str]]) -> None:
    """Do as people do after the power is back: look what is there, and ask for further numbers."""
    exams = exams_of(site.records.journal)
    numbers = numbers_of(site.records.journal)
    assert {text for what, text in promised if what == "exam"} <= set(exams)
    assert all(numbers.block_of(NumberFor.ACCESSION, text) for what, text in promised if what == "block")
    with suppress(RangeUsedUp):
        told = _allot(site, count=3)
        promised += [("block", told["first"]), ("block", told["last"])]
    with suppress(NoDowntime, NoNumberLeft):
        promised.append(("exam", _register(site)["accession"]))


@pytest.mark.slow
@pytest.mark.parametrize("when", When)
def test_a_power_cut_at_any_durable_write_never_lets_a_number_be_promised_twice(tmp_path: Path, when: When) -> None:
    prepared = tmp_path / "prepared"
    make_home(prepared)
    promised: list[tuple[str, str]] = []
    for number in itertools.count(1):
        promised = []
        root = copy_machine(prepared, tmp_path / f"cut{number}")
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                _life(site, promised)
            calls = len(machine.disk.calls)
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            _go_on(site, promised)
        assert len(set(promised)) == len(promised), (number, promised)
        if calls < number:
            break
    # The last life was not cut: both ends of two blocks and two exams, and then one more of each.
    assert len(promised) == 9
    assert number > 20
