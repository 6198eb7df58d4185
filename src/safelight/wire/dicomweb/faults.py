"""What a DICOMweb request can get wrong."""

from typing import ClassVar

from safelight.core.errors import PeerError


class BadWebRequest(PeerError):
    """A DICOMweb request has a parameter, header or path that means nothing."""

    code: ClassVar[str] = "wire.bad-web-request"
    hint: ClassVar[str] = "The peer's request breaks PS3.18; what is wrong stands beside this. Ask its vendor."


class NotAcceptable(PeerError):
    """A peer asks for a form of the instance that it does not have and cannot be turned into without loss."""

    code: ClassVar[str] = "wire.not-acceptable"
    hint: ClassVar[str] = 'Have the peer accept the stored form: multipart/related; type="..."; transfer-syntax=*'


class UnsupportedMedia(PeerError):
    """A peer sends a body of a media type that we do not take."""

    code: ClassVar[str] = "wire.unsupported-media"
    hint: ClassVar[str] = 'Send instances as multipart/related; type="application/dicom".'


class BadMultipart(PeerError):
    """The body of a request is not the multipart message that its header says."""

    code: ClassVar[str] = "wire.bad-multipart"
    hint: ClassVar[str] = "The sender's message is cut or malformed; instances that were answered for are kept."
