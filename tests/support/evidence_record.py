"""A recovery as evidence tells of it: invented, with some of everything."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from safelight.evidence.record import (
    Asked,
    ExcerptEntry,
    Outcome,
    PackRecord,
    RecoveryRecord,
    Remark,
    StudyRecord,
    TargetTold,
    Times,
)

START = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
STUDY_ROOT = "1.2.826.0.1.3680043.9.7777.1."


def study(number: int, **changed: object) -> StudyRecord:
    tiers = ("emergency", "inpatient", "last-24-hours", "priors-in-house", "last-4-weeks", "rest")
    one = StudyRecord(
        study=f"{STUDY_ROOT}{number}",
        tier=tiers[min(number // 3, len(tiers) - 1)],
        outcome=Outcome.CONFIRMED,
        instances=40 + number,
        size_bytes=21_000_000 + number * 100_003,
        level="bytes" if number % 4 else "attributes",
        sent_at=START + timedelta(seconds=4 * number + 3),
        settled_at=START + timedelta(seconds=4 * number + 9),
    )
    return replace(one, **changed)  # type: ignore[arg-type]


def journal(
    kinds: Sequence[str] = ("recovery-started", "recovery-study-sent", "recovery-finished"),
) -> list[ExcerptEntry]:
    entries = []
    previous = hashlib.sha256(b"before").digest()
    for position, kind in enumerate(kinds, start=12):
        facts = {"study": f"{STUDY_ROOT}{position}"} if "study" in kind else {"recovery": "R1"}
        told = {"at": "2026-03-10T14:30:00.000000Z", "facts": facts, "kind": kind, "position": position}
        line = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(previous + line).digest()
        entries.append(ExcerptEntry(position, kind, previous, digest, line))
        previous = digest
    return entries


def record(*, troubled: bool = True, studies: int = 24) -> RecoveryRecord:
    listed = [study(number) for number in range(studies)]
    if troubled:
        listed[4] = study(4, outcome=Outcome.DIFFERS, level="pixels", why="equal-only-at-pixels")
        listed[9] = study(9, outcome=Outcome.FAILED, level="", why="encoding-refused", settled_at=None)
        listed[15] = study(15, outcome=Outcome.WITHHELD, level="", why="rejected", sent_at=None)
    confirmed = [one.settled_at for one in listed if one.outcome is Outcome.CONFIRMED and one.settled_at]
    return RecoveryRecord(
        site="St. Elsewhere",
        node="node-1",
        recovery="R1",
        made_at=START + timedelta(hours=2),
        program="Safelight 0.1.0",
        asked=Asked(
            target="PACS@10.0.0.5:11112",
            recipe="orthanc",
            required_level="attributes",
            reason="The storage array <A> died & was rebuilt",
            by="Kim, IT recovery",
            calling_title="SAFELIGHT_REFILL",
            side_effects_accepted=("all",),
        ),
        target=TargetTold("1.2.276.0.7230010.3.0.3.6.7", "OFFIS_DCMTK_367", ("get", "find"), ("may-be-orthanc",)),
        times=Times(
            started_at=START,
            broke_at=START - timedelta(hours=5, minutes=12),
            first_sent_at=START + timedelta(seconds=3),
            last_sent_at=START + timedelta(seconds=4 * studies),
            first_confirmed_at=min(confirmed, default=None),
            last_confirmed_at=max(confirmed, default=None),
            finished_at=START + timedelta(seconds=4 * studies + 12),
        ),
        studies=listed,
        levels={"bytes": 900, "attributes": 310, "pixels": 44},
        remarks=[Remark("coerced", 12), Remark("rejected", 3)],
        tags_differing=["(0010,0020)"],
        tags_coerced=["(0008,0005)"],
        not_brought_back=["reports that are not DICOM objects", "read status and reporting worklists"],
        journal=journal(),
        open_kinds=frozenset({"recovery-started", "recovery-finished"}),
        packs=[PackRecord(hashlib.sha256(bytes([number])).hexdigest(), 60_000_000 + number) for number in range(5)],
    )
