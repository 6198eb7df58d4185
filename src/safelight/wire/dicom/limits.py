"""How far a peer may go: one number for everything that it can make grow."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one association. A peer that passes one is refused or aborted, with a typed error.

    ``pdu_bytes_offered`` is what we tell the peer; ``pdu_bytes_max`` is what we put up with from peers that
    count the header in, or do not read the field. Data sets pass through without being gathered here, so a
    long PDU costs no memory.
    """

    pdu_bytes_offered: int = 131_072
    pdu_bytes_max: int = 1_048_576
    pdvs_per_pdu_max: int = 1_024
    associate_bytes_max: int = 1_048_576
    presentation_contexts_max: int = 128
    transfer_syntaxes_max: int = 256
    """Of one presentation context."""
    user_items_max: int = 1_024
    command_bytes_max: int = 16_384
    identifier_bytes_max: int = 4_194_304
    data_set_bytes_max: int = 17_179_869_184
