"""Names of things in DICOM's world: application entities, peers, identifiers of people."""

from dataclasses import dataclass
from typing import ClassVar, Self

from safelight.core.errors import UsageError


class BadAETitle(UsageError):
    """An AE title is 1 to 16 printable ASCII characters without a backslash."""

    code: ClassVar[str] = "core.bad-ae-title"
    hint: ClassVar[str] = "Give 1 to 16 printable ASCII characters; no backslash, not only spaces."


class BadPeerAddress(UsageError):
    """A peer is written as HOST:PORT, a target as AET@HOST:PORT."""

    code: ClassVar[str] = "core.bad-peer-address"
    hint: ClassVar[str] = "Write HOST:PORT (port 1 to 65535), or AET@HOST:PORT for a target."


@dataclass(frozen=True, slots=True)
class AETitle:
    """The name of a DICOM application entity.

    Source: PS3.5 Table 6.2-1, value representation AE.
    """

    text: str

    @classmethod
    def parse(cls, raw: bytes | str) -> Self:
        """Read a title as it stands in an A-ASSOCIATE PDU or in the settings.

        Raises:
            BadAETitle: nothing but spaces, over 16 characters, or not printable ASCII.
        """
        text = (raw if isinstance(raw, str) else raw.decode("ascii", errors="replace")).strip(" ")
        if not 1 <= len(text) <= 16 or "\\" in text or not (text.isascii() and text.isprintable()):
            raise BadAETitle(title=text.encode("unicode_escape").decode())
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Peer:
    """Another application entity and where it listens."""

    title: AETitle
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``AET@HOST:PORT``; an IPv6 host stands in brackets.

        Raises:
            BadPeerAddress: a part is missing or the port is out of range.
            BadAETitle: the title is not one.
        """
        title, at, address = text.rpartition("@")
        host, colon, port = address.rpartition(":")
        if not at or not colon or not host or not port.isascii() or not port.isdigit():
            raise BadPeerAddress(given=text)
        if not 1 <= int(port) <= 65535:
            raise BadPeerAddress(given=text)
        return cls(AETitle.parse(title), host.strip("[]"), int(port))

    @property
    def address(self) -> str:
        """``HOST:PORT``; an IPv6 host stands in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.title}@{self.address}"


@dataclass(frozen=True, slots=True, repr=False)
class Personal:
    """A name or identifier of a person: usable, comparable, and never shown by accident."""

    text: str

    def __repr__(self) -> str:
        return "Personal(hidden)"

    __str__ = __repr__
