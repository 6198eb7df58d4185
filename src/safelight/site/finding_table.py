"""What to do about each finding; docs/findings.md is made from this table."""

from collections.abc import Mapping
from typing import Final

from safelight.protection.finding import HINTS

HINT_OF: Final[Mapping[str, str]] = {
    **{str(code): hint for code, hint in HINTS.items()},
    "vault.recovery-key-unconfirmed": "Write the recovery key down, then: safelight vault confirm-key",
    "vault.no-second-placement": "Set vault.second in safelight.toml to a folder or mount in another failure domain.",
    "vault.placement-unreachable": "Mount it or make space there; copies go on by themselves.",
    "vault.copy-damaged": "Delete nothing. Run: safelight vault verify; it replaces the copy from a good one.",
    "vault.pack-not-found": "Delete nothing. Look for this pack in every placement and on older media.",
    "vault.landing-damaged": "Ask the sender to send this instance again; look at this machine's disk.",
    "vault.landing-unanswered": "Nothing: the sender had no answer and still has the instance.",
    "vault.landing-segment-unreadable": "Keep the file in landing/quarantine; ask that day's senders to send again.",
    "vault.digest-mismatch": "Delete nothing. The instance stays in the landing log; look at memory and disk.",
    "journal.damaged": "Run: safelight vault verify; sealed entries are healed from the vault.",
    "catalog.damaged": "It was computed again. Look at this machine's disk.",
    "recovery.study-open": "See: safelight recovery status",
}


def hint_for(code: str) -> str:
    """Return what to do first about a finding."""
    return HINT_OF.get(code, "Look it up in docs/errors.md.")
