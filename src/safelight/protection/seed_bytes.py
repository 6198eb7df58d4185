"""The bytes of a source file, which may change while they are read."""

import hashlib
from typing import ClassVar, Final

from safelight.core.errors import ResourceError
from safelight.core.instance import ByteSource

_PIECE_BYTES: Final = 1024 * 1024


class SourceChanged(ResourceError):
    """A file of the source changed while it was read."""

    code: ClassVar[str] = "protection.source-changed"
    hint: ClassVar[str] = "The source is still being written; run the same seed again."


def digest_of(source: ByteSource, offset: int) -> bytes:
    """Return the SHA-256 of what stands from ``offset`` on.

    Raises:
        SourceChanged: it became shorter meanwhile.
    """
    hasher = hashlib.sha256()
    while offset < source.size:
        piece = source.read(offset, min(_PIECE_BYTES, source.size - offset))
        if not piece:
            raise SourceChanged(offset=offset)
        hasher.update(piece)
        offset += len(piece)
    return hasher.digest()
