"""The offline recovery key: on paper, in two hands, and on no computer.

It opens every pack from the first one. It is shown once, as 24 words to copy by hand and as a QR code of
the age secret key, and is written nowhere by Safelight.

Source: BIP 39 (English word list, 256 bits with 8 bits of checksum).
"""

import secrets
from collections.abc import Sequence
from typing import ClassVar, Final

import segno
from mnemonic import Mnemonic

from safelight.core.errors import UsageError
from safelight.vault.age import Identity

WORD_COUNT: Final = 24
_HALF_BLOCKS: Final = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


class BadRecoveryWords(UsageError):
    """These are not the 24 words of a recovery key."""

    code: ClassVar[str] = "vault.bad-recovery-words"
    hint: ClassVar[str] = "Type all 24 words in their order; the first four letters of a word tell it from all others."


def to_words(key: Identity) -> tuple[str, ...]:
    """Write the secret key as 24 words."""
    return tuple(Mnemonic("english").to_mnemonic(key.raw).split())


def from_words(text: str) -> Identity:
    """Read 24 words, in any case and spacing, each given by at least its first four letters.

    Raises:
        BadRecoveryWords: a word is not in the list, the count is wrong, or the checksum does not hold.
    """
    listed = Mnemonic("english")
    by_start = {word[:4]: word for word in listed.wordlist}
    given = text.lower().split()
    if len(given) != WORD_COUNT:
        raise BadRecoveryWords(words=len(given))
    words = []
    for number, word in enumerate(given, start=1):
        whole = by_start.get(word[:4], "")
        if not whole.startswith(word):
            raise BadRecoveryWords(unknown_word_at=number)
        words.append(whole)
    try:
        return Identity(bytes(listed.to_entropy(words)))
    except ValueError as error:
        raise BadRecoveryWords(checksum="wrong") from error


def positions_to_ask(count: int = 3) -> tuple[int, ...]:
    """Choose the words to ask back, by number from 1 and in ascending order."""
    return tuple(sorted(secrets.SystemRandom().sample(range(1, WORD_COUNT + 1), count)))


def check_words(key: Identity, positions: Sequence[int], answers: Sequence[str]) -> bool:
    """Tell whether somebody who was asked for some words (numbered from 1) really has them written down."""
    words = to_words(key)
    asked = [words[position - 1] for position in positions]
    return bool(asked) and asked == [answer.strip().lower() for answer in answers]


def sheet(key: Identity, site: str, *, on_paper: bool = False) -> str:
    """Lay out the one page that is kept: words, QR code, secret key, and what it is for.

    ``on_paper`` draws the QR code for black ink on white; otherwise for a light-on-dark terminal.
    """
    words = to_words(key)
    rows = ["".join(f"{number + 1:>4} {words[number]:<10}" for number in range(row, 24, 6)) for row in range(6)]
    return "\n".join(
        [
            f"SAFELIGHT OFFLINE RECOVERY KEY      site: {site}",
            "",
            "This key alone opens every copy of the vault. Whoever has it can read every image.",
            "Keep it on paper in a safe; keep a second sheet elsewhere. It is on no computer.",
            "",
            *rows,
            "",
            *_qr_rows(key.text, on_paper=on_paper),
            "",
            f"Secret key:  {key.text}",
            f"Public key:  {key.recipient.text}",
            "",
            "To use it with Safelight, give the 24 words. Without Safelight, put the secret key alone into",
            "a file and follow README.txt beside the packs (age -d -i FILE pack.zip.age, or rescue.py).",
            "",
        ]
    )


def _qr_rows(text: str, *, on_paper: bool) -> list[str]:
    """Draw a QR code with half blocks, two modules high per line."""
    lit = [[bool(module) == on_paper for module in row] for row in segno.make(text, error="m").matrix_iter(border=2)]
    lit += [[False] * len(lit[0])] * (len(lit) % 2)
    return [
        "".join(_HALF_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(lit[::2], lit[1::2], strict=True)
    ]
