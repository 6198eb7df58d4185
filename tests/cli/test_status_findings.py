"""What `safelight status` says of many findings."""

from typing import Any

import pytest

from safelight.cli.start import _show_findings
from safelight.site.status import gravest_first


def finding(code: str, subject: str, severity: str) -> dict[str, Any]:
    return {"code": code, "subject": subject, "severity": severity, "hint": f"Look at {code}."}


def test_the_gravest_come_first_and_equal_ones_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    studies = [finding("recovery.study-open", f"1/{number}", "serious") for number in range(92)]
    found = [
        finding("gateway.hl7-stray", "host", "note"),
        *studies,
        finding("vault.copy-damaged", "home/a", "critical"),
    ]
    sorted_ = gravest_first(found)
    assert sorted(map(str, sorted_)) == sorted(map(str, found))
    _show_findings(sorted_)
    assert capsys.readouterr().out.splitlines() == [
        "Open findings: 94",
        "  critical vault.copy-damaged: home/a",
        "    What to do: Look at vault.copy-damaged.",
        "  serious  recovery.study-open, 92 times: 1/0  1/1  1/2  and 89 more",
        "    What to do: Look at recovery.study-open.",
        "  note     gateway.hl7-stray: host",
        "    What to do: Look at gateway.hl7-stray.",
        "  All of them: safelight status --json",
    ]


def test_one_code_that_is_graver_in_one_place_is_told_where_it_is_grave(capsys: pytest.CaptureFixture[str]) -> None:
    _show_findings(gravest_first([finding("c.one", "a", "serious"), finding("c.one", "b", "critical")]))
    told = capsys.readouterr().out
    assert told.index("critical c.one: b") < told.index("serious  c.one: a")


def test_a_finding_about_nothing_in_particular_names_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    _show_findings([finding("protection.source-unknown", "", "serious")])
    assert "  serious  protection.source-unknown\n" in capsys.readouterr().out
