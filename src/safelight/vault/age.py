"""age v1 files: written in one pass, read in ranges.

A pack is encrypted to public keys only, so the machine that writes it need not be able to read it.
Reading one instance decrypts only the 64 KiB chunks it lies in.

Source: the age file format, version 1 (age-encryption.org/v1): header, X25519 recipient stanza, STREAM payload.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from safelight.core.errors import IntegrityError, UsageError
from safelight.core.instance import ByteSource
from safelight.vault import bech32

_VERSION: Final = b"age-encryption.org/v1"
_RECIPIENT_PREFIX: Final = "age"
_IDENTITY_PREFIX: Final = "age-secret-key-"
_STANZA_LABEL: Final = b"age-encryption.org/v1/X25519"
_FILE_KEY_BYTES: Final = 16
_NONCE_BYTES: Final = 16
_TAG_BYTES: Final = 16
_HEADER_FIRST_READ: Final = 4096
_HEADER_BYTES_MAX: Final = 1 << 20
CHUNK_BYTES: Final = 64 * 1024
_SEALED_CHUNK_BYTES: Final = CHUNK_BYTES + _TAG_BYTES


class AgeDamaged(IntegrityError):
    """The bytes are not what an age writer wrote: changed, cut short, or never an age file."""

    code: ClassVar[str] = "vault.age-damaged"
    hint: ClassVar[str] = "Delete nothing. Run: safelight vault verify; then heal this pack from another placement."


class NoKey(UsageError):
    """None of the keys given opens this file."""

    code: ClassVar[str] = "vault.no-key"
    hint: ClassVar[str] = "Give the node key of the home that wrote the pack, or the offline recovery key."


class BadKey(UsageError):
    """The text is not an age key."""

    code: ClassVar[str] = "vault.bad-key"
    hint: ClassVar[str] = "A recipient reads age1..., a secret key AGE-SECRET-KEY-1...; check for lost characters."


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key: whoever has it can write for its owner, and read nothing."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``age1...``.

        Raises:
            BadKey: it is not an X25519 recipient.
        """
        return cls(_key_bytes(text, _RECIPIENT_PREFIX))

    @property
    def text(self) -> str:
        """The key as ``age1...``."""
        return bech32.encode(_RECIPIENT_PREFIX, self.raw)


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """A secret key: opens what was encrypted to its recipient."""

    raw: bytes

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(X25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``AGE-SECRET-KEY-1...``.

        Raises:
            BadKey: it is not an X25519 secret key.
        """
        return cls(_key_bytes(text, _IDENTITY_PREFIX))

    @property
    def text(self) -> str:
        """The key as ``AGE-SECRET-KEY-1...``."""
        return bech32.encode(_IDENTITY_PREFIX, self.raw).upper()

    @property
    def recipient(self) -> Recipient:
        """The public half."""
        return Recipient(X25519PrivateKey.from_private_bytes(self.raw).public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Identity({self.recipient.text})"


def _key_bytes(text: str, prefix: str) -> bytes:
    try:
        found, raw = bech32.decode(text.strip())
    except ValueError as error:
        raise BadKey(expected=prefix) from error
    if found != prefix or len(raw) != 32:
        raise BadKey(expected=prefix)
    return raw


class AgeWriter:
    """Encrypt a stream to some recipients, 64 KiB at a time.

    ``write`` takes the ciphertext in order. Nothing is complete before `close`.
    """

    def __init__(self, write: Callable[[bytes], object], recipients: Sequence[Recipient]) -> None:
        if not recipients:
            raise NoKey(recipients=0)
        self._write = write
        file_key = secrets.token_bytes(_FILE_KEY_BYTES)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        write(_header(file_key, recipients) + nonce)
        self._cipher = _payload_cipher(file_key, nonce)
        self._counter = 0
        self._pending = bytearray(CHUNK_BYTES)
        self._filled = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the plaintext."""
        view = memoryview(data).cast("B")
        while view:
            if self._filled == CHUNK_BYTES:
                self._emit(self._pending, final=False)
                self._filled = 0
            if not self._filled and len(view) > CHUNK_BYTES:
                self._emit(view[:CHUNK_BYTES], final=False)
                view = view[CHUNK_BYTES:]
                continue
            count = min(CHUNK_BYTES - self._filled, len(view))
            self._pending[self._filled : self._filled + count] = view[:count]
            self._filled += count
            view = view[count:]

    def close(self) -> None:
        """Write the final chunk; without it no reader accepts the file."""
        self._emit(memoryview(self._pending)[: self._filled], final=True)
        self._filled = 0

    def _emit(self, chunk: bytearray | memoryview, *, final: bool) -> None:
        self._write(self._cipher.encrypt(_chunk_nonce(self._counter, final=final), chunk, None))
        self._counter += 1


class AgeReader:
    """Read ranges of the plaintext of an age file; itself a `ByteSource`.

    The last chunk is always the first to be decrypted: it alone proves that the file was not cut short.
    For one thread.
    """

    def __init__(self, source: ByteSource, identities: Sequence[Identity]) -> None:
        self._source = source
        header = _read_header(source)
        file_key = _unwrap(header.stanzas, identities)
        if not hmac.compare_digest(_header_mac(file_key, header.authenticated), header.mac):
            raise AgeDamaged(where="header")
        self._start = header.size + _NONCE_BYTES
        sealed = source.size - self._start
        count = -(-sealed // _SEALED_CHUNK_BYTES)
        last = sealed - (count - 1) * _SEALED_CHUNK_BYTES if count else 0
        if last < _TAG_BYTES or (last == _TAG_BYTES and count > 1):
            raise AgeDamaged(where="end", size_bytes=source.size)
        self._cipher = _payload_cipher(file_key, header.nonce)
        self._count = count
        self._size = sealed - count * _TAG_BYTES
        self._kept_number = -1
        self._kept = b""
        self._end_seen = False

    @property
    def size(self) -> int:
        """How many bytes the plaintext has; proven with the first read."""
        return self._size

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Return ``length`` bytes of the plaintext from ``offset``, fewer only past the end.

        Raises:
            AgeDamaged: a chunk that is needed does not authenticate, or the file was cut short.
        """
        length = max(0, min(length, self._size - offset))
        first, last = offset // CHUNK_BYTES, (offset + length - 1) // CHUNK_BYTES
        if not self._end_seen:
            self._prove_end(last)
        if not length:
            return b""
        skipped = offset - first * CHUNK_BYTES
        if first == last:
            return memoryview(self._chunk(first))[skipped : skipped + length]
        return self._chunks(first, last, skipped, length)

    def _prove_end(self, last: int) -> None:
        if last != self._count - 1:
            self._chunk(self._count - 1)
        self._end_seen = True

    def _chunks(self, first: int, last: int, skipped: int, length: int) -> memoryview:
        plain = bytearray()
        if first == self._kept_number:
            plain += self._kept
            first += 1
        begin = first * _SEALED_CHUNK_BYTES
        stored = memoryview(self._source.read(self._start + begin, (last + 1) * _SEALED_CHUNK_BYTES - begin))
        for number in range(first, last + 1):
            begin = (number - first) * _SEALED_CHUNK_BYTES
            plain += self._opened(number, stored[begin : begin + _SEALED_CHUNK_BYTES])
        return memoryview(plain)[skipped : skipped + length]

    def _chunk(self, number: int) -> bytes:
        if number != self._kept_number:
            begin = self._start + number * _SEALED_CHUNK_BYTES
            self._opened(number, self._source.read(begin, _SEALED_CHUNK_BYTES))
        return self._kept

    def _opened(self, number: int, sealed: bytes | memoryview) -> bytes:
        try:
            plain = self._cipher.decrypt(_chunk_nonce(number, final=number == self._count - 1), sealed, None)
        except InvalidTag as error:
            raise AgeDamaged(where="chunk", chunk=number) from error
        self._kept_number, self._kept = number, plain
        return plain


@dataclass(frozen=True, slots=True)
class _Stanza:
    arguments: tuple[bytes, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    size: int
    stanzas: tuple[_Stanza, ...]
    authenticated: bytes
    mac: bytes
    nonce: bytes


def _header(file_key: bytes, recipients: Sequence[Recipient]) -> bytes:
    lines = [_VERSION]
    for recipient in recipients:
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient.raw))
        wrapped = _wrap_cipher(secret, share, recipient.raw).encrypt(bytes(12), file_key, None)
        lines += [b"-> X25519 " + _to_base64(share), _to_base64(wrapped)]
    header = b"\n".join(lines) + b"\n---"
    return header + b" " + _to_base64(_header_mac(file_key, header)) + b"\n"


def _read_header(source: ByteSource) -> _Header:
    head = bytes(source.read(0, _HEADER_FIRST_READ))
    if not head.startswith(_VERSION + b"\n"):
        raise AgeDamaged(where="first line")
    end = _header_end(head)
    if end is None and len(head) < source.size:
        head = bytes(source.read(0, _HEADER_BYTES_MAX))
        end = _header_end(head)
    if end is None:
        raise AgeDamaged(where="header")
    header, _, mac_line = head[:end].rpartition(b"\n--- ")
    try:
        mac = _from_base64(mac_line)
        stanzas = tuple(_stanzas(header.split(b"\n")[1:]))
    except (ValueError, binascii.Error) as error:
        raise AgeDamaged(where="header") from error
    size = end + 1
    nonce = head[size : size + _NONCE_BYTES]
    if len(nonce) < _NONCE_BYTES:
        nonce = bytes(source.read(size, _NONCE_BYTES))
    return _Header(size, stanzas, header + b"\n---", mac, nonce)


def _header_end(head: bytes) -> int | None:
    mark = head.find(b"\n--- ")
    end = head.find(b"\n", mark + 1) if mark >= 0 else -1
    return end if end >= 0 else None


def _stanzas(lines: list[bytes]) -> list[_Stanza]:
    stanzas: list[_Stanza] = []
    place = 0
    while place < len(lines):
        arguments = lines[place].split(b" ")
        if arguments[0] != b"->" or len(arguments) < 2:
            raise ValueError("stanza")
        body = b""
        place += 1
        while True:
            if place == len(lines) or len(lines[place]) > 64:
                raise ValueError("stanza body")
            body += lines[place]
            place += 1
            if len(lines[place - 1]) < 64:
                break
        stanzas.append(_Stanza(tuple(arguments[1:]), _from_base64(body)))
    return stanzas


def _unwrap(stanzas: Sequence[_Stanza], identities: Sequence[Identity]) -> bytes:
    for stanza in stanzas:
        if stanza.arguments[0] != b"X25519":
            continue
        try:
            share = _from_base64(stanza.arguments[1])
            peer = X25519PublicKey.from_public_bytes(share)
        except (IndexError, ValueError) as error:
            raise AgeDamaged(where="recipient stanza") from error
        if len(stanza.arguments) != 2 or len(stanza.body) != _FILE_KEY_BYTES + _TAG_BYTES:
            raise AgeDamaged(where="recipient stanza")
        for identity in identities:
            try:
                secret = X25519PrivateKey.from_private_bytes(identity.raw).exchange(peer)
                cipher = _wrap_cipher(secret, share, identity.recipient.raw)
                return cipher.decrypt(bytes(12), stanza.body, None)
            except InvalidTag:
                continue
            except ValueError as error:
                # A share of low order gives an all-zero secret, which no honest writer makes.
                raise AgeDamaged(where="recipient stanza") from error
    raise NoKey(recipients=len(stanzas), keys=len(identities))


def _hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """One block of HKDF-SHA-256. Source: RFC 5869."""
    extracted = hmac.digest(salt, key, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def _wrap_cipher(secret: bytes, share: bytes, recipient: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(_hkdf(secret, share + recipient, _STANZA_LABEL))


def _payload_cipher(file_key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(_hkdf(file_key, nonce, b"payload"))


def _header_mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.digest(_hkdf(file_key, b"", b"header"), header, hashlib.sha256)


def _chunk_nonce(counter: int, *, final: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\x01" if final else b"\x00")


def _to_base64(raw: bytes) -> bytes:
    return base64.b64encode(raw).rstrip(b"=")


def _from_base64(text: bytes) -> bytes:
    raw = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    # Only the canonical spelling counts: otherwise a flipped bit could go unseen.
    if _to_base64(raw) != text:
        raise ValueError("base64")
    return raw
