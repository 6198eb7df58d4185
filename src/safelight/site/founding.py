"""Founding a home: directories, settings, keys, an empty vault, the first fact."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from safelight.console.certificate import make_certificate, read_certificate
from safelight.core.clock import SystemClock
from safelight.core.disk import Disk, RealDisk, make_directory, write_file
from safelight.core.names import AETitle
from safelight.journal.kinds import FactKind
from safelight.site.certificates import own_files, own_names
from safelight.site.home import Home, HomeExists
from safelight.site.records import KEY_UNCONFIRMED, Records
from safelight.vault.age import Identity
from safelight.vault.keys import load_public_keys, make_keys
from safelight.vault.recovery_key import check_words, from_words, positions_to_ask, sheet, to_words

__all__ = ["Founding", "Made", "confirm_by_positions", "confirm_by_words", "found", "positions_to_ask", "settings_text"]


@dataclass(frozen=True, slots=True)
class Founding:
    """What `init` was asked for."""

    directory: Path
    site: str
    title: AETitle
    port: int
    second: Path | None = None
    accept_any: bool = False
    hl7_port: int = 0
    http_port: int = 0
    http_names: tuple[str, ...] = ()
    """What browsers call this machine, beside what it calls itself."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new home, and what is shown once and kept nowhere."""

    home: Home
    recovery_words: str
    recovery_identity: str
    recovery_recipient: str
    sheet: str
    certificate_fingerprint: str


def settings_text(
    *, site: str, title: AETitle, port: int, second: str, accept_any: bool, hl7_port: int = 0, http_port: int = 0
) -> str:
    """Return the text of safelight.toml for a new home."""
    template = files("safelight.site").joinpath("settings_template.toml").read_text(encoding="utf-8")
    return template.format(
        site=json.dumps(site, ensure_ascii=False),
        ae_title=json.dumps(title.text),
        port=port,
        hl7_port=hl7_port,
        http_port=http_port,
        bind=json.dumps("127.0.0.1" if accept_any else "0.0.0.0"),  # noqa: S104 - unknown callers are refused
        accept_any_ae=json.dumps(accept_any),
        login_required=json.dumps(not accept_any),
        second=json.dumps(second, ensure_ascii=False),
    )


def found(asked: Founding, disk: Disk | None = None) -> Made:
    """Make a home.

    Raises:
        HomeExists: the directory is not empty.
        BadName: a name for the certificate is none.
        DiskFull, DiskFailed: it cannot be written.
    """
    disk = disk or RealDisk()
    home = Home(asked.directory.absolute())
    if home.directory.exists() and (not home.directory.is_dir() or any(home.directory.iterdir())):
        raise HomeExists(directory=str(asked.directory))
    # A name that cannot stand in it is refused before anything was made.
    certified = make_certificate(own_names(asked.http_names), SystemClock().now())
    make_directory(disk, home.directory)
    home.directory.chmod(0o700)
    for directory in (home.keys, home.landing, home.vault, home.run):
        make_directory(disk, directory)
    own_files(home).write(disk, certified)
    recovery = Identity.generate()
    secret, public = make_keys(home.keys, disk, recovery.recipient)
    node = secret.signing.key_id
    with Records.founded(home, SystemClock(), node, secret.signing, disk) as records:
        records.record(
            FactKind.HOME_MADE,
            {
                "site": asked.site,
                "node": node,
                "node_recipient": public.node.text,
                "recovery_recipient": public.recovery.text,
                "signing_key": public.signing.raw.hex(),
            },
        )
        records.open_finding(KEY_UNCONFIRMED, "recovery-key")
    second = str(asked.second.absolute()) if asked.second else ""
    text = settings_text(
        site=asked.site,
        title=asked.title,
        port=asked.port,
        second=second,
        accept_any=asked.accept_any,
        hl7_port=asked.hl7_port,
        http_port=asked.http_port,
    )
    # The settings come last: a directory without them is no home, and init can be tried again after a crash.
    write_file(disk, home.settings_file, text.encode())
    return Made(
        home=home,
        recovery_words=" ".join(to_words(recovery)),
        recovery_identity=recovery.text,
        recovery_recipient=recovery.recipient.text,
        sheet=sheet(recovery, asked.site),
        certificate_fingerprint=read_certificate(certified).fingerprint,
    )


def confirm_by_positions(made: Made, answers: Mapping[int, str]) -> bool:
    """Judge the words asked right after `found`; record a right answer."""
    key = Identity.parse(made.recovery_identity)
    if not check_words(key, list(answers), list(answers.values())):
        return False
    _record_confirmation(made.home)
    return True


def confirm_by_words(home: Home, words: str) -> bool:
    """Judge all 24 words of the recovery key; record a right answer.

    Raises:
        BadRecoveryWords: these are not 24 words of a recovery key at all.
    """
    if from_words(words).recipient != load_public_keys(home.keys).recovery:
        return False
    _record_confirmation(home)
    return True


def _record_confirmation(home: Home) -> None:
    with Records.of(home, SystemClock()) as records:
        records.record(FactKind.KEY_CONFIRMED, {})
        records.close_finding(KEY_UNCONFIRMED, "recovery-key", "the words were typed back")
