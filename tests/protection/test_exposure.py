"""The exposure is never falsely zero."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from safelight.protection.exposure import (
    Cause,
    ExposureInputs,
    FeedWatch,
    SourceWatch,
    judge_exposure,
)
from safelight.protection.finding import FindingCode

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AGES = {"unpacked": 10, "lacking": 200, "claimed": 3000, "unsealed": 40}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def source(age: float | None) -> SourceWatch:
    return SourceWatch("PACS", None if age is None else ago(age), timedelta(hours=24))


def feed(age: float | None, *, watched: float = 100) -> FeedWatch:
    return FeedWatch("HL7", None if age is None else ago(age), ago(watched), timedelta(minutes=10))


@pytest.mark.parametrize(
    ("unpacked", "lacking", "claimed", "unsealed", "census", "heard"),
    list(
        product(
            [False, True],
            [False, True],
            [False, True],
            [False, True],
            ["no source", "never", "fresh", "stale"],
            ["no feed", "never", "fresh", "silent"],
        )
    ),
)
def test_every_combination_gives_the_oldest_age_or_says_what_is_unknown(
    unpacked: bool, lacking: bool, claimed: bool, unsealed: bool, census: str, heard: str
) -> None:
    sources = {"no source": (), "never": (source(None),), "fresh": (source(5000),), "stale": (source(86401),)}
    feeds = {"no feed": (), "never": (feed(None),), "fresh": (feed(300),), "silent": (feed(601),)}
    exposure = judge_exposure(
        ExposureInputs(
            oldest_unpacked_at=ago(AGES["unpacked"]) if unpacked else None,
            oldest_lacking_copies_at=ago(AGES["lacking"]) if lacking else None,
            oldest_claimed_unprotected_at=ago(AGES["claimed"]) if claimed else None,
            oldest_unsealed_at=ago(AGES["unsealed"]) if unsealed else None,
            sources=sources[census],
            feeds=feeds[heard],
        ),
        NOW,
    )
    codes = {finding.code for finding in exposure.findings}
    expected = {
        FindingCode.CENSUS_MISSING: census == "never",
        FindingCode.CENSUS_STALE: census == "stale",
        FindingCode.FEED_SILENT: heard == "silent",
        FindingCode.SOURCE_UNKNOWN: census == "no source",
    }
    assert codes == {code for code, raised in expected.items() if raised}
    assert "{" not in " ".join(map(str, exposure.because)), "every reason has its words"
    received_only = [str(reason) for reason in exposure.because if reason.cause is Cause.RECEIVED_ONLY]
    assert bool(received_only) == (census == "no source" and heard != "no feed")
    assert all("received here only" in told for told in received_only)
    if codes - {FindingCode.SOURCE_UNKNOWN} or (heard == "no feed" and census == "no source"):
        assert exposure.seconds is None
        return
    ages = [0]
    ages += [AGES["unpacked"]] * unpacked + [AGES["lacking"]] * lacking
    ages += [AGES["claimed"]] * claimed + [AGES["unsealed"]] * unsealed
    ages += [5000] * (census == "fresh") + {"fresh": [300], "never": [100]}.get(heard, [])
    assert exposure.seconds == max(ages)
    assert exposure.seconds > 0, "a census or a feed has an age"


def test_one_silent_feed_among_many_makes_the_exposure_unknown_and_is_named_first() -> None:
    feeds = (feed(5), FeedWatch("CT1", ago(9000), ago(9999), timedelta(minutes=10)))
    exposure = judge_exposure(ExposureInputs(sources=(source(60),), feeds=feeds), NOW)
    assert exposure.seconds is None
    assert (exposure.because[0].cause, exposure.because[0].subject) == (Cause.FEED_SILENT, "CT1")
    assert exposure.findings[0].hint


def test_a_feed_never_heard_falls_silent_after_its_allowed_silence() -> None:
    exposure = judge_exposure(ExposureInputs(feeds=(feed(None, watched=601),)), NOW)
    assert exposure.seconds is None
    assert [finding.code for finding in exposure.findings] == [FindingCode.FEED_SILENT, FindingCode.SOURCE_UNKNOWN]


@pytest.mark.parametrize(
    "inputs",
    [
        ExposureInputs(oldest_unpacked_at=ago(-600), sources=(source(5),)),
        ExposureInputs(sources=(source(-600),)),
        ExposureInputs(sources=(source(5),), feeds=(feed(-600),)),
    ],
)
def test_a_record_from_the_future_makes_every_age_untrustworthy(inputs: ExposureInputs) -> None:
    exposure = judge_exposure(inputs, NOW)
    assert exposure.seconds is None
    assert [finding.code for finding in exposure.findings] == [FindingCode.CLOCK_JUMPED]


def test_clocks_that_differ_a_little_are_no_finding() -> None:
    assert judge_exposure(ExposureInputs(oldest_unpacked_at=ago(-2), feeds=(feed(-2),)), NOW).seconds == 0


def test_a_store_alone_settles_nothing_about_the_pacs() -> None:
    exposure = judge_exposure(ExposureInputs(oldest_unpacked_at=ago(18), feeds=(feed(18),)), NOW)
    assert exposure.seconds == 18
    assert exposure.because[0].cause is Cause.RECEIVED_ONLY
    assert [finding.code for finding in exposure.findings] == [FindingCode.SOURCE_UNKNOWN]
