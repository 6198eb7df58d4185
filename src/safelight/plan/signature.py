"""Who agreed to what: a signature names digests of what it covers, so that a change unsigns just what it touches."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from safelight.core.signing import BadSignature, BadSigningKey, SigningKey, VerifyKey
from safelight.plan.document import digests
from safelight.plan.errors import UnknownSigner
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

    def message(self) -> bytes:
        """Return the bytes that were signed."""
        told = {name: value for name, value in self.document().items() if name != "signature"}
        return b"safelight plan signature 1\n" + json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")

    def document(self) -> dict[str, Any]:
        """Return it as it lies in the file of signatures."""
        return {
            "person": self.person,
            "side": str(self.side),
            "at": self.at,
            "version": self.version,
            "reason": self.reason,
            "covers": dict(self.covers),
            "key": self.key,
            "signature": self.signature,
        }

    @classmethod
    def load(cls, document: Mapping[str, Any]) -> "Signature":
        """Read what `document` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is no signature.
        """
        texts = {name: str(document[name]) for name in ("person", "at", "version", "reason", "key", "signature")}
        covers = {str(name): str(digest) for name, digest in dict(document["covers"]).items()}
        return cls(side=Side(document["side"]), covers=covers, **texts)


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


def agreement(plan: Plan, signatures: Iterable[Signature]) -> Agreement:
    """Return which parts are signed by which side, as they are now."""
    now = digests(plan)
    signed: dict[str, set[Side]] = {name: set() for name in now}
    counted, refused = [], []
    known = {one.id: one for one in plan.people}
    for one in signatures:
        why = _refusal(one, known)
        if why:
            refused.append(f"{one.person}, {one.at}: {why}")
            continue
        counted.append(one)
        for name in [name for name, digest in one.covers.items() if now.get(name) == digest]:
            signed[name].add(one.side)
    sides = {name: frozenset(found) for name, found in signed.items()}
    return Agreement(sides, tuple(counted), tuple(refused))


def _refusal(signature: Signature, known: Mapping[str, Any]) -> str:
    person = known.get(signature.person)
    if person is None:
        return "not among the people of the plan"
    if person.side != signature.side:
        return "now speaks for the other side"
    if (person.signing_key or "").lower() != signature.key:
        return "the plan names another key for this person"
    try:
        VerifyKey.load(bytes.fromhex(signature.key)).verify(bytes.fromhex(signature.signature), signature.message())
    except (BadSignature, BadSigningKey, ValueError):
        return "the signature does not fit what it says"
    return ""
