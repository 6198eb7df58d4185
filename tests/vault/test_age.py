import subprocess
from pathlib import Path

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.instance import MemorySource
from safelight.vault import bech32
from safelight.vault.age import CHUNK_BYTES, AgeDamaged, AgeReader, AgeWriter, BadKey, Identity, NoKey, Recipient

KEY = Identity.generate()
EDGES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 5]


def sealed(plain: bytes, *recipients: Recipient, pieces: int = 7919) -> bytes:
    out = bytearray()
    writer = AgeWriter(out.extend, recipients or (KEY.recipient,))
    for start in range(0, len(plain), pieces):
        writer.write(plain[start : start + pieces])
    writer.close()
    return bytes(out)


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def pyrage_key(identity: Identity) -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.from_str(identity.text)


@pytest.mark.parametrize("size", EDGES)
def test_another_implementation_reads_what_we_write_and_we_read_what_it_writes(size: int) -> None:
    plain = pattern(size)
    assert pyrage.decrypt(sealed(plain), [pyrage_key(KEY)]) == plain
    theirs = pyrage.encrypt(plain, [pyrage_key(KEY).to_public()])
    reader = AgeReader(MemorySource(theirs), [KEY])
    assert reader.size == size
    assert reader.read(0, size) == plain


@settings(max_examples=40)
@given(st.integers(0, 4 * CHUNK_BYTES), st.integers(1, 2 * CHUNK_BYTES), st.data())
def test_any_range_of_any_file_reads_as_the_plaintext(size: int, pieces: int, data: st.DataObject) -> None:
    plain = pattern(size)
    reader = AgeReader(MemorySource(sealed(plain, pieces=pieces)), [KEY])
    for _ in range(4):
        offset = data.draw(st.integers(0, size + 10))
        length = data.draw(st.integers(0, size + 10))
        assert reader.read(offset, length) == plain[offset : offset + length]


@pytest.mark.parametrize("size", EDGES)
def test_the_age_program_reads_and_writes_the_same_files(size: int, tmp_path: Path) -> None:
    plain = pattern(size)
    (tmp_path / "key").write_text(KEY.text + "\n")
    ours = subprocess.run(
        ["/usr/bin/age", "-d", "-i", tmp_path / "key"], input=sealed(plain), capture_output=True, check=True
    )
    assert ours.stdout == plain
    theirs = subprocess.run(
        ["/usr/bin/age", "-r", KEY.recipient.text], input=plain, capture_output=True, check=True
    ).stdout
    assert bytes(AgeReader(MemorySource(theirs), [KEY]).read(0, size)) == plain


def test_every_recipient_can_read_and_nobody_else() -> None:
    others = [Identity.generate() for _ in range(3)]
    text = sealed(b"films", *(other.recipient for other in others))
    for other in others:
        assert AgeReader(MemorySource(text), [KEY, other]).read(0, 9) == b"films"
    with pytest.raises(NoKey):
        AgeReader(MemorySource(text), [KEY])
    with pytest.raises(NoKey):
        AgeReader(MemorySource(text), [])


def test_a_file_for_nobody_is_not_written() -> None:
    with pytest.raises(NoKey):
        AgeWriter(bytearray().extend, [])


def read_whole(text: bytes) -> bytes:
    reader = AgeReader(MemorySource(text), [KEY])
    return bytes(reader.read(0, reader.size))


@pytest.mark.parametrize("size", [0, 100, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_a_file_cut_anywhere_is_refused(size: int) -> None:
    text = sealed(pattern(size))
    cuts = {*range(0, len(text), 997), *range(400), len(text) - 1, len(text) - 16, len(text) - 17, len(text) - 18}
    cuts |= {len(text) - CHUNK_BYTES - 16, len(text) - CHUNK_BYTES - 17}
    for cut in sorted(cut for cut in cuts if 0 <= cut < len(text)):
        with pytest.raises(AgeDamaged):
            read_whole(text[:cut])
    with pytest.raises(AgeDamaged):
        read_whole(text + b"\x00")


def test_the_first_read_notices_a_cut_at_a_chunk_border_whatever_it_asks_for() -> None:
    text = sealed(pattern(3 * CHUNK_BYTES))
    reader = AgeReader(MemorySource(text[: -(CHUNK_BYTES + 16)]), [KEY])
    with pytest.raises(AgeDamaged):
        reader.read(0, 10)


def test_any_flipped_bit_is_noticed() -> None:
    text = sealed(b"some films")
    for place in range(len(text)):
        for bit in range(8):
            wrong = bytearray(text)
            wrong[place] ^= 1 << bit
            # A flip in the stanza of the only recipient may look like a file for somebody else.
            with pytest.raises((AgeDamaged, NoKey)):
                read_whole(bytes(wrong))


@given(st.binary(max_size=400))
def test_garbage_is_never_an_age_file(junk: bytes) -> None:
    for text in (junk, b"age-encryption.org/v1\n" + junk, b"age-encryption.org/v1\n-> X25519 " + junk):
        with pytest.raises((AgeDamaged, NoKey)):
            AgeReader(MemorySource(text), [KEY])


def test_a_stanza_of_an_unknown_kind_is_passed_over() -> None:
    text = pyrage.passphrase.encrypt(b"x", "words")
    with pytest.raises(NoKey):
        AgeReader(MemorySource(text), [KEY])


@given(st.binary(min_size=32, max_size=32))
def test_keys_survive_as_text(raw: bytes) -> None:
    identity = Identity(raw)
    assert Identity.parse(identity.text) == identity
    assert Identity.parse(identity.text.lower()) == identity
    assert Recipient.parse(identity.recipient.text) == identity.recipient
    assert str(pyrage_key(identity).to_public()) == identity.recipient.text
    assert identity.text not in repr(identity)


def test_a_key_with_a_wrong_letter_is_refused() -> None:
    text = KEY.recipient.text
    for place in range(len(text)):
        wrong = text[:place] + ("q" if text[place] != "q" else "p") + text[place + 1 :]
        with pytest.raises(BadKey):
            Recipient.parse(wrong)
    for wrong in ("", "age1", KEY.text, text.capitalize(), bech32.encode("age", b"short"), "age1é" + text[5:]):
        with pytest.raises(BadKey):
            Recipient.parse(wrong)
