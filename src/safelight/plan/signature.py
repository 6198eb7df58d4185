"""Who agreed to what: a signature names digests of what it covers, so that a change unsigns just what it touches."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from safelight.core.signing import BadSignature, BadSigningKey, SigningKey, VerifyKey
from safelight.plan.document import digests
from safelight.plan.errors import NoSigningAccount, NothingToSign, PlanChanged, UnknownSigner
from safelight.plan.model import Plan
from safelight.plan.words import Side


@dataclass(frozen=True, slots=True)
class Signature:
    """One person's signature for one side."""

    person: str
    side: Side
    at: str
    version: str
    reason: str
    covers: Mapping[str, str]
    """The digest of each part at that time."""
    key: str
    signature: str
    account: str = ""
    """By whose login at a console it was signed; the key is that Safelight's own. Empty for a person's key."""
    proven_at: str = ""
    """When the password of that account was typed."""

    @property
    def on(self) -> date:
        """Return the day on which it was made."""
        return datetime.fromisoformat(self.at).date()

    def message(self) -> bytes:
        """Return the bytes that were signed."""
        told = {name: value for name, value in self.document().items() if name != "signature"}
        return b"safelight plan signature 1\n" + json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")

    def document(self) -> dict[str, Any]:
        """Return it as it lies in the file of signatures."""
        by_login = {"account": self.account, "proven_at": self.proven_at} if self.account else {}
        return {
            "person": self.person,
            "side": str(self.side),
            "at": self.at,
            "version": self.version,
            "reason": self.reason,
            "covers": dict(self.covers),
            "key": self.key,
            "signature": self.signature,
            **by_login,
        }

    @classmethod
    def load(cls, document: Mapping[str, Any]) -> "Signature":
        """Read what `document` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is no signature.
        """
        texts = {name: str(document[name]) for name in ("person", "at", "version", "reason", "key", "signature")}
        datetime.fromisoformat(texts["at"])
        covers = {str(name): str(digest) for name, digest in dict(document["covers"]).items()}
        by_login = {name: str(document.get(name, "")) for name in ("account", "proven_at")}
        return cls(side=Side(document["side"]), covers=covers, **texts, **by_login)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is signed by whom, now."""

    signed: Mapping[str, frozenset[Side]]
    """The sides whose signature covers a part as it is."""
    counted: tuple[Signature, ...]
    """Signatures that count, if only for what they cover as it is."""
    refused: tuple[str, ...]
    """Signatures that do not count, and why."""

    @property
    def approved(self) -> bool:
        """Whether both sides signed every part as it is."""
        return bool(self.signed) and all(sides == frozenset(Side) for sides in self.signed.values())

    def missing(self, side: Side) -> tuple[str, ...]:
        """Return the parts that wait for a side."""
        return tuple(name for name, sides in self.signed.items() if side not in sides)


def sign(plan: Plan, person: str, key: SigningKey, at: datetime, reason: str = "") -> Signature:
    """Sign every part of a plan, as one of its people.

    Raises:
        UnknownSigner: the plan does not know this person with this key.
    """
    public = key.verify_key.raw.hex()
    found = next((one for one in plan.people if one.id == person and (one.signing_key or "").lower() == public), None)
    if found is None:
        raise UnknownSigner(person=person, public_key=public)
    bare = Signature(person, found.side, at.isoformat(), plan.plan.version, reason, digests(plan), public, "")
    return Signature.load({**bare.document(), "signature": key.sign(bare.message()).hex()})


@dataclass(frozen=True, slots=True)
class Login:
    """Who proved to a console that an account is theirs, and when."""

    account: str
    at: datetime


def sign_by_login(
    plan: Plan, login: Login, key: SigningKey, shown: str, before: Iterable[Signature], at: datetime, reason: str
) -> Signature:
    """Sign what a side has not signed, and was shown, as the person of the plan to whom an account belongs.

    Raises:
        NoSigningAccount: the plan knows nobody with this account, or another Safelight.
        NothingToSign: the side has signed everything as it is.
        PlanChanged: what was shown was something else.
    """
    public = key.verify_key.raw.hex()
    found = next((one for one in plan.people if one.account == login.account), None)
    if found is None or (plan.plan.console_key or "").lower() != public:
        raise NoSigningAccount(account=login.account, console_key=public)
    covers = unsigned_digests(plan, before, found.side)
    if not covers:
        raise NothingToSign(side=str(found.side))
    if shown != shown_digest(covers):
        raise PlanChanged(side=str(found.side))
    version = plan.plan.version
    told = (login.account, login.at.isoformat())
    bare = Signature(found.id, found.side, at.isoformat(), version, reason, covers, public, "", *told)
    return Signature.load({**bare.document(), "signature": key.sign(bare.message()).hex()})


def unsigned_digests(plan: Plan, signatures: Iterable[Signature], side: Side) -> dict[str, str]:
    """Return the parts that wait for a side, each with its digest as it is."""
    now = digests(plan)
    return {name: now[name] for name in agreement(plan, signatures).missing(side)}


def shown_digest(covers: Mapping[str, str]) -> str:
    """Return one digest for parts as they were shown to whoever signs them."""
    return hashlib.sha256(json.dumps(dict(covers), sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def agreement(plan: Plan, signatures: Iterable[Signature]) -> Agreement:
    """Return which parts are signed by which side, as they are now."""
    now = digests(plan)
    signed: dict[str, set[Side]] = {name: set() for name in now}
    counted, refused = [], []
    known = {one.id: one for one in plan.people}
    for one in signatures:
        why = _refusal(one, known, plan.plan.console_key)
        if why:
            refused.append(f"{one.person}, {one.at}: {why}")
            continue
        counted.append(one)
        for name in [name for name, digest in one.covers.items() if now.get(name) == digest]:
            signed[name].add(one.side)
    sides = {name: frozenset(found) for name, found in signed.items()}
    return Agreement(sides, tuple(counted), tuple(refused))


def _refusal(signature: Signature, known: Mapping[str, Any], console_key: str | None) -> str:
    person = known.get(signature.person)
    if person is None:
        return "not among the people of the plan"
    if person.side != signature.side:
        return "now speaks for the other side"
    if signature.account and person.account != signature.account:
        return "the plan names another account for this person"
    expected = console_key if signature.account else person.signing_key
    if (expected or "").lower() != signature.key:
        return "the plan names another key for this " + ("console" if signature.account else "person")
    try:
        VerifyKey.load(bytes.fromhex(signature.key)).verify(bytes.fromhex(signature.signature), signature.message())
    except (BadSignature, BadSigningKey, ValueError):
        return "the signature does not fit what it says"
    return ""
