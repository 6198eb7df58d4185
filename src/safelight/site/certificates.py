"""The web server's certificate in a home: where it lies, what is wrong with it, and what is shown then."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from safelight.console.certificate import (
    LOCAL,
    BadCertificate,
    CertificateFacts,
    Certified,
    is_name,
    make_certificate,
    read_certificate,
)
from safelight.core.clock import SystemClock, to_text
from safelight.core.disk import Disk, write_file
from safelight.site.finding_table import computed
from safelight.site.home import Home
from safelight.site.settings import Settings

WARN_BEFORE: Final = timedelta(days=30)
EXPIRING: Final = "console.certificate-expiring"
EXPIRED: Final = "console.certificate-expired"
UNREADABLE: Final = "console.certificate-unreadable"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where certificate and key lie."""

    certificate: Path
    key: Path

    def read(self) -> Certified:
        """Read both.

        Raises:
            BadCertificate: one is not there or not ours to read.
        """
        try:
            return Certified(self.certificate.read_bytes(), self.key.read_bytes())
        except OSError as error:
            raise BadCertificate(why=error.strerror or type(error).__name__, file=str(error.filename)) from error

    def facts(self) -> CertificateFacts:
        """Return what the certificate says.

        Raises:
            BadCertificate: it cannot be used.
        """
        return read_certificate(self.read())

    def write(self, disk: Disk, certified: Certified) -> None:
        """Put both in their place; the key first, so that a certificate never shows one that is lost."""
        write_file(disk, self.key, certified.key)
        write_file(disk, self.certificate, certified.certificate)


def own_files(home: Home) -> CertificateFiles:
    """Return where `init` puts them."""
    return CertificateFiles(home.keys / "console.crt", home.keys / "console.key")


def certificate_files(home: Home, settings: Settings) -> CertificateFiles:
    """Return what the settings name, or what `init` made."""
    own, console = own_files(home), settings.console
    return CertificateFiles(
        Path(console.certificate) if console.certificate else own.certificate,
        Path(console.key) if console.key else own.key,
    )


def own_names(more: Iterable[str] = ()) -> list[str]:
    """Return what this machine is called: as somebody says, and as far as it knows itself."""
    host = socket.gethostname()
    return list(dict.fromkeys([*more, *([host] if is_name(host) else []), *LOCAL]))


def served_files(home: Home, settings: Settings, disk: Disk) -> tuple[CertificateFiles, BadCertificate | None]:
    """Return what the web server shows. An outage is no time to stay away for want of a certificate.

    One that is expired is shown all the same. In the place of one that cannot be used goes one that is made now:
    whoever comes is warned by the browser, and nothing ever goes over the network in the clear.
    """
    files = certificate_files(home, settings)
    try:
        files.facts()
    except BadCertificate as error:
        stand_in = CertificateFiles(home.run / "stand-in.crt", home.run / "stand-in.key")
        stand_in.write(disk, make_certificate(own_names(), SystemClock().now()))
        return stand_in, error
    return files, None


def certificate_findings(home: Home, settings: Settings) -> list[dict[str, Any]]:
    """Say what is wrong with the certificate, or will be soon; computed, since time alone does it."""
    if not settings.console.port or not settings.console.login_required:
        return []
    try:
        facts = certificate_files(home, settings).facts()
    except BadCertificate as error:
        return [computed(UNREADABLE, "console", "serious", error.facts)]
    now = SystemClock().now()
    told = {"not_after": to_text(facts.not_after), "fingerprint": facts.fingerprint}
    if now >= facts.not_after or now < facts.not_before:
        return [computed(EXPIRED, "console", "serious", {**told, "not_before": to_text(facts.not_before)})]
    return [computed(EXPIRING, "console", "warning", told)] if now >= facts.not_after - WARN_BEFORE else []
