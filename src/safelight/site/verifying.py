"""Looking at everything: packs in every placement, the landing log, the journal; healing what can be healed."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from safelight.core.errors import IntegrityError, ResourceError, SafelightError
from safelight.core.instance import ByteSource
from safelight.core.progress import Progress, Report
from safelight.journal.segment import Segment
from safelight.site.caller_book import CallerFacts
from safelight.site.opened import LANDING_DAMAGED, Site
from safelight.site.rebuilding import open_pack, rebuild_catalog, sealed_segments
from safelight.site.scrubbing import scrub
from safelight.vault.landing_format import HEADER_BYTES
from safelight.vault.pack_reader import PackReader, verify_deep
from safelight.vault.placement import Placement

JOURNAL_DAMAGED: Final = "journal.damaged"


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was written."""

    what: str
    name: str
    place: str
    why: str
    healed: bool


def verify_everything(site: Site, *, deep: bool, heal: bool, report: Report) -> dict[str, Any]:
    """Read every copy of every pack, every landing record and every journal entry."""
    site.arrivals.settle()
    damaged: list[Damage] = []
    copies = _verify_packs(site, deep=deep, heal=heal, report=report, damaged=damaged)
    records = _verify_landing(site, report, damaged)
    entries = _verify_journal(site, heal=heal, damaged=damaged)
    return {
        "packs": copies,
        "landing_records": records,
        "journal_entries": entries,
        "deep": deep,
        "damaged": [asdict(one) for one in damaged],
        "whole": all(one.healed for one in damaged),
    }


def scrub_now(site: Site, budget_mb: int | None, report: Report) -> dict[str, Any]:
    """Read again what is due; heal what is bad."""
    del report
    budget = budget_mb * 10**6 if budget_mb else None
    checks = scrub(site, since_last=timedelta(days=1), budget_bytes=budget)
    bad = [check for check in checks if check.fault is not None]
    return {"read": len(checks), "bad": len(bad), "healed": sum(check.healed for check in bad)}


def rebuild(site: Site, report: Report) -> dict[str, Any]:
    """Compute the catalog again from the vault; whoever has it open goes on with the new one."""
    site.arrivals.settle()
    site.packing.wait()
    CallerFacts(site.records).tell_all()
    packs = rebuild_catalog(
        site.home, site.records.journal, site.placements, site.secret, site.disk, site.log.failure, report
    )
    site.reopen_catalog()
    return {"packs": packs, "instances": site.catalog.tally().instances_landed}


def _verify_packs(site: Site, *, deep: bool, heal: bool, report: Report, damaged: list[Damage]) -> int:
    rows = list(site.catalog.packs())
    total = len(rows) * len(site.placements)
    done = 0
    for row in rows:
        for placement in site.placements:
            check = site.copies.check(placement, row.name, heal=heal)
            if check.fault is not None:
                damaged.append(Damage("pack", row.name, placement.name, check.fault.code, check.healed))
            done += 1
            report(Progress("verify", done, total, "copies"))
    if deep:
        _decode_packs(site, [row.name for row in rows if row.kind == "instances"], report, damaged)
    for placement in site.placements:
        damaged.extend(_strangers(site, placement))
    return done


def _decode_packs(site: Site, packs: Sequence[str], report: Report, damaged: list[Damage]) -> None:
    """Decode what lies in each sound copy, once everything that can be healed is: packs refer to each other."""
    known_bad = {(one.name, one.place) for one in damaged if not one.healed}
    copies = [(pack, placement) for pack in packs for placement in site.placements]
    for done, (pack, placement) in enumerate(copies, 1):
        if (pack, placement.name) not in known_bad:
            damaged.extend(_decode(site, placement, pack))
        report(Progress("decode", done, len(copies), "copies"))


def _strangers(site: Site, placement: Placement) -> list[Damage]:
    """Packs that lie in a placement and that nobody recorded; nothing is removed."""
    try:
        names = [pack for pack in placement.names() if site.catalog.pack(pack) is None]
    except ResourceError as error:
        return [Damage("placement", placement.name, placement.name, error.code, healed=False)]
    return [Damage("pack", name, placement.name, "vault.pack-unknown", healed=False) for name in names]


def _decode(site: Site, placement: Placement, pack: str) -> list[Damage]:
    try:
        reader = PackReader(placement.open(pack), [site.secret.node], _opener(site, placement))
        checks = list(verify_deep(reader))
    except (IntegrityError, ResourceError) as error:
        return [Damage("pack", pack, placement.name, error.code, healed=False)]
    return [
        Damage("instance", check.digest.hex(), placement.name, check.damage.code, healed=False)
        for check in checks
        if check.damage is not None
    ]


def _opener(site: Site, first: Placement) -> Callable[[str], ByteSource]:
    """Return what opens the packs that a copy refers to: beside it, where they are there."""
    placements = [first, *(one for one in site.placements if one is not first)]
    return lambda name: open_pack(placements, name)


def _verify_landing(site: Site, report: Report, damaged: list[Damage]) -> int:
    count = 0
    seen: set[str] = set()
    for count, check in enumerate(site.landing.verify(), start=1):
        report(Progress("landing", count, 0, "records"))
        subject = f"{check.place.segment}/{check.place.offset - HEADER_BYTES}"
        place = f"landing {subject}"
        seen.add(subject)
        if check.damage:
            held = _is_packed(site, check.digest)
            name = check.sop_instance or place
            damaged.append(Damage("landing-record", name, place, f"vault.landing-{check.damage}", healed=held))
            if not held:
                facts = {"instance": check.sop_instance, "digest": check.digest.hex()}
                site.records.open_finding(LANDING_DAMAGED, subject, "critical", **facts)
        elif check.mended:
            damaged.append(
                Damage("landing-header", check.sop_instance, place, "vault.landing-bit-flipped", healed=True)
            )
    damaged.extend(_set_aside(site, seen))
    return count


def _set_aside(site: Site, seen: Collection[str]) -> Iterator[Damage]:
    """Give records that were damaged when the home was opened: they are in quarantine, and no longer in the log."""
    for finding in site.catalog.findings(code=LANDING_DAMAGED):
        if finding.subject in seen:
            continue
        healed = _is_packed(site, bytes.fromhex(str(finding.facts.get("digest", ""))))
        if healed:
            site.records.close_finding(LANDING_DAMAGED, finding.subject, "the same instance lies in a pack")
        name = str(finding.facts.get("instance", "")) or finding.subject
        yield Damage("landing-record", name, f"landing {finding.subject}", LANDING_DAMAGED, healed)


def _is_packed(site: Site, digest: bytes) -> bool:
    """Say whether the same instance lies in a pack: then nothing is lost."""
    return bool(digest) and digest in site.catalog.known([digest], packed_only=True)


def _verify_journal(site: Site, *, heal: bool, damaged: list[Damage]) -> int:
    journal = site.records.journal
    found = journal.verify(at_least=site.catalog.tally().journal_position)
    if found and heal:
        segments = list(sealed_segments(site.placements, site.public, site.secret))
        for damage in found:
            _mend(site, range(max(damage.first, 1), damage.last + 1), segments)
    left = journal.verify() if found else []
    for damage in found:
        healed = not any(one.first <= damage.last and damage.first <= one.last for one in left)
        name = str(damage.first) if damage.first == damage.last else f"{damage.first}-{damage.last}"
        damaged.append(Damage("journal-entry", name, "journal", JOURNAL_DAMAGED, healed))
    if found:
        # The journal itself may not take another entry; at least the log says it.
        site.log(JOURNAL_DAMAGED, found=len(found), left=len(left))
    last = journal.last()
    return last.position if last else 0


def _mend(site: Site, positions: range, segments: Sequence[Segment]) -> None:
    for position in positions:
        for segment in segments:
            if segment.first <= position <= segment.last:
                with suppress(SafelightError):
                    site.records.journal.mend(position, segment)
                break
