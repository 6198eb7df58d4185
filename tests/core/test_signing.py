import pytest

from safelight.core.signing import BadSignature, BadSigningKey, SigningKey, VerifyKey


def test_a_signature_holds_for_its_message_and_key_only() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign(b"sealed")
    key.verify_key.verify(signature, b"sealed")
    for checker, message in ((key.verify_key, b"sealeD"), (other.verify_key, b"sealed")):
        with pytest.raises(BadSignature):
            checker.verify(signature, message)
    with pytest.raises(BadSignature):
        key.verify_key.verify(signature[:-1], b"sealed")


def test_keys_travel_as_raw_bytes() -> None:
    key = SigningKey.generate()
    again = SigningKey.load(key.raw)
    assert again.sign(b"x") == key.sign(b"x")
    assert VerifyKey.load(key.verify_key.raw).key_id == key.key_id
    assert len(key.key_id) == 16


@pytest.mark.parametrize("raw", [b"", b"short", bytes(33)])
def test_bytes_that_are_no_key_are_refused(raw: bytes) -> None:
    for kind in (SigningKey, VerifyKey):
        with pytest.raises(BadSigningKey):
            kind.load(raw)


def test_a_secret_key_does_not_show_itself() -> None:
    key = SigningKey.generate()
    assert key.raw.hex() not in repr(key)
