"""Heads of stored bytes: scanned one way when they arrive, are seeded, packed, or a catalog is rebuilt."""

from safelight.core.errors import PeerError
from safelight.core.instance import ByteSource, Head, Wrapper
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.part10 import NotDicom, read_prefix

NO_HEAD = Head("", "", "", "", "", "")


def read_head(source: ByteSource) -> tuple[Wrapper, Head]:
    """Read what stands before the data set of a file, and the data set's head.

    Raises:
        NotDicom: it is no DICOM file.
        BadDataSet: its data set names no instance.
    """
    prefix = read_prefix(source)
    return Wrapper(prefix.prefix_size), scan_head(source, prefix.transfer_syntax, prefix.prefix_size)


def head_of(source: ByteSource, wrapper: Wrapper, transfer_syntax: str) -> Head:
    """Return the head of stored bytes; an empty one where there is none to be read."""
    try:
        if wrapper.opaque:
            # A DICOMDIR or a file without UIDs is opaque and may say something of itself all the same.
            return read_head(source)[1]
        return scan_head(source, transfer_syntax, wrapper.prefix_size)
    except (NotDicom, PeerError):
        return NO_HEAD
