"""A device is ready when everything was checked and everything was seen."""

from datetime import UTC, datetime

from safelight.core.names import AETitle
from safelight.downtime.device import WAYS_HERE, Checked, Device, Item, Sight

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def _check(device: Device, item: Item, *, holds: bool = True) -> Device:
    checked = Checked(AETitle("CT_1"), item, holds, NOW, "r", "b")
    return device.with_check(Checked.from_body(checked.to_body()))


def test_nothing_is_ready_before_it_was_checked_and_seen() -> None:
    device = Device()
    for item in Item:
        assert device.missing
        device = _check(device, item)
    assert device.missing == ["never seen to store", "never seen to query", "never seen to ask for commitment"]
    assert Device(device.checked, dict.fromkeys(Sight, NOW)).missing == []


def test_one_way_to_us_is_enough_and_none_is_named_once() -> None:
    device = Device(seen=dict.fromkeys(Sight, NOW))
    for item in set(Item) - WAYS_HERE:
        device = _check(device, item)
    assert device.missing == ["second-destination or address-takeover"]
    for way in WAYS_HERE:
        assert _check(device, way).missing == []


def test_what_does_not_hold_any_more_is_missing_again() -> None:
    device = _check(_check(Device(), Item.LABELS), Item.LABELS, holds=False)
    assert "labels" in device.missing
