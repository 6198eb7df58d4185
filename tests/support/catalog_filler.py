"""Invented hospitals for the catalog: arrivals and holdings with heads, without pixels, fast.

`fill` records them through the catalog's own `record_packed`, one pack a series, as a rebuild does.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from safelight.catalog.catalog import Catalog
from safelight.catalog.census_rows import StudyClaim
from safelight.catalog.rows import CopyState, PackRow
from safelight.core.instance import Arrival, Head, Holding, LandingPlace, Receipt, Way, Wrapper

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
FIRST_DAY = date(2020, 1, 1)
CT = "1.2.840.10008.5.1.4.1.1.2"
LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
FAMILIES = ["Berg", "Okafor", "Lindqvist", "Nakamura", "Smith", "Ferreira", "Kowalska", "Haddad", "Ivanova", "Tan"]
GIVEN = ["Ana", "Bo", "Chidi", "Dora", "Emil", "Fatima", "Goro", "Hana", "Igor", "Jo"]
MODALITIES = ["CT", "MR", "US", "DX"]


def digest_of(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def head(
    study: int = 1,
    series: int = 1,
    instance: int = 1,
    *,
    name: bytes | None = None,
    charset: bytes = b"",
    **changes: str,
) -> Head:
    day = FIRST_DAY + timedelta(days=study % 2000)
    values = {
        0x00080020: day.strftime("%Y%m%d").encode(),
        0x00080030: f"{study % 24:02d}{study % 60:02d}00".encode(),
        0x00080050: f"A{study:07d} ".encode(),
        0x00081030: b"Invented study",
        0x0008103E: f"Series {series}".encode(),
        0x00100010: name or f"{FAMILIES[study % 10]}^{GIVEN[study // 10 % 10]}{study // 100}".encode(),
        0x00100020: f"P{study // 2:06d}".encode(),
        0x00100030: b"19700101",
        0x00100040: b"O ",
        0x00180015: b"CHEST ",
        0x00200010: str(study).encode(),
        0x00200011: str(series).encode(),
        0x00200013: str(instance).encode(),
    }
    if charset:
        values[0x00080005] = charset
    made = Head(
        transfer_syntax=LITTLE_ENDIAN,
        sop_class=CT,
        sop_instance=f"1.2.3.{study}.{series}.{instance}",
        study=f"1.2.3.{study}",
        series=f"1.2.3.{study}.{series}",
        modality=MODALITIES[series % 4],
        values=values,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def receipt(minutes: float = 0, **changes: str) -> Receipt:
    made = Receipt(START + timedelta(minutes=minutes), Way.STORE, "CT_1", "SAFELIGHT", "192.0.2.7")
    return replace(made, **changes)  # type: ignore[arg-type]


def arrival(
    study: int = 1,
    series: int = 1,
    instance: int = 1,
    *,
    version: int = 0,
    minutes: float = 0,
    offset: int | None = None,
    segment: int = 1,
    size: int = 1000,
    wrapper: Wrapper | None = None,
    of: Head | None = None,
) -> Arrival:
    place = LandingPlace(segment, 1, study * 10**6 + series * 10**4 + instance if offset is None else offset, size)
    return Arrival(
        digest_of(study, series, instance, version),
        wrapper or Wrapper(),
        of or head(study, series, instance),
        receipt(minutes),
        place,
    )


def holding(
    one: Arrival, pack: str, position: int, *, pixels: bytes | None = None, refers_to: str | None = None
) -> Holding:
    prefix = b"p" * one.wrapper.prefix_size
    return Holding(
        one.digest,
        one.wrapper,
        one.place.size,
        hashlib.sha256(prefix).digest(),
        one.head,
        one.receipt,
        pack,
        position,
        pixels,
        refers_to,
    )


def pack_of(
    *arrivals: Arrival, refers_to: tuple[str, ...] = (), journal_position: int | None = None
) -> tuple[PackRow, list[Holding]]:
    """Return a pack with these instances; its name follows from them."""
    name = digest_of(*(one.digest for one in arrivals), refers_to).hex()
    raw = sum(one.place.size for one in arrivals)
    sealed = max(one.receipt.received_at for one in arrivals) + timedelta(minutes=5)
    row = PackRow(name, raw // 2, raw, sealed, refers_to, journal_position=journal_position)
    return row, [
        holding(one, name, position, pixels=digest_of("pixels", one.digest)) for position, one in enumerate(arrivals)
    ]


def hospital(studies: int, series: int = 4, instances: int = 50, first: int = 1) -> Iterator[list[Arrival]]:
    """Give the arrivals of a hospital, a series at a time."""
    for study in range(first, first + studies):
        for number in range(1, series + 1):
            yield [arrival(study, number, one, minutes=study, size=500_000) for one in range(1, instances + 1)]


def fill(catalog: Catalog, studies: int, series: int = 4, instances: int = 50) -> None:
    """Pack a whole hospital, with two verified copies of each pack, and have a source claim all of it."""
    for arrivals in hospital(studies, series, instances):
        row, held = pack_of(*arrivals)
        catalog.record_packed(row, held)
        for placement in ("home", "second"):
            catalog.record_copy(row.name, placement, CopyState.VERIFIED, row.sealed_at)
    claims = [claim(study, series * instances) for study in range(1, studies + 1)]
    for start in range(0, studies, 1000):
        catalog.record_claims("PACS", "run-1", claims[start : start + 1000], START)


def claim(study: int, instances: int | None) -> StudyClaim:
    values = head(study).values
    return StudyClaim(f"1.2.3.{study}", values[0x00080020].decode(), values[0x00080030].decode(), instances=instances)
