"""Looking at the web server's certificate, and renewing it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from safelight.console.certificate import BadCertificate, CertificateFacts, make_certificate, read_certificate
from safelight.core.clock import to_text
from safelight.core.errors import StateError
from safelight.journal.kinds import FactKind
from safelight.site.certificates import (
    CertificateFiles,
    certificate_files,
    certificate_findings,
    own_files,
    own_names,
)
from safelight.site.home import Home
from safelight.site.saying import signed

if TYPE_CHECKING:
    from safelight.site.opened import Site


class NotOurs(StateError):
    """The settings name a certificate that somebody else makes and renews."""

    code: ClassVar[str] = "console.certificate-not-ours"
    hint: ClassVar[str] = "Renew it where it comes from; or empty [console] certificate and key in safelight.toml."


def certificate_document(home: Home) -> dict[str, Any]:
    """Return what `safelight console certificate show --json` prints.

    Raises:
        BadCertificate: there is none that can be used.
    """
    settings = home.settings()
    files = certificate_files(home, settings)
    return {**_told(files, files.facts()), "findings": certificate_findings(home, settings)}


def renew_certificate(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Make another certificate with another key, for the same names and those told.

    Raises:
        NotSigned: nobody says who and why.
        NotOurs: the settings name files that somebody else takes care of.
    """
    reason, by = signed(told)
    files, dry_run = certificate_files(site.home, site.settings), bool(told.get("dry_run"))
    if files != own_files(site.home):
        raise NotOurs(certificate=str(files.certificate))
    try:
        before: tuple[str, ...] = files.facts().names
    except BadCertificate:
        before = ()
    certified = make_certificate(own_names([*map(str, told.get("names") or ()), *before]), site.clock.now())
    facts = read_certificate(certified)
    if not dry_run:
        # The fact first: a certificate that nobody can be asked about shall not be shown.
        changed = {"setting": "console.certificate", "fingerprint": facts.fingerprint, "reason": reason, "by": by}
        site.records.record(FactKind.SETTINGS_CHANGED, changed)
        files.write(site.disk, certified)
    return {"dry_run": dry_run, **_told(files, facts)}


def _told(files: CertificateFiles, facts: CertificateFacts) -> dict[str, Any]:
    return {
        "fingerprint": facts.fingerprint,
        "names": list(facts.names),
        "not_before": to_text(facts.not_before),
        "not_after": to_text(facts.not_after),
        "signed_by_itself": facts.is_ours,
        "certificate": str(files.certificate),
    }
