"""The certificate that signs itself: for whom, how long, and which files are none."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from safelight.console.certificate import BadCertificate, BadName, Certified, make_certificate, read_certificate

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NAMES = ["safelight.hospital.example", "localhost", "127.0.0.1", "::1", "zoë.example", "under_score"]


def test_it_names_hosts_and_addresses_and_serves_and_signs_nothing_else() -> None:
    made = make_certificate(NAMES, NOW)
    facts = read_certificate(made)
    assert facts.names == (
        "safelight.hospital.example",
        "localhost",
        "127.0.0.1",
        "::1",
        "xn--zo-ija.example",
        "under_score",
    )
    assert facts.not_before < NOW < facts.not_after == NOW + timedelta(days=825)
    assert facts.is_ours
    certificate = x509.load_pem_x509_certificate(made.certificate)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert len(facts.fingerprint) == 32 * 3 - 1


@pytest.mark.parametrize("name", ["", " ", "a b", "http://x", "x:80", "a\nb", "*.example", "a" * 300, "x/y", "-"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        make_certificate([name], NOW)


def test_files_that_are_no_certificate_with_its_key_are_refused() -> None:
    one, other = make_certificate(NAMES, NOW), make_certificate(NAMES, NOW)
    for bad in (
        Certified(one.certificate, other.key),
        Certified(b"", one.key),
        Certified(one.certificate, b""),
        Certified(one.certificate[:200], one.key),
        Certified(one.key, one.certificate),
        Certified(b"\xff" * 100, one.key),
    ):
        with pytest.raises(BadCertificate):
            read_certificate(bad)
