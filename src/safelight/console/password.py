"""Passwords: which are taken, and how they are kept.

Source: RFC 9106 (Argon2id); NIST SP 800-63B section 5.1.1 (length counts, composition rules do not).
"""

import os
import unicodedata
from typing import ClassVar, Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from safelight.core.errors import UsageError

CHARACTERS_MIN: Final = 10
CHARACTERS_MAX: Final = 256
MEMORY_KIB: Final = 64 * 1024
PASSES: Final = 3
LANES: Final = 1
HASH_BYTES: Final = 32
SALT_BYTES: Final = 16


class BadPassword(UsageError):
    """A password has 10 to 256 characters, not all the same, and is not the account's name."""

    code: ClassVar[str] = "console.bad-password"
    hint: ClassVar[str] = "Take a sentence that nobody guesses. Nothing was changed."


def judge_password(password: str, *names: str) -> None:
    """Say whether a password is taken.

    Raises:
        BadPassword: it is not.
    """
    plain = password.casefold()
    if not CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX:
        raise BadPassword(characters=len(password), characters_min=CHARACTERS_MIN, characters_max=CHARACTERS_MAX)
    if len(set(plain)) < 4 or any(name and plain.strip("0123456789!.") == name.casefold() for name in names):
        raise BadPassword(too="simple")


def hashed(password: str) -> str:
    """Return what is kept of a password: algorithm, costs, salt and hash in one text."""
    return _argon(os.urandom(SALT_BYTES)).derive_phc_encoded(_bytes(password))


def fits(password: str, kept: str) -> bool:
    """Say whether this is the password. Takes about a fifth of a second and 64 MiB, on purpose."""
    if len(password) > CHARACTERS_MAX:
        return False
    try:
        Argon2id.verify_phc_encoded(_bytes(password), kept)
    except InvalidKey:
        return False
    return True


def _argon(salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=HASH_BYTES, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)


def _bytes(password: str) -> bytes:
    # The same letters typed on two keyboards may be other code points.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
