"""Failed logins: who waits, how long, and who does not."""

from datetime import UTC, datetime, timedelta

import pytest

from safelight.console import attempts
from safelight.console.attempts import Attempts
from safelight.core.clock import SetClock

HERE, THERE = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def tried(clock: SetClock) -> Attempts:
    return Attempts(clock)


def fail(tried: Attempts, times: int, account: str = "jroe", address: str = HERE) -> None:
    for _ in range(times):
        tried.failed(account, address)


def test_an_account_waits_longer_after_each_failure_and_at_most_a_minute(tried: Attempts, clock: SetClock) -> None:
    fail(tried, 4)
    assert tried.seconds_to_wait("jroe", HERE) == 0
    waits = []
    for number in range(9):
        tried.failed("jroe", f"10.1.0.{number}")
        waits.append(tried.seconds_to_wait("jroe", THERE))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    clock.advance(timedelta(seconds=60))
    assert tried.seconds_to_wait("jroe", THERE) == 0
    assert tried.seconds_to_wait("other", THERE) == 0


def test_an_address_waits_whatever_accounts_it_tries(tried: Attempts) -> None:
    for number in range(25):
        tried.failed(f"account{number}", HERE)
    assert tried.seconds_to_wait("jroe", HERE) == 900
    assert tried.seconds_to_wait("jroe", THERE) == 0


def test_strangers_keep_no_owner_out_where_they_were_let_in_before(tried: Attempts) -> None:
    tried.succeeded("jroe", HERE)
    fail(tried, 9, address=THERE)
    assert tried.seconds_to_wait("jroe", THERE) > 0
    assert tried.seconds_to_wait("jroe", HERE) == 0
    fail(tried, 9, address=HERE)
    assert tried.seconds_to_wait("jroe", HERE) > 0, "nor does that open the door to guessing from there"


def test_success_forgets_what_the_account_failed_and_time_forgets_the_rest(tried: Attempts, clock: SetClock) -> None:
    fail(tried, 9)
    tried.succeeded("jroe", HERE)
    assert tried.seconds_to_wait("jroe", HERE) == 0
    fail(tried, 11, account="other")
    assert tried.seconds_to_wait("jroe", HERE) > 0, "a right password does not clear the address of wrong ones"
    clock.advance(timedelta(minutes=31))
    fail(tried, 1)
    assert tried.seconds_to_wait("jroe", HERE) == 0


def test_one_network_of_ipv6_is_one_address(tried: Attempts) -> None:
    for number in range(12):
        tried.failed(f"account{number}", f"2001:db8::{number:x}")
    assert tried.seconds_to_wait("jroe", "2001:db8::ffff") > 0
    assert tried.seconds_to_wait("jroe", "2001:db8:1::1") == 0
    for number in range(12):
        tried.failed(f"account{number}", "::ffff:10.0.0.9")
    assert tried.seconds_to_wait("jroe", "10.0.0.9") > 0


def test_what_is_remembered_has_an_end(tried: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "REMEMBERED_MAX", 100)
    for number in range(1000):
        tried.failed(f"account{number}", f"10.0.{number // 250}.{number % 250}")
    assert len(tried._failures) == 100
