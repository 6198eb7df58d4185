"""The sealed bundle: a ZIP whose every byte follows from its members, signed by the site's key.

`verify_bundle.py`, which goes into each bundle, is both the description of the format and the program that checks
it with nothing but Python.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.resources import files
from typing import Any, Final, Protocol

from safelight.core.clock import to_text
from safelight.evidence import verify_bundle
from safelight.evidence.record import DrillRecord, ExcerptEntry, Outcome, RecoveryRecord, StudyRecord
from safelight.evidence.report import drill_html, report_html, report_pdf

STUDY_COLUMNS: Final = (
    "study",
    "tier",
    "outcome",
    "level",
    "instances",
    "instances_withheld",
    "size_bytes",
    "sent_at",
    "settled_at",
    "why",
)


class Signer(Protocol):
    """Whoever signs for the site."""

    @property
    def key_id(self) -> str:
        """Name of the key."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of an Ed25519 signature."""


def write_bundle(record: RecoveryRecord, signer: Signer, public_key: bytes, *, with_identity: bool = False) -> bytes:
    """Return the bytes of the bundle.

    Args:
        record: what is told.
        signer: signs the manifest, which names every other member by its digest.
        public_key: the signer's public half, 32 bytes.
        with_identity: give study UIDs in the clear; otherwise pseudonyms, and no journal line that names a study.
    """
    html = report_html(record, with_identity=with_identity)
    own = [
        (verify_bundle.STUDIES, _studies(record, with_identity=with_identity)),
        (verify_bundle.JOURNAL, _journal(record.journal, None if with_identity else record.open_kinds)),
        (verify_bundle.PACKS, _packs(record)),
    ]
    members = _members(html, own, public_key)
    return _signed(_manifest(record, members, with_identity=with_identity), members, signer, public_key)


def write_drill_bundle(record: DrillRecord, signer: Signer, public_key: bytes) -> bytes:
    """Return the bytes of the bundle of a drill that restored nothing."""
    members = _members(drill_html(record), [(verify_bundle.JOURNAL, _journal(record.journal, None))], public_key)
    manifest = {
        "format": verify_bundle.FORMAT,
        "version": verify_bundle.VERSION,
        "kind": "drill",
        "site": record.site,
        "node": record.node,
        "made_at": to_text(record.made_at),
        "program": record.program,
        "drill": dict(record.drill),
        "journal": {"entries": len(record.journal)},
        "members": _listed(members),
    }
    return _signed(manifest, members, signer, public_key)


def _members(html: str, own: Sequence[tuple[str, bytes]], public_key: bytes) -> list[tuple[str, bytes]]:
    return [
        ("README.txt", files("safelight.evidence").joinpath("README.txt").read_bytes()),
        ("verify_bundle.py", files("safelight.evidence").joinpath("verify_bundle.py").read_bytes()),
        ("report.html", html.encode()),
        ("report.pdf", report_pdf(html)),
        *own,
        ("public-key.txt", public_key.hex().encode() + b"\n"),
    ]


def _listed(members: Sequence[tuple[str, bytes]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members
    ]


def _signed(told: Mapping[str, Any], members: Sequence[tuple[str, bytes]], signer: Signer, public_key: bytes) -> bytes:
    manifest = _canonical(told)
    signature = _canonical(
        {
            "algorithm": "Ed25519",
            "key_id": signer.key_id,
            "public_key": public_key.hex(),
            "signature": signer.sign(manifest).hex(),
            "written": 1,
        }
    )
    whole = [(verify_bundle.MANIFEST, manifest), (verify_bundle.SIGNATURE, signature), *members]
    return bytes(verify_bundle.archive_bytes(whole))


def all_confirmed(record: RecoveryRecord) -> bool:
    """Whether every study was fetched back and equal enough; of no study that cannot be said."""
    return bool(record.studies) and all(study.outcome is Outcome.CONFIRMED for study in record.studies)


def _manifest(record: RecoveryRecord, members: Sequence[tuple[str, bytes]], *, with_identity: bool) -> dict[str, Any]:
    asked, times = record.asked, record.times
    outcomes = Counter(study.outcome.value for study in record.studies)
    return {
        "format": verify_bundle.FORMAT,
        "version": verify_bundle.VERSION,
        "kind": "recovery",
        "site": record.site,
        "node": record.node,
        "recovery": record.recovery,
        "made_at": to_text(record.made_at),
        "program": record.program,
        "pseudonymous": not with_identity,
        "asked": {
            "target": asked.target,
            "recipe": asked.recipe,
            "required_level": asked.required_level,
            "reason": asked.reason,
            "by": asked.by,
            "calling_title": asked.calling_title,
            "as_of": to_text(asked.as_of) if asked.as_of else None,
            "limit": asked.limit,
            "side_effects_accepted": list(asked.side_effects_accepted),
            "side_effects": asked.side_effects,
            "repair_target": asked.repair_target,
        },
        "target": {
            "implementation_class": record.target.implementation_class,
            "implementation_version": record.target.implementation_version,
            "ways": list(record.target.ways),
            "remarks": list(record.target.remarks),
        },
        "times": {
            "started_at": to_text(times.started_at),
            "broke_at": to_text(times.broke_at) if times.broke_at else None,
            "finished_at": to_text(times.finished_at) if times.finished_at else None,
            "transfer_seconds": _seconds(times.transfer),
            "confirmed_seconds": _seconds(times.confirmed),
            "rto_seconds": _seconds(times.recovery_time),
            "first_useful_seconds": _seconds(times.first_useful),
        },
        "totals": {
            "studies": len(record.studies),
            "instances": sum(study.instances for study in record.studies),
            "size_bytes": sum(study.size_bytes for study in record.studies),
            "outcomes": dict(outcomes),
        },
        **({"drill": dict(record.drill)} if record.drill is not None else {}),
        "all_confirmed": all_confirmed(record),
        "levels": dict(record.levels),
        "remarks": {remark.code: remark.count for remark in record.remarks},
        "tags_differing": list(record.tags_differing),
        "tags_coerced": list(record.tags_coerced),
        "not_brought_back": list(record.not_brought_back),
        "journal": {"entries": len(record.journal)},
        "packs": {"count": len(record.packs), "size_bytes": sum(pack.size_bytes for pack in record.packs)},
        "members": _listed(members),
    }


def _studies(record: RecoveryRecord, *, with_identity: bool) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, STUDY_COLUMNS)
    writer.writeheader()
    for study in record.studies:
        name = study.study if with_identity else verify_bundle.pseudonym(record.recovery, study.study)
        writer.writerow(_study_row(study, str(name)))
    return text.getvalue().encode()


def _study_row(study: StudyRecord, name: str) -> dict[str, Any]:
    return {
        "study": name,
        "tier": study.tier,
        "outcome": study.outcome.value,
        "level": study.level,
        "instances": study.instances,
        "instances_withheld": study.instances_withheld,
        "size_bytes": study.size_bytes,
        "sent_at": to_text(study.sent_at) if study.sent_at else "",
        "settled_at": to_text(study.settled_at) if study.settled_at else "",
        "why": study.why,
    }


def _journal(journal: Sequence[ExcerptEntry], open_kinds: frozenset[str] | None) -> bytes:
    """Return the excerpt; entries of other kinds than the open ones by their hash alone, where kinds are given."""
    lines = []
    for entry in journal:
        shown = open_kinds is None or entry.kind in open_kinds
        lines.append(
            _canonical(
                {
                    "position": entry.position,
                    "kind": entry.kind,
                    "previous": entry.previous.hex(),
                    "hash": entry.hash.hex(),
                    "line": entry.line.decode() if shown else None,
                }
            )
        )
    return b"".join(line + b"\n" for line in lines)


def _packs(record: RecoveryRecord) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("sha256", "size_bytes"))
    writer.writerows((pack.name, pack.size_bytes) for pack in record.packs)
    return text.getvalue().encode()


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
