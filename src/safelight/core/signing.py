"""Ed25519 signatures: who said that a chain of packs, facts or evidence is ours.

Keys go in and out as raw bytes; where they are kept is the caller's concern. Source: RFC 8032.
"""

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from safelight.core.errors import IntegrityError, UsageError


class BadSigningKey(UsageError):
    """A signing key is 32 bytes, and these are not a key."""

    code: ClassVar[str] = "core.bad-signing-key"
    hint: ClassVar[str] = "Give the key file that init made, or a copy of it."


class BadSignature(IntegrityError):
    """The signature was not made by this key over these bytes."""

    code: ClassVar[str] = "core.bad-signature"
    hint: ClassVar[str] = "Keep both files, change nothing, and compare with another copy and with the key in escrow."


def _key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """The public half: enough to check what a site signed."""

    raw: bytes

    @classmethod
    def load(cls, raw: bytes) -> Self:
        """Take the 32 bytes of a public key.

        Raises:
            BadSigningKey: these bytes are not a public key.
        """
        try:
            Ed25519PublicKey.from_public_bytes(raw)
        except ValueError as error:
            raise BadSigningKey(size_bytes=len(raw)) from error
        return cls(raw)

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of the key's SHA-256."""
        return _key_id(self.raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return when the signature holds.

        Raises:
            BadSignature: it does not.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature as error:
            raise BadSignature(key_id=self.key_id) from error


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """The secret half: signs for one site."""

    raw: bytes

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def load(cls, raw: bytes) -> Self:
        """Take the 32 bytes of a secret key.

        Raises:
            BadSigningKey: these bytes are not a secret key.
        """
        try:
            Ed25519PrivateKey.from_private_bytes(raw)
        except ValueError as error:
            raise BadSigningKey(size_bytes=len(raw)) from error
        return cls(raw)

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        return VerifyKey(Ed25519PrivateKey.from_private_bytes(self.raw).public_key().public_bytes_raw())

    @property
    def key_id(self) -> str:
        """The id of the public half."""
        return self.verify_key.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return Ed25519PrivateKey.from_private_bytes(self.raw).sign(message)

    def __repr__(self) -> str:
        return f"SigningKey(key_id={self.key_id})"
