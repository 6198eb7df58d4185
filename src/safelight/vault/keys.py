"""The key files of a home.

=============  ===========================================================  ==========
node.key       age secret key of this node: serves reads in a downtime      secret
node.pub       its recipient
recovery.pub   recipient of the offline recovery key, whose secret half is
               on paper only
signing.key    Ed25519 secret key, hexadecimal: anchors packs and evidence  secret
signing.pub    its public half: what a verifier needs
=============  ===========================================================  ==========
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from safelight.core.disk import Disk, make_directory, write_file
from safelight.core.errors import ResourceError, StateError
from safelight.core.signing import BadSigningKey, SigningKey, VerifyKey
from safelight.vault.age import Identity, Recipient

_NODE_SECRET: Final = "node.key"  # noqa: S105
_NODE_PUBLIC: Final = "node.pub"
_RECOVERY_PUBLIC: Final = "recovery.pub"
_SIGNING_SECRET: Final = "signing.key"  # noqa: S105
_SIGNING_PUBLIC: Final = "signing.pub"
FILES: Final = (_NODE_SECRET, _NODE_PUBLIC, _RECOVERY_PUBLIC, _SIGNING_SECRET, _SIGNING_PUBLIC)


class KeysExist(StateError):
    """There are keys in this directory already; they are never written over."""

    code: ClassVar[str] = "vault.keys-exist"
    hint: ClassVar[str] = "Packs may depend on these keys. Use another home, or move the keys away yourself."


class KeyFileMissing(ResourceError):
    """A key file of the home cannot be read."""

    code: ClassVar[str] = "vault.key-file-missing"
    hint: ClassVar[str] = "Put the file back from your backup of the keys directory; the recovery key opens every pack."


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What a writer of packs needs, and a verifier of signatures."""

    node: Recipient
    recovery: Recipient
    signing: VerifyKey

    @property
    def recipients(self) -> tuple[Recipient, Recipient]:
        """Whom every pack is encrypted to."""
        return self.node, self.recovery


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """What a node needs that reads its packs and signs."""

    node: Identity
    signing: SigningKey


def make_keys(directory: Path, disk: Disk, recovery: Recipient) -> tuple[SecretKeys, PublicKeys]:
    """Make a node key and a signing key, and write the key files, each with mode 0600.

    Raises:
        KeysExist: there is a key file already.
    """
    there = [name for name in FILES if (directory / name).exists()]
    if there:
        raise KeysExist(file=there[0])
    secret = SecretKeys(Identity.generate(), SigningKey.generate())
    public = PublicKeys(secret.node.recipient, recovery, secret.signing.verify_key)
    make_directory(disk, directory)
    contents = (
        f"# public key: {public.node.text}\n{secret.node.text}\n",
        public.node.text + "\n",
        recovery.text + "\n",
        secret.signing.raw.hex() + "\n",
        public.signing.raw.hex() + "\n",
    )
    for name, content in zip(FILES, contents, strict=True):
        write_file(disk, directory / name, content.encode("ascii"))
    return secret, public


def load_public_keys(directory: Path) -> PublicKeys:
    """Read the public halves.

    Raises:
        KeyFileMissing: a file cannot be read.
        BadKey, BadSigningKey: a file does not hold a key.
    """
    return PublicKeys(
        Recipient.parse(_line(directory, _NODE_PUBLIC)),
        Recipient.parse(_line(directory, _RECOVERY_PUBLIC)),
        VerifyKey.load(_raw(directory, _SIGNING_PUBLIC)),
    )


def load_secret_keys(directory: Path) -> SecretKeys:
    """Read the secret halves.

    Raises:
        KeyFileMissing: a file cannot be read.
        BadKey, BadSigningKey: a file does not hold a key.
    """
    return SecretKeys(Identity.parse(_line(directory, _NODE_SECRET)), SigningKey.load(_raw(directory, _SIGNING_SECRET)))


def load_identity(path: Path) -> Identity:
    """Read an age secret key from a file, as ``age-keygen`` writes it: comment lines, then the key.

    Raises:
        KeyFileMissing: the file cannot be read.
        BadKey: it holds no key.
    """
    return Identity.parse(_line(path.parent, path.name))


def _line(directory: Path, name: str) -> str:
    """Return the one line of a key file that is neither empty nor a comment."""
    try:
        text = (directory / name).read_text("ascii", errors="replace")
    except OSError as error:
        raise KeyFileMissing(file=name, error=error.strerror or "unknown") from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return lines[0] if len(lines) == 1 else ""


def _raw(directory: Path, name: str) -> bytes:
    try:
        return bytes.fromhex(_line(directory, name))
    except ValueError as error:
        raise BadSigningKey(file=name) from error
