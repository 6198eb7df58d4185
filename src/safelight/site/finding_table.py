"""What to do about each finding."""

from collections.abc import Mapping
from typing import Any, Final

from safelight.protection.finding import HINTS

HINT_OF: Final[Mapping[str, str]] = {
    **{str(code): hint for code, hint in HINTS.items()},
    "vault.recovery-key-unconfirmed": "Write the recovery key down, then: safelight vault confirm-key",
    "vault.no-second-placement": "Set vault.second in safelight.toml to a folder or mount in another failure domain.",
    "vault.placement-unreachable": "Mount it or make space there; copies go on by themselves.",
    "vault.copy-damaged": "Delete nothing. Run: safelight vault verify; it replaces the copy from a good one.",
    "vault.pack-not-found": "Delete nothing. Look for this pack in every placement and on older media.",
    "vault.landing-full": "Free space on this file system: senders are told to wait, and go on by themselves.",
    "vault.landing-damaged": "Ask the sender to send this instance again; look at this machine's disk.",
    "vault.landing-unanswered": "Nothing: the sender had no answer and still has the instance.",
    "vault.landing-segment-unreadable": "Keep the file in landing/quarantine; ask that day's senders to send again.",
    "vault.digest-mismatch": "Delete nothing. The instance stays in the landing log; look at memory and disk.",
    "wire.cut-short": "Find the whole instance and seed it, or have it sent again; a recovery then sends that one.",
    "journal.damaged": "Run: safelight vault verify; sealed entries are healed from the vault.",
    "catalog.damaged": "It was computed again. Look at this machine's disk.",
    "gateway.hl7-no-control-id": "Ask the sender's owner to fill MSH-10: repeats cannot be told without it.",
    "gateway.hl7-control-id-reused": "Both are kept and forwarded. Ask the sender's owner for unique control ids.",
    "gateway.hl7-charset": "Ask the sender's owner for the character set it writes, and that MSH-18 names it.",
    "gateway.hl7-unreadable": "The bytes are kept and were rejected. Ask the sender's owner why no MSH begins them.",
    "gateway.hl7-unterminated": "The beginning is kept; nobody was answered. Ask why the sender gives up midway.",
    "gateway.hl7-stray": "The bytes are kept. Ask whether the sender wraps its messages in MLLP blocks.",
    "gateway.hl7-oversized": "Raise message_bytes_max under [gateway.hl7], and have the sender send it again.",
    "gateway.hl7-message-log-damaged": "Look at this machine's disk; ask the senders for that time's messages again.",
    "gateway.hl7-message-log-unfinished": "Nothing: the sender had no answer and sends again.",
    "gateway.hl7-sender-trouble": "Free space or mend the disk; senders keep their messages until we answer.",
    "gateway.hl7-destination-unreachable": "Messages wait in order and go on when the receiver listens again.",
    "gateway.hl7-not-folded": "It is kept and forwarded. Tell where this sender puts things in order_mapping.toml.",
    "gateway.hl7-unfit-value": "The worklist goes without it, or has it cut or mended; the message is kept as it came.",
    "gateway.hl7-clock-astray": "The time of receipt stands in place of its MSH-7. Have the sender's clock set.",
    "gateway.hl7-merge-missed": "Ask the sender's owner to take the merge in: it still uses the old identifier.",
    "gateway.hl7-dead-letter": "See: safelight gateway queue list DESTINATION; then gateway queue replay or skip it.",
    "gateway.commitment-undelivered": "Name the modality: safelight gateway peer add AET HOST:PORT; it is tried again.",
    "gateway.commitment-not-given": "It does not vouch for these: safelight gateway commitment list; refill them.",
    "gateway.step-refused": "See why in the RIS; then: safelight gateway procedure-steps forward --to AET --retry",
    "gateway.worklist-shrunk": "The list stays as it was. If it is right: gateway worklist mirror --accept",
    "gateway.worklist-source-failed": "The list stays as it was. Try: safelight gateway worklist mirror --dry-run",
    "gateway.worklist-rows-unreadable": "These steps are not mirrored; ask the RIS's owner what they hold.",
    "gateway.worklist-may-be-cut": "Ask the RIS's owner whether its worklist has a limit on answers, and raise it.",
    "console.certificate-expiring": "Run: safelight console certificate renew; tell people the new fingerprint.",
    "console.certificate-expired": "Run: safelight console certificate renew. It is shown all the same; browsers warn.",
    "console.certificate-unreadable": "Mend [console] certificate and key; a stand-in is shown, and browsers warn.",
    "console.no-accounts": "Before an outage: safelight console account add NAME --name PERSON --role ROLE",
    "console.accounts-unreadable": "Nobody can log in: put accounts.json back, or add accounts anew.",
    "recovery.paused": "See why it is held: safelight recovery status; then: safelight recovery resume",
    "recovery.study-open": "See: safelight recovery status",
}


def hint_for(code: str) -> str:
    """Return what to do first about a finding."""
    return HINT_OF.get(code, "Look it up in docs/errors.md.")


def computed(code: str, subject: str, severity: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a finding that no fact of the journal opened: it follows from how things are when somebody looks."""
    return {
        "code": code,
        "subject": subject,
        "severity": severity,
        "opened_at": None,
        "hint": hint_for(code),
        "facts": dict(facts),
    }
