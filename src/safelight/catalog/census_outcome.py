"""What one study is when the source's claim is laid beside the vault."""

from enum import StrEnum


class CensusOutcome(StrEnum):
    """How claim and holding compare."""

    PROTECTED = "protected"
    """Every instance that the source claims lies in a pack, as far down as the source was asked."""
    UNPROTECTED = "unprotected"
    """The source has images of it and no pack has any."""
    DIFFERING = "differing"
    """Some is held, and numbers or UIDs differ."""
    UNCOUNTED = "uncounted"
    """Something is held, but the source does not say how much there is."""
    EMPTY = "empty"
    """The source says that the study has no images, and none is held."""
    ONLY_IN_VAULT = "only-in-vault"
    """Held, and no source claims it (any more)."""
