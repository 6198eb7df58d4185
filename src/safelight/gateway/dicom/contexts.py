"""Presentation contexts to propose, chosen from what is really to be sent or fetched."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, VERIFICATION

CONTEXTS_MAX: Final = 128
"""Identifiers are the odd numbers of a byte. Source: PS3.8 section 9.3.2.2."""


@dataclass(frozen=True, slots=True)
class ContextProposal:
    """One presentation context to propose."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False
    """We also offer to be SCP of it: for what a peer stores over our own C-GET association."""


VERIFICATION_PROPOSAL: Final = ContextProposal(VERIFICATION, (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN))


def service_proposal(model: str) -> ContextProposal:
    """Propose a query or retrieve model in the plain transfer syntaxes."""
    return ContextProposal(model, (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN))


def contexts_for(
    pairs: Iterable[tuple[str, str]], *, as_scp: bool = False, contexts_max: int = CONTEXTS_MAX
) -> list[list[ContextProposal]]:
    """Propose each pair of SOP class and transfer syntax in a context of its own, so that the stored syntax is kept.

    One list is one association: there are several when there are more pairs than one association can have.
    Pairs of one SOP class stay together where they can, since an SCP looks at them together.
    """
    distinct = sorted(dict.fromkeys(pairs))
    proposals = [ContextProposal(sop_class, (syntax,), as_scp) for sop_class, syntax in distinct]
    return [proposals[start : start + contexts_max] for start in range(0, len(proposals), contexts_max)]
