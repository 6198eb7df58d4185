"""Checking a bundle in Safelight: the same checks as the program in the bundle, with the library's Ed25519."""

from dataclasses import dataclass

from safelight.core.errors import SafelightError
from safelight.core.signing import VerifyKey
from safelight.evidence import verify_bundle


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    holds: bool
    what: str


def check_bundle(data: bytes, public_key: bytes | None) -> list[Check]:
    """Check the bytes of a bundle; without the site's public key only its wholeness is shown."""
    checks = verify_bundle.check_bundle(data, public_key, _holds)
    return [Check(holds, what) for holds, what in checks.lines]


def _holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        VerifyKey.load(public_key).verify(signature, message)
    except SafelightError:
        return False
    return True
