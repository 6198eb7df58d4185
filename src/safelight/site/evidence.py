"""Evidence of a recovery, gathered from the journal and sealed with the site's key."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from safelight import VERSION
from safelight.core.disk import write_file
from safelight.core.errors import StateError, UsageError
from safelight.drill.facts import KINDS as DRILL_KINDS
from safelight.evidence.bundle import write_bundle, write_drill_bundle
from safelight.evidence.record import (
    Asked,
    DrillRecord,
    ExcerptEntry,
    Outcome,
    PackRecord,
    RecoveryRecord,
    Remark,
    StudyRecord,
    TargetTold,
    Times,
)
from safelight.evidence.verification import check_bundle
from safelight.journal.entry import Entry, write_line
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.recovery.facts import (
    KINDS,
    Finished,
    Paused,
    Probed,
    Resumed,
    Started,
    StudyCompared,
    StudyFailed,
    StudySent,
    StudyWithheld,
    from_entry,
)
from safelight.recovery.recipes import NOT_BROUGHT_BACK
from safelight.recovery.state import Progress, RecoveryState, Stage
from safelight.site.drill_records import drill_measures, drill_of
from safelight.site.opened import Site
from safelight.site.recoveries import side_effects_of, state_of

Attempt = StudySent | StudyFailed | StudyWithheld
Noted = Attempt | StudyCompared

OPEN_KINDS: Final = frozenset({Started.kind, Probed.kind, Paused.kind, Resumed.kind, Finished.kind})
OUTCOMES: Final = {
    Stage.CONFIRMED: Outcome.CONFIRMED,
    Stage.DIFFERS: Outcome.DIFFERS,
    Stage.UNCONFIRMABLE: Outcome.UNCONFIRMED,
    Stage.SENT_UNCONFIRMED: Outcome.UNCONFIRMED,
    Stage.FAILED: Outcome.FAILED,
    Stage.WITHHELD: Outcome.WITHHELD,
    Stage.WAITING: Outcome.OPEN,
}


class NoBundle(UsageError):
    """The file cannot be read."""

    code: ClassVar[str] = "evidence.no-bundle"
    hint: ClassVar[str] = "Give the .zip file that `safelight evidence export` wrote."


class NotMeasured(StateError):
    """The restore of this drill is not measured yet, so that there is nothing to seal."""

    code: ClassVar[str] = "evidence.not-measured"
    hint: ClassVar[str] = "Go on with the drill first: safelight drill run --resume NUMBER"


class BadPublicKey(UsageError):
    """This is no public key."""

    code: ClassVar[str] = "evidence.bad-public-key"
    hint: ClassVar[str] = "Give a file with 64 hexadecimal digits, for example keys/signing.pub of the home."


def export_evidence(site: Site, told: Mapping[str, Any]) -> dict[str, Any]:
    """Write the bundle of a recovery; that it was made is a fact of its own."""
    record = record_of(site, told.get("number"))
    data = write_bundle(
        record, site.secret.signing, site.public.signing.raw, with_identity=bool(told.get("with_identity"))
    )
    return _sealed(site, {"recovery": record.recovery}, data, record.journal, Path(told["to"]))


def export_drill(site: Site, told: Mapping[str, Any]) -> dict[str, Any]:
    """Write the one bundle of a drill: of its recovery, where it restored, with what else it measured.

    Raises:
        NoDrill: there is none of this number.
        NotMeasured: its restore is not measured yet.
    """
    state = drill_of(site.records.journal, told.get("drill"))
    assert state.started is not None
    number, file = state.started.drill, Path(told["to"])
    measures = drill_measures(state)
    if measures is None:
        raise NotMeasured(drill=number)
    signer, public_key = site.secret.signing, site.public.signing.raw
    if state.recovery:
        record = record_of(site, state.recovery)
        data = write_bundle(record, signer, public_key, with_identity=bool(told.get("with_identity")))
        return _sealed(site, {"drill": number, "recovery": record.recovery}, data, record.journal, file)
    of_drill = DrillRecord(
        site=site.settings.site.name,
        node=site.node,
        made_at=site.clock.now(),
        program=f"Safelight {VERSION}",
        drill=measures,
        journal=_excerpt(site.records.journal, DRILL_KINDS, lambda entry: entry.facts.get("drill") == number),
    )
    data = write_drill_bundle(of_drill, signer, public_key)
    return _sealed(site, {"drill": number}, data, of_drill.journal, file)


def _sealed(
    site: Site, of: Mapping[str, str], data: bytes, journal: Sequence[ExcerptEntry], file: Path
) -> dict[str, Any]:
    write_file(site.disk, file, data)
    digest = hashlib.sha256(data).hexdigest()
    positions = [entry.position for entry in journal]
    site.records.record(
        FactKind.EVIDENCE_SEALED, {**of, "sha256": digest, "first": min(positions), "last": max(positions)}
    )
    return {
        "number": of.get("recovery"),
        "drill": of.get("drill"),
        "file": str(file),
        "sha256": digest,
        "key_id": site.secret.signing.key_id,
        "public_key": site.public.signing.raw.hex(),
    }


def verify_file(file: Path, public_key: Path | None) -> dict[str, Any]:
    """Check a bundle."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise NoBundle(file=str(file), error=error.strerror or "unknown") from error
    checks = check_bundle(data, _key(public_key) if public_key else None)
    return {
        "whole": bool(checks) and all(check.holds for check in checks),
        "key_given": public_key is not None,
        "checks": [{"ok": check.holds, "what": check.what} for check in checks],
    }


def _key(file: Path) -> bytes:
    try:
        key = bytes.fromhex("".join(file.read_text("ascii").split()))
    except (OSError, ValueError) as error:
        raise BadPublicKey(file=str(file)) from error
    if len(key) != 32:
        raise BadPublicKey(file=str(file))
    return key


def record_of(site: Site, number: str | None) -> RecoveryRecord:
    """Gather what the journal tells of a recovery."""
    journal = site.records.journal
    state = state_of(journal, number)
    settings = state.settings
    assert settings is not None and state.started_at is not None

    def belongs(entry: Entry) -> bool:
        if entry.kind in DRILL_KINDS:
            return bool(settings.drill) and entry.facts.get("drill") == settings.drill
        return entry.facts.get("recovery") == state.recovery

    facts = [from_entry(one.kind, one.facts) for one in journal.entries(kinds=KINDS) if belongs(one)]
    compared = {fact.study: fact for fact in facts if isinstance(fact, StudyCompared)}
    # What the last attempt brought: sent, failed, or not sent on purpose.
    attempted = {fact.study: fact for fact in facts if isinstance(fact, StudySent | StudyFailed | StudyWithheld)}
    levels: Counter[str] = Counter()
    for one in compared.values():
        levels.update(one.levels)
    remarks: Counter[str] = Counter()
    for noted in (*attempted.values(), *compared.values()):
        remarks.update(notes_by_code_of(noted))
    probe = state.probe
    confirmed = sorted(one.settled_at for _, one in state.in_stages([Stage.CONFIRMED]) if one.settled_at is not None)
    return RecoveryRecord(
        site=site.settings.site.name,
        node=site.node,
        recovery=state.recovery,
        made_at=site.clock.now(),
        program=f"Safelight {VERSION}",
        asked=Asked(
            target=settings.target,
            recipe=probe.recipe if probe else settings.recipe,
            required_level=settings.required.name.lower(),
            reason=settings.reason,
            by=settings.by,
            calling_title=settings.calling,
            as_of=settings.as_of,
            limit=settings.limit,
            side_effects_accepted=settings.accepted,
            side_effects=side_effects_of(settings),
            repair_target=settings.repair_target,
        ),
        target=TargetTold(probe.implementation_class, probe.implementation_version, probe.ways, probe.remarks)
        if probe
        else TargetTold(),
        times=Times(
            started_at=state.started_at,
            broke_at=settings.broke_at,
            first_sent_at=state.first_sent_at,
            last_sent_at=state.last_sent_at,
            first_confirmed_at=confirmed[0] if confirmed else None,
            last_confirmed_at=confirmed[-1] if confirmed else None,
            finished_at=state.finished.at if state.finished else None,
        ),
        studies=[_study(state, study, compared.get(study), attempted.get(study)) for study in state.order],
        levels=dict(levels),
        remarks=[Remark(code, count) for code, count in sorted(remarks.items())],
        tags_differing=sorted({tag for one in compared.values() for tag in one.tags}),
        tags_coerced=sorted({tag for one in compared.values() for tag in one.coerced}),
        not_brought_back=NOT_BROUGHT_BACK,
        journal=_excerpt(journal, (*KINDS, *DRILL_KINDS), belongs),
        open_kinds=OPEN_KINDS | frozenset(DRILL_KINDS),
        packs=_packs(site, state),
        drill=drill_measures(drill_of(journal, settings.drill)) if settings.drill else None,
    )


def _excerpt(journal: Journal, kinds: Sequence[str], belongs: Callable[[Entry], bool]) -> list[ExcerptEntry]:
    found = []
    for entry in journal.entries(kinds=kinds):
        if belongs(entry):
            line = write_line(entry.position, entry.at, entry.kind, entry.facts)
            before = journal.hash_at(entry.position - 1)
            found.append(ExcerptEntry(entry.position, entry.kind, before, entry.hash, line))
    return found


def notes_by_code_of(fact: Noted) -> dict[str, int]:
    """Count what was noted of instances. An old fact names the first of many: of the rest it has the number only."""
    if fact.notes_by_code:
        return dict(fact.notes_by_code)
    counts = Counter(note.code for note in fact.notes)
    if fact.notes_count > len(fact.notes):
        counts["not-listed"] = fact.notes_count - len(fact.notes)
    return dict(counts)


def _study(state: RecoveryState, study: str, compared: StudyCompared | None, attempted: Attempt | None) -> StudyRecord:
    one: Progress = state.studies[study]
    noted = notes_by_code_of(attempted) if attempted else {}
    withheld = noted.get("rejected", 0) + noted.get("cut-short", 0)
    return StudyRecord(
        study=study,
        tier=one.tier,
        outcome=OUTCOMES[one.stage],
        instances=one.instances,
        size_bytes=one.size_bytes,
        level=compared.level.name.lower() if compared else "",
        why=one.why if one.stage is not Stage.CONFIRMED else "",
        sent_at=one.sent_at,
        settled_at=one.settled_at,
        instances_withheld=withheld,
    )


def _packs(site: Site, state: RecoveryState) -> list[PackRecord]:
    names = sorted({holding.pack for study in state.order for holding in site.catalog.holdings(study=study)})
    rows = (site.catalog.pack(name) for name in names)
    return [PackRecord(row.name, row.size_bytes) for row in rows if row is not None]
