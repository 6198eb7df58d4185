"""The recovery plan at the console: shown from the folder that the settings name, and signed by login."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from safelight.core.clock import from_text
from safelight.core.errors import UsageError
from safelight.journal.kinds import FactKind
from safelight.plan.document import parts
from safelight.plan.model import Plan
from safelight.plan.signature import Login, Signature, agreement, shown_digest, sign_by_login, unsigned_digests
from safelight.plan.words import Side
from safelight.site.drill_report import planned_drills
from safelight.site.home import Home
from safelight.site.plan_assessment import assessment_document, assessment_of, objectives_document
from safelight.site.plan_documents import stale_packs
from safelight.site.plan_folder import PlanFolder
from safelight.site.plan_ranking import ranking_document
from safelight.site.plan_records import NO_RECORDS, PlanRecords, records_of
from safelight.site.saying import deciding
from safelight.vault.keys import load_public_keys

if TYPE_CHECKING:
    from safelight.site.opened import Site


class NoPlanFolder(UsageError):
    """The settings name no folder of a plan."""

    code: ClassVar[str] = "plan.no-folder"
    hint: ClassVar[str] = (
        "Set [plan] folder in safelight.toml to the folder of `safelight plan init`, and restart serve."
    )


def shown_document(home: Home, folder: str) -> dict[str, Any]:
    """Return what `safelight plan show --json` prints, and what the screen of the plan needs to sign it."""
    key = load_public_keys(home.keys).signing.raw.hex()
    if not folder:
        return {"has_plan": False, "console_key": key}
    on_disk = PlanFolder(Path(folder))
    with deciding:
        # A signature is a fact first: who asks because of the fact waits until it lies in the folder.
        plan, signatures = on_disk.read().plan, on_disk.signatures()
    return {
        "has_plan": True,
        "console_key": key,
        **plan_document(plan, signatures, records_of(home)),
        "signs_here": (plan.plan.console_key or "").lower() == key,
        "sides": {str(side): _side(plan, signatures, side) for side in Side},
    }


def assessed_document(home: Home, folder: str, today: date) -> dict[str, Any]:
    """Return what `safelight plan assess --json` prints, with the drills that are due."""
    if not folder:
        return {"has_plan": False}
    on_disk = PlanFolder(Path(folder))
    read = on_disk.read()
    records = records_of(home)
    told = assessment_of(on_disk, read.plan, today, records=records)
    due = planned_drills(read.plan, records.drills, today, on_disk.rules().usable)
    return {"has_plan": True, **assessment_document(told, read.places), "drills": due}


def plan_document(plan: Plan, signatures: Iterable[Signature], records: PlanRecords = NO_RECORDS) -> dict[str, Any]:
    """Return systems by tier, the values of every objective, and who has signed."""
    signatures = tuple(signatures)
    agreed = agreement(plan, signatures)
    return {
        "title": plan.plan.title,
        "hospital": plan.plan.hospital,
        "version": plan.plan.version,
        "approved": agreed.approved,
        "unsigned": {str(side): list(agreed.missing(side)) for side in Side},
        "refused": list(agreed.refused),
        **ranking_document(plan),
        "objectives": objectives_document(plan, records),
        "stale_packs": stale_packs(plan),
    }


def sign_plan(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Sign, for the side of whoever proved to be the owner of an account, what that side has not signed.

    Raises:
        NoPlanFolder, BadPlan: there is nothing to sign.
        NoSigningAccount, NothingToSign, PlanChanged: it cannot be signed so.
    """
    if not site.settings.plan.folder:
        raise NoPlanFolder
    on_disk, is_dry = PlanFolder(Path(site.settings.plan.folder), site.disk), bool(told.get("dry_run"))
    with deciding:
        plan, before = on_disk.read().plan, on_disk.signatures()
        login = Login(str(told["account"]), from_text(str(told["proven_at"])))
        key, now = site.secret.signing, site.clock.now()
        signature = sign_by_login(plan, login, key, str(told["shown"]), before, now, str(told["reason"]))
        if not is_dry:
            # The fact first: whoever writes to the folder can take a signature away, and it is known that it was there.
            site.records.record_all([(FactKind.PLAN_SIGNED.value, signature.document())])
            on_disk.add_signature(signature, parts(plan))
    return {
        "by": signature.person,
        "side": str(signature.side),
        "parts": len(signature.covers),
        "approved": agreement(plan, [*before, signature]).approved,
        "dry_run": is_dry,
    }


def _side(plan: Plan, signatures: tuple[Signature, ...], side: Side) -> dict[str, Any]:
    waiting = unsigned_digests(plan, signatures, side)
    counted = [one for one in agreement(plan, signatures).counted if one.side == side]
    names = {one.id: one.name for one in plan.people}
    return {
        "unsigned": len(waiting),
        "shown": shown_digest(waiting),
        "signatures": [
            {
                "name": names[one.person],
                "at": one.at,
                "version": one.version,
                "reason": one.reason,
                "account": one.account,
            }
            for one in counted
        ],
        "signers": [
            {"person": one.id, "name": one.name, "account": one.account}
            for one in plan.people
            if one.side == side and one.account
        ],
    }
