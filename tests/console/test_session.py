"""Sessions: how long they last, what puts their end off, and what a restart leaves of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from safelight.console.account import Account
from safelight.console.role import Role
from safelight.console.session import OF_ACCOUNT_MAX, SessionLimits, Sessions
from safelight.core.clock import SetClock

JANE = Account("jroe", "Jane Roe", Role.VIEWER, "kept")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def sessions(clock: SetClock) -> Sessions:
    return Sessions(clock, SessionLimits())


def test_use_puts_the_end_off_and_looking_does_not(sessions: Sessions, clock: SetClock) -> None:
    token, _ = sessions.begin(JANE)
    clock.advance(29 * MINUTE)
    assert sessions.look(token, is_use=True)
    clock.advance(29 * MINUTE)
    assert sessions.look(token, is_use=False)
    clock.advance(1 * MINUTE)
    assert sessions.look(token, is_use=False) is None


def test_no_use_puts_the_end_off_for_ever(sessions: Sessions, clock: SetClock) -> None:
    token, _ = sessions.begin(JANE)
    for _ in range(12 * 60 // 20 - 1):
        clock.advance(20 * MINUTE)
        assert sessions.look(token, is_use=True)
    clock.advance(20 * MINUTE)
    assert sessions.look(token, is_use=True) is None


def test_a_board_never_ends_by_idleness(sessions: Sessions, clock: SetClock) -> None:
    token, _ = sessions.begin(JANE, board=True)
    clock.advance(167 * HOUR)
    assert sessions.look(token, is_use=False)
    clock.advance(HOUR)
    assert sessions.look(token, is_use=True) is None


def test_what_is_kept_over_a_restart_logs_nobody_in_and_lasts_no_longer(sessions: Sessions, clock: SetClock) -> None:
    token, _ = sessions.begin(JANE)
    board, _ = sessions.begin(JANE, board=True)
    clock.advance(10 * MINUTE)
    rows = sessions.to_rows()
    assert token not in repr(rows) and board not in repr(rows)
    for away, token_lasts in ((5 * MINUTE, True), (20 * MINUTE, False)):
        after = Sessions(SetClock(datetime(2026, 1, 3, tzinfo=UTC)), SessionLimits())
        after.take_back(rows, away)
        assert (after.look(token, is_use=True) is not None) is token_lasts
        assert after.look(board, is_use=True) is not None
        assert after.look("x" * 43, is_use=True) is None


def test_a_kept_session_cannot_be_made_longer_by_hand(sessions: Sessions) -> None:
    token, _ = sessions.begin(JANE)
    rows = [{**row, "seconds": 10**9, "idle_seconds": 10**9} for row in sessions.to_rows()]
    clock = SetClock(datetime(2026, 1, 3, tzinfo=UTC))
    after = Sessions(clock, SessionLimits())
    after.take_back(rows, timedelta())
    clock.advance(12 * HOUR)
    assert after.look(token, is_use=True) is None


def test_whoever_logs_in_again_and_again_ends_their_own_oldest_session(sessions: Sessions) -> None:
    other, _ = sessions.begin(replace(JANE, account="other"))
    tokens = [sessions.begin(JANE)[0] for _ in range(OF_ACCOUNT_MAX + 3)]
    assert [sessions.look(token, is_use=True) is None for token in tokens] == [True] * 3 + [False] * OF_ACCOUNT_MAX
    assert sessions.look(other, is_use=True)


def test_the_stamp_of_an_account_tells_its_role_and_password() -> None:
    assert len({JANE.stamp, replace(JANE, role=Role.TECHNOLOGIST).stamp, replace(JANE, password="other").stamp}) == 3
    assert replace(JANE, name="Jane Doe").stamp == JANE.stamp
    assert "kept" not in repr(JANE)
