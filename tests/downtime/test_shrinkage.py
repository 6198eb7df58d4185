"""When a newer edition of a worklist is believed."""

import pytest

from safelight.downtime.shrinkage import Shrinkage, Start, shrinkage

NOW = "20260302120000"
PAST, LATER, YESTERDAY = Start("20260302", "080000"), Start("20260302", "150000"), Start("20260301", "100000")
OLD, WHOLE_DAY = Start("20260201", "100000"), Start("20260302", "")


@pytest.mark.parametrize(
    ("before", "got", "expected"),
    [
        ([], [], None),
        ([LATER], [], Shrinkage(1, 0)),
        ([PAST], [], Shrinkage(1, 0)),
        ([OLD] * 50, [], None),
        ([Start("", "")], [], Shrinkage(1, 0)),
        ([PAST] * 50, [LATER], None),
        ([LATER] * 50, [LATER] * 25, None),
        ([LATER] * 50, [LATER] * 24 + [PAST] * 99, Shrinkage(50, 24)),
        ([LATER] * 5, [PAST], Shrinkage(5, 0)),
        ([LATER] * 4, [PAST], None),
        ([WHOLE_DAY] * 9, [PAST], Shrinkage(9, 0)),
        ([YESTERDAY] * 9 + [LATER], [LATER], None),
    ],
)
def test_what_is_done_may_go_and_what_is_ahead_may_not(
    before: list[Start], got: list[Start], expected: Shrinkage | None
) -> None:
    assert shrinkage(before, got, now=NOW, first_day="20260301", percent_max=50) == expected
