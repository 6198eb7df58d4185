import contextlib
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from safelight.evidence.record import Outcome
from safelight.evidence.report import OPEN_LISTED_MAX, moment_in_words, report_html, report_pdf, span_in_words
from support.evidence_record import STUDY_ROOT, record, study


def test_the_verdict_stands_first_and_says_how_many_are_not_confirmed() -> None:
    assert "Every study was confirmed: 24 of 24." in report_html(record(troubled=False))
    told = report_html(record())
    assert "3 of 24 studies are not confirmed." in told
    assert "equal only at pixels" in told


def test_a_recovery_of_nothing_is_not_called_confirmed() -> None:
    page = report_html(replace(record(), studies=[]))
    assert "Every study was confirmed" not in page
    assert "Nothing matched" in page


def test_questions_that_nobody_answered_are_called_unanswered() -> None:
    asked = replace(record().asked, side_effects_accepted=(), side_effects="unanswered")
    assert "unanswered: nobody said whether routing" in report_html(replace(record(), asked=asked))
    assert "unanswered" not in report_html(record())


def test_what_people_wrote_cannot_change_the_page() -> None:
    told = report_html(record())
    assert "The storage array &lt;A&gt; died &amp; was rebuilt" in told
    assert "<A>" not in told


def test_studies_stand_under_pseudonyms_unless_told_otherwise() -> None:
    assert STUDY_ROOT not in report_html(record())
    assert f"{STUDY_ROOT}4" in report_html(record(), with_identity=True)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    told = report_html(record())
    assert not any(mark in told for mark in ("http:", "https:", "src=", "url(", "@import"))


def test_a_long_list_is_cut_and_counted() -> None:
    failed = [study(number, outcome=Outcome.FAILED, why="refused") for number in range(OPEN_LISTED_MAX + 7)]
    assert "and 7 more in studies.csv" in report_html(replace(record(), studies=failed))


def test_many_studies_make_a_page_of_ordinary_size() -> None:
    many = [study(number % 50) for number in range(20_000)]
    assert len(report_html(replace(record(), studies=many))) < 20_000


def test_the_pdf_carries_its_fonts_and_language() -> None:
    pdf = report_pdf(report_html(record()))
    assert pdf.startswith(b"%PDF-")
    inside = pdf
    for stream in re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL):
        with contextlib.suppress(zlib.error):
            inside += zlib.decompress(stream)
    assert re.search(rb"/FontFile[23]", inside)
    assert b"DejaVu" in inside
    assert b"/Lang (en)" in inside


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (None, "not known"),
        (timedelta(seconds=98), "98.0 s"),
        (timedelta(seconds=150), "2 min 30 s"),
        (timedelta(seconds=3599.7), "1 h 00 min"),
        (timedelta(hours=49, minutes=5), "49 h 05 min"),
    ],
)
def test_spans_are_written_as_people_say_them(span: timedelta | None, words: str) -> None:
    assert span_in_words(span) == words


def test_moments_are_written_in_utc() -> None:
    assert moment_in_words(datetime(2026, 3, 10, 14, 30, tzinfo=UTC)) == "2026-03-10 14:30:00 UTC"
    assert moment_in_words(None) == "not known"
