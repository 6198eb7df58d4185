"""The certificate of the web server: making one that nobody else signed, and reading what one says.

Source: RFC 5280; CA/Browser Forum baseline for what browsers look at.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from safelight.core.errors import ResourceError, UsageError

VALID_FOR: Final = timedelta(days=825)
"""The longest that systems of phones take."""
CLOCK_SLACK: Final = timedelta(hours=24)
COMMON_NAME_MAX: Final = 64
HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\Z")
LOCAL: Final = ("localhost", "127.0.0.1", "::1")


class BadCertificate(ResourceError):
    """The certificate or the key of the web server cannot be read, or they do not belong together."""

    code: ClassVar[str] = "console.bad-certificate"
    hint: ClassVar[str] = "Put the right PEM files there, or run: safelight console certificate renew"


class BadName(UsageError):
    """A name for the certificate is a host name or an IP address."""

    code: ClassVar[str] = "console.bad-name"
    hint: ClassVar[str] = "For example: --http-name safelight.hospital.example --http-name 10.0.0.7"


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate and its key as PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says."""

    fingerprint: str
    """SHA-256, in pairs with colons, as browsers show it."""
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    is_ours: bool
    """It signed itself."""


def make_certificate(names: Sequence[str], now: datetime) -> Certified:
    """Make a key, and a certificate for these names that only whoever compares its fingerprint can trust.

    Raises:
        BadName: one is no name.
    """
    alternative = x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)])
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:COMMON_NAME_MAX])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + VALID_FOR)
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS_ONLY, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return Certified(certificate.public_bytes(pem), key.private_bytes(pem, pkcs8, serialization.NoEncryption()))


def read_certificate(certified: Certified) -> CertificateFacts:
    """Return what the certificate says that the web server shows; the first one in its file.

    Raises:
        BadCertificate: it cannot be read, or the key is another's.
    """
    try:
        found = x509.load_pem_x509_certificate(certified.certificate)
        key = serialization.load_pem_private_key(certified.key, None)
        if key.public_key() != found.public_key():
            raise BadCertificate(why="the key is another one's")
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(one.value) for one in alternative]
    except x509.ExtensionNotFound:
        names = []
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadCertificate(why=type(error).__name__) from error
    return CertificateFacts(
        found.fingerprint(hashes.SHA256()).hex(":").upper(),
        tuple(names),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        found.issuer == found.subject,
    )


def is_name(name: str) -> bool:
    """Say whether a certificate can be for this name."""
    try:
        _general_name(name)
    except BadName:
        return False
    return True


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        plain = name.encode("idna").decode()
    except UnicodeError as error:
        raise BadName from error
    if not HOST_NAME.match(plain):
        raise BadName(name=plain[:100])
    return x509.DNSName(plain)


_SIGNS_ONLY: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
