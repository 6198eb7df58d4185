"""Write docs/cases/README.md: published outages beside what the simulation says of them. Run by `make docs`."""

from pathlib import Path
from typing import NamedTuple

import yaml

from safelight.impact.summary import Spread
from safelight.site.impact_file import department_document
from safelight.site.impact_report import Report, report

CASES = Path(__file__).parents[1] / "docs/cases"
PAGE = CASES / "README.md"
SEEDS = 10
HEAD = """# Published outages, beside the simulation

Made by `make docs` with ten fixed seeds; do not edit. The files beside this page are the departments. Only what the
first line of each file calls published is; the rest is assumed, so the comparison shows whether orders of magnitude
fit, not whether decimals do. Values are medians over seeds, in brackets where nine seeds of ten lie. Sources:
diagnosticimaging.com (Toland), Carestream blog by Dr Sheehy and Irish Times (St James's and the HSE), vtdigger, WAMC
and Becker's (UVM). [general-hospital.yaml](general-hospital.yaml) is an invented hospital for trying out.

"""


class Case(NamedTuple):
    """A published outage: its file and scenario, what was published, and why the model differs."""

    file: str
    scenario: str
    published: str
    differs: str
    weeks: int


MEASURES = (
    ("downtime_exams", "exams done during the outage, without worklist"),
    ("deferred", "exams postponed"),
    ("backlog", "exams waiting to begin at the restore"),
    ("backlog_clearance_hours", "hours from the restore until that is as usual"),
    ("unread_max", "most exams unread at one time"),
    ("unread_clearance_hours", "hours from the restore until unread is as usual"),
    ("disk_full_hours", "hours until modality disks are full"),
    ("reconciliation_hours", "hours of work to reconcile"),
    ("delay_exam_hours", "exam-hours of additional waiting"),
)


def _value(one: Spread) -> str:
    def word(value: float | None) -> str:
        # Two digits: more would be noise, and would tie the page to one machine's last bit.
        return "not seen" if value is None else f"{float(f'{value:.2g}'):,g}"

    return f"{word(one.median)} [{word(one.low)} to {word(one.high)}]"


def _section(case: Case) -> str:
    document = department_document(CASES / f"{case.file}.yaml")
    told: Report = report(document, case.scenario, None, SEEDS, case.weeks, 0.95, False, workers=1)
    lines = [
        f"## {told.department.name}: {case.scenario}",
        "",
        f"Published: {case.published} Department: [{case.file}.yaml]({case.file}.yaml).",
        "",
    ]
    lines += ["| the model says | |", "| --- | --- |"]
    figures = told.summary.figures
    for measure, words in MEASURES:
        for (name, _), one in sorted(figures.items()):
            if name == measure:
                lines.append(f"| {words} | {_value(one)} |")
    for service in told.department.services:
        share = figures.get(("beyond_share", service.name))
        if share is not None and share.median is not None:
            first = figures["first_breach_hours", service.name]
            limit = f"result within {service.result_minutes:g} min"
            lines.append(f"| {service.name}: share beyond the limit ({limit}) | {_value(share)} |")
            lines.append(f"| {service.name}: hours until the first breach | {_value(first)} |")
    return "\n".join([*lines, "", f"Where it differs and why: {case.differs}", ""])


def published() -> list[Case]:
    """Return the cases."""
    return [Case(**one) for one in yaml.safe_load((CASES / "published.yaml").read_bytes())]


def page() -> str:
    """Return the page."""
    return HEAD + "\n".join(_section(case) for case in published())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name}: {len(published())} cases")
