"""Which device is ready for a downtime: its checklist, beside what it was seen to do here."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from safelight.catalog.caller import CallerAct, CallerRow
from safelight.core.clock import to_text
from safelight.core.names import AETitle
from safelight.downtime.device import Checked, Device, Item, Sight
from safelight.journal.journal import Journal
from safelight.site.home import Home
from safelight.site.saying import deciding, signed
from safelight.site.status import looked_at

if TYPE_CHECKING:
    from safelight.site.opened import Site

_ACTS: Final[Mapping[Sight, CallerAct]] = {
    Sight.STORE: CallerAct.STORE,
    Sight.QUERY: CallerAct.QUERY,
    Sight.COMMITMENT: CallerAct.COMMITMENT,
}


def check_device(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Record that an item of a device's checklist holds, or does not any more."""
    reason, by = signed(told)
    device, dry_run = AETitle.parse(str(told["device"])), bool(told.get("dry_run"))
    with deciding:
        checked = Checked(device, Item(told["item"]), not told.get("undo"), site.clock.now(), reason, by)
        known = devices_of(site.records.journal, site.catalog.callers()).get(device.text, Device())
        if not dry_run:
            site.records.record(checked.kind, checked.to_body())
    return {"dry_run": dry_run, **_document(device.text, known.with_check(checked))}


def devices_document(home: Home) -> dict[str, Any]:
    """Return what `safelight downtime device list --json` prints."""
    with looked_at(home) as (catalog, journal):
        devices = devices_of(journal, catalog.callers())
    told = [_document(title, devices[title]) for title in sorted(devices)]
    return {"devices": told, "not_ready": sum(not one["ready"] for one in told)}


def devices_of(journal: Journal, callers: Iterable[CallerRow]) -> dict[str, Device]:
    """Return every device that called here or was checked, by AE title."""
    seen: dict[str, dict[Sight, Any]] = {}
    called: dict[str, dict[str, int]] = {}
    for caller in callers:
        sights, calls = seen.setdefault(caller.title, {}), called.setdefault(caller.title, {})
        for called_title in caller.by_called:
            calls[called_title] = calls.get(called_title, 0) + caller.calls(called_title)
        for sight, act in _ACTS.items():
            at = caller.last.get(act)
            if at is not None and at > sights.get(sight, at.min.replace(tzinfo=at.tzinfo)):
                sights[sight] = at
    devices = {title: Device(seen=sights, called=called[title]) for title, sights in seen.items()}
    for entry in journal.entries(kinds=[Checked.kind]):
        checked = Checked.from_body(entry.facts)
        devices[checked.device.text] = devices.get(checked.device.text, Device()).with_check(checked)
    return devices


def _document(title: str, device: Device) -> dict[str, Any]:
    return {
        "device": title,
        "called": dict(sorted(device.called.items())),
        "ready": not device.missing,
        "missing": device.missing,
        "seen": {sight.value: to_text(device.seen[sight]) if sight in device.seen else None for sight in Sight},
        "checked": {
            item.value: {"holds": one.holds, "said_at": to_text(one.said_at), "by": one.by, "reason": one.reason}
            for item, one in device.checked.items()
        },
    }
