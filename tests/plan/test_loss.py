"""How much is lost is as old as the freshest copy that a disruption leaves, and unknown where no copy says."""

from datetime import timedelta

import pytest

from safelight.plan.loss import keeps_data, losses, service_loss
from safelight.plan.model import Plan
from safelight.plan.on_record import NOTHING, Figure, OnRecord, Span
from safelight.plan.reading import read_plan
from safelight.plan.words import Disruption, Portion

HOUR = timedelta(hours=1)
PLAN = """
plan: {title: T, hospital: H, version: 1, horizon: 28 d, planned_outage: 0 min}
sites:
  - {id: main, name: Main, power: a, fabric: a}
  - {id: annex, name: Annex, power: b, fabric: b}
systems:
  - {id: pacs, name: PACS, kind: pacs, site: main, in_it_plan: yes, admin_domain: hospital}
  - {id: ris, name: RIS, kind: ris, site: main, in_it_plan: yes}
  - {id: ct, name: CT, kind: modality, site: main, in_it_plan: yes}
  - {id: cart, name: Cart, kind: modality, site: main, in_it_plan: yes, holds_images: yes}
copies:
  - {id: mirror, of: pacs, site: main, medium: disk, holds: [images], every: 0 min, admin_domain: hospital}
  - {id: second, of: pacs, site: annex, medium: disk, holds: [images], every: 1 h, admin_domain: hospital}
  - {id: cloud, of: pacs, site: annex, medium: object store, holds: [images], every: 2 h, admin_domain: cloud}
  - {id: tape, of: pacs, site: main, medium: tape, holds: [images], every: 24 h, admin_domain: hospital, offline: yes}
"""
HELD = PLAN.replace(
    "every: 2 h, admin_domain: cloud", "every: 2 h, admin_domain: cloud, in_safelight: yes, immutable: yes"
)
ASKED = {Portion.EVERYTHING: Figure(1.0, "counted")}


def read(text: str = PLAN) -> Plan:
    return read_plan({"plan.yaml": text}).plan


@pytest.mark.parametrize(
    ("disruption", "hours", "source"),
    [
        (Disruption.HARDWARE, 0, "mirror is made at once, as the plan says"),
        (Disruption.SOFTWARE, 0, "mirror is made at once, as the plan says"),
        (Disruption.SITE, 1, "second is made every 1 h, as the plan says"),
        (Disruption.VENDOR, 2, "cloud is made every 2 h, as the plan says"),
        (Disruption.RANSOMWARE, 24, "tape is made every 1 d, as the plan says"),
        (Disruption.NETWORK, 0, "network-isolation destroys no data"),
        (Disruption.PEOPLE, 0, "people destroys no data"),
    ],
)
def test_the_freshest_copy_that_is_left_says_how_much_is_lost(disruption: Disruption, hours: int, source: str) -> None:
    told = losses(read(), disruption)["pacs"]
    assert (told.loses, told.source) == (hours * HOUR, source)


def test_where_no_copy_says_the_loss_is_unknown_and_so_is_that_of_the_service() -> None:
    found = losses(read(), Disruption.HARDWARE)
    assert found["ris"].loses is None
    assert found["ris"].source == "the plan names no copy of it"
    assert service_loss(["pacs", "ris"], found) is None
    burnt = losses(read(PLAN.replace("site: annex, medium", "site: main, medium")), Disruption.SITE)
    assert burnt["pacs"].loses is None
    assert burnt["pacs"].source == "no copy of it is left after site"


def test_what_keeps_no_data_of_its_own_loses_none_unless_the_plan_says_that_it_holds_images() -> None:
    plan = read()
    found = losses(plan, Disruption.RANSOMWARE)
    assert found["ct"].loses == timedelta(0)
    assert found["cart"].loses is None
    assert service_loss(["ct", "pacs"], found) == 24 * HOUR
    assert [one.id for one in plan.systems if keeps_data(plan, one)] == ["pacs", "ris", "cart"]


def test_what_safelight_holds_is_as_old_as_its_exposure_was_measured() -> None:
    plan = read(HELD)
    assert losses(plan, Disruption.VENDOR, NOTHING)["pacs"].loses == 2 * HOUR
    measured = OnRecord(ASKED, exposure=Span(timedelta(minutes=7), "exposure measured on 2026-11-24 at 09:00"))
    told = losses(plan, Disruption.VENDOR, measured)["pacs"]
    assert (told.loses, told.source) == (timedelta(minutes=7), "cloud: exposure measured on 2026-11-24 at 09:00")


def test_an_exposure_that_is_not_known_is_no_loss_of_nothing() -> None:
    plan, silent = read(HELD), OnRecord(ASKED)
    told = losses(plan, Disruption.VENDOR, silent)["pacs"]
    assert told.loses is None
    assert "not known now" in told.source
    # Another copy that is left still says something.
    told = losses(plan, Disruption.RANSOMWARE, silent)["pacs"]
    assert told.loses == 24 * HOUR
    assert told.source.startswith("tape is made every 1 d")
    assert "not known now" in told.source
