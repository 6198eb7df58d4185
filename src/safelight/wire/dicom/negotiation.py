"""What both sides of an association agree on: contexts, roles, window.

Source: PS3.8 section 7.1 and Annex D.3 of PS3.7.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.pdu import (
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    PresentationContext,
)
from safelight.wire.dicom.uids import IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION
from safelight.wire.dicom.user_information import Role, UserInformation, Window

ChooseTransferSyntax = Callable[[PresentationContext], str | None]
"""Takes one of the proposed transfer syntaxes, or none of them (None)."""


@dataclass(frozen=True, slots=True)
class AgreedContext:
    """A presentation context that both sides accepted, and who may ask whom in it."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    requestor_is_scu: bool = True
    requestor_is_scp: bool = False


def first_proposed(context: PresentationContext) -> str | None:
    """Take whatever the peer would rather send: any SOP class, any transfer syntax, private ones too."""
    return context.transfer_syntaxes[0]


def no_scp_role(sop_class: str) -> bool:
    """Refuse the requestor the SCP role of every SOP class."""
    return not sop_class


def answer_request(
    request: AssociateRequest,
    *,
    limits: Limits,
    choose: ChooseTransferSyntax = first_proposed,
    scp_role: Callable[[str], bool] = no_scp_role,
    window_max: int = 32,
    supports: Callable[[str], bool] = bool,
) -> AssociateAccept:
    """Accept a request: each context on its own, roles and window as far as we go.

    ``supports`` says of an abstract syntax whether we speak it at all; ``scp_role`` whether its requestor may
    be SCP of it (as in C-GET).
    """
    roles = tuple(Role(r.sop_class, r.scu, r.scp and scp_role(r.sop_class)) for r in request.user.roles)
    user = UserInformation(
        pdu_bytes_max=limits.pdu_bytes_offered,
        implementation_class=IMPLEMENTATION_CLASS,
        implementation_version=IMPLEMENTATION_VERSION,
        window=_granted(request.user.window, window_max),
        roles=roles,
    )
    contexts = tuple(_answer_context(context, choose, supports) for context in request.contexts)
    return AssociateAccept(request.called, request.calling, contexts, user)


def agreed_contexts(request: AssociateRequest, accept: AssociateAccept) -> Mapping[int, AgreedContext]:
    """Return what was agreed, by context identifier. Answers to contexts nobody proposed are ignored."""
    proposed = {context.context_id: context for context in request.contexts}
    asked = {role.sop_class: role for role in request.user.roles}
    granted = {role.sop_class: role for role in accept.user.roles}
    agreed = {}
    for answer in accept.contexts:
        context = proposed.get(answer.context_id)
        if context is None or answer.result != ContextResult.ACCEPTANCE:
            continue
        if answer.transfer_syntax not in context.transfer_syntaxes:
            continue
        scu, scp = True, False
        role = granted.get(context.abstract_syntax)
        if role is not None and context.abstract_syntax in asked:
            scu = role.scu and asked[context.abstract_syntax].scu
            scp = role.scp and asked[context.abstract_syntax].scp
        agreed[answer.context_id] = AgreedContext(
            answer.context_id, context.abstract_syntax, answer.transfer_syntax, scu, scp
        )
    return agreed


def granted_window(request: AssociateRequest, accept: AssociateAccept) -> Window:
    """Return the window in force: without a word from both sides, one operation at a time."""
    if request.user.window is None or accept.user.window is None:
        return Window(1, 1)
    asked, given = request.user.window, accept.user.window
    return Window(_lesser(asked.invoked, given.invoked), _lesser(asked.performed, given.performed))


def _answer_context(
    context: PresentationContext, choose: ChooseTransferSyntax, supports: Callable[[str], bool]
) -> ContextAnswer:
    if not supports(context.abstract_syntax):
        return ContextAnswer(
            context.context_id, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, context.transfer_syntaxes[0]
        )
    syntax = choose(context)
    if syntax is None:
        return ContextAnswer(
            context.context_id, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, context.transfer_syntaxes[0]
        )
    return ContextAnswer(context.context_id, ContextResult.ACCEPTANCE, syntax)


def _granted(asked: Window | None, window_max: int) -> Window | None:
    if asked is None:
        return None
    return Window(_lesser(asked.invoked, window_max), _lesser(asked.performed, window_max))


def _lesser(first: int, second: int) -> int:
    """Return the smaller of two window sizes, of which 0 means no limit."""
    return min(first, second) if first and second else first or second
