"""PDUs and what is negotiated in them: written, read back, and refused when broken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.wire.dicom.faults import LimitExceeded, MalformedPdu
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.negotiation import agreed_contexts, answer_request, granted_window
from safelight.wire.dicom.pdu import (
    PDU_HEADER,
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    PresentationContext,
    decode_associate_accept,
    decode_associate_request,
    encode_associate_accept,
    encode_associate_request,
)
from safelight.wire.dicom.user_information import (
    PDU_BYTES_UNSTATED,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    Role,
    UserIdentity,
    UserInformation,
    Window,
    decode_user_information,
    encode_user_information,
    item,
)

LIMITS = Limits()

uids = st.lists(st.integers(0, 10**6), min_size=2, max_size=6).map(lambda parts: ".".join(map(str, parts)))
titles = st.text("ABCXYZ019_", min_size=1, max_size=16)
words = st.integers(0, 0xFFFF)
short = st.binary(max_size=40)
users = st.builds(
    UserInformation,
    pdu_bytes_max=st.integers(0, 0xFFFFFFFF),
    implementation_class=uids,
    implementation_version=titles,
    window=st.none() | st.builds(Window, words, words),
    roles=st.lists(st.builds(Role, uids, st.booleans(), st.booleans()), max_size=5).map(tuple),
    extended=st.lists(st.builds(ExtendedNegotiation, uids, short), max_size=5).map(tuple),
    common_extended=st.lists(
        st.builds(CommonExtendedNegotiation, uids, uids, st.lists(uids, max_size=3).map(tuple)), max_size=3
    ).map(tuple),
    identity=st.none() | st.builds(UserIdentity, st.integers(1, 5), st.booleans(), short, short),
    identity_answer=st.none() | short,
)
proposals = st.lists(st.tuples(uids, st.lists(uids, min_size=1, max_size=4)), min_size=1, max_size=6).map(
    lambda pairs: tuple(PresentationContext(2 * n + 1, a, tuple(t)) for n, (a, t) in enumerate(pairs))
)
requests = st.builds(AssociateRequest, titles, titles, proposals, users)


@settings(max_examples=60)
@given(requests)
def test_a_request_reads_as_it_was_written(request_: AssociateRequest) -> None:
    raw = encode_associate_request(request_)
    kind, length = PDU_HEADER.unpack_from(raw)
    assert (kind, length) == (1, len(raw) - 6)
    assert decode_associate_request(raw[6:], LIMITS) == request_


@settings(max_examples=60)
@given(titles, titles, st.lists(st.tuples(st.integers(0, 4), uids), max_size=6), users)
def test_an_acceptance_reads_as_it_was_written(
    called: str, calling: str, answers: list[tuple[int, str]], user: UserInformation
) -> None:
    contexts = tuple(ContextAnswer(2 * n + 1, result, uid) for n, (result, uid) in enumerate(answers))
    accept = AssociateAccept(called, calling, contexts, user)
    raw = encode_associate_accept(accept)
    assert decode_associate_accept(raw[6:], LIMITS) == accept


@settings(max_examples=60)
@given(requests, st.data())
def test_a_request_that_ends_early_is_refused_or_shorter_but_never_a_stumble(
    request_: AssociateRequest, data: st.DataObject
) -> None:
    body = encode_associate_request(request_)[6:]
    cut = data.draw(st.integers(0, len(body) - 1))
    try:
        assert decode_associate_request(body[:cut], LIMITS) != request_
    except MalformedPdu:
        pass


def test_what_a_peer_proved_of_its_user_is_not_shown() -> None:
    assert "secret" not in repr(UserInformation(identity=UserIdentity(2, False, b"secret-user", b"secret-word")))


def test_items_of_an_unknown_type_are_ignored() -> None:
    user = UserInformation(1000, "1.2.3")
    raw = encode_user_information(user)[4:] + item(0x77, b"whatever") + item(0x5A, b"")
    assert decode_user_information(raw, 10) == user


def test_a_peer_that_states_no_maximum_is_sent_what_any_peer_takes() -> None:
    assert decode_user_information(b"", 10).pdu_bytes_max == PDU_BYTES_UNSTATED


@pytest.mark.parametrize(
    "body",
    [
        item(0x51, b"\0\0\0"),
        item(0x53, b"\0"),
        item(0x54, b"\0\xff1.2"),
        item(0x54, b"\0\x031.2\1"),
        item(0x56, b"\0"),
        item(0x57, b"\0\x031.2\0\x031.2\0\x09abc"),
        item(0x58, b"\1"),
        item(0x58, b"\1\0\xff\xff"),
        b"\x51\0\0\x0a\0\0\0\0",
        b"\x51\0\0",
    ],
)
def test_a_user_item_of_the_wrong_length_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedPdu):
        decode_user_information(body, 10)


def _body(*contexts: PresentationContext) -> bytes:
    return encode_associate_request(AssociateRequest("A", "B", contexts))[6:]


def test_presentation_context_identifiers_are_odd_and_used_once() -> None:
    for identifiers in ((2,), (1, 1), (0,)):
        contexts = [PresentationContext(n, "1.2", ("1.2",)) for n in identifiers]
        with pytest.raises(MalformedPdu):
            decode_associate_request(_body(*contexts), LIMITS)


def test_a_context_without_transfer_syntax_or_with_two_abstract_syntaxes_is_refused() -> None:
    head = _body()[:68]
    bare = item(0x20, bytes((1, 0, 0, 0)) + item(0x30, b"1.2"))
    double = item(0x20, bytes((1, 0, 0, 0)) + item(0x30, b"1.2") * 2 + item(0x40, b"1.2"))
    for broken in (bare, double, item(0x20, b"\1")):
        with pytest.raises(MalformedPdu):
            decode_associate_request(head + broken, LIMITS)


def test_all_128_contexts_fit_and_no_129th_is_read() -> None:
    full = [PresentationContext(2 * n + 1, "1.2", ("1.2",)) for n in range(128)]
    assert len(decode_associate_request(_body(*full), LIMITS).contexts) == 128
    with pytest.raises(LimitExceeded):
        decode_associate_request(_body(*full) + item(0x20, bytes(4)), LIMITS)


REQUEST = AssociateRequest(
    "A",
    "B",
    (
        PresentationContext(1, "1.2.1", ("1.9.1", "1.9.2")),
        PresentationContext(3, "1.2.2", ("1.9.1",)),
        PresentationContext(5, "1.2.3", ("1.9.3",)),
    ),
    UserInformation(window=Window(0, 4), roles=(Role("1.2.1", True, True), Role("1.2.9", True, False))),
)


def test_by_default_every_context_is_accepted_in_the_syntax_the_peer_named_first() -> None:
    accept = answer_request(REQUEST, limits=LIMITS)
    agreed = agreed_contexts(REQUEST, accept)
    assert [(c.abstract_syntax, c.transfer_syntax) for c in agreed.values()] == [
        ("1.2.1", "1.9.1"),
        ("1.2.2", "1.9.1"),
        ("1.2.3", "1.9.3"),
    ]


def test_policies_choose_and_refuse_context_by_context() -> None:
    accept = answer_request(
        REQUEST,
        limits=LIMITS,
        choose=lambda context: "1.9.2" if "1.9.2" in context.transfer_syntaxes else None,
        supports=lambda uid: uid != "1.2.3",
    )
    assert [answer.result for answer in accept.contexts] == [
        ContextResult.ACCEPTANCE,
        ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED,
        ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ]
    agreed = agreed_contexts(REQUEST, accept)
    assert list(agreed) == [1]
    assert agreed[1].transfer_syntax == "1.9.2"


def test_the_scp_role_is_granted_only_where_a_policy_says_so() -> None:
    refused = agreed_contexts(REQUEST, answer_request(REQUEST, limits=LIMITS))
    assert (refused[1].requestor_is_scu, refused[1].requestor_is_scp) == (True, False)
    granted = agreed_contexts(REQUEST, answer_request(REQUEST, limits=LIMITS, scp_role=lambda uid: uid == "1.2.1"))
    assert (granted[1].requestor_is_scu, granted[1].requestor_is_scp) == (True, True)
    assert (granted[3].requestor_is_scu, granted[3].requestor_is_scp) == (True, False)


def test_a_role_that_nobody_asked_for_is_not_taken() -> None:
    accept = AssociateAccept(
        "A", "B", (ContextAnswer(3, 0, "1.9.1"),), UserInformation(roles=(Role("1.2.2", False, True),))
    )
    assert not agreed_contexts(REQUEST, accept)[3].requestor_is_scp


def test_answers_that_fit_no_proposal_are_ignored() -> None:
    accept = AssociateAccept("A", "B", (ContextAnswer(7, 0, "1.9.1"), ContextAnswer(1, 0, "1.9.9")))
    assert not agreed_contexts(REQUEST, accept)


@pytest.mark.parametrize(
    ("asked", "ours", "granted"),
    [(None, 32, 1), (Window(0, 1), 32, 32), (Window(8, 1), 32, 8), (Window(64, 1), 32, 32)],
)
def test_the_window_is_the_smaller_of_both_wishes_and_one_without_a_wish(
    asked: Window | None, ours: int, granted: int
) -> None:
    request = AssociateRequest("A", "B", (), UserInformation(window=asked))
    accept = answer_request(request, limits=LIMITS, window_max=ours)
    assert granted_window(request, accept).invoked == granted
