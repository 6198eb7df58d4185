"""Write docs/cases/README.md: published outages beside what the simulation says of them. Run by `make docs`."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from safelight.impact.summary import Spread
from safelight.site.impact_report import Report, report

CASES = Path(__file__).parents[1] / "docs/cases"
PAGE = CASES / "README.md"
SEEDS = 10
HEAD = """# Published outages, beside the simulation

Made by `make docs` with ten fixed seeds; do not edit. The files beside this page are the departments. Only what the first line of each file
calls published is; the rest is assumed, so the comparison shows whether orders of magnitude fit, not whether decimals do. Values are medians
over seeds, in brackets where nine seeds of ten lie. Sources: diagnosticimaging.com (Toland), Carestream blog by Dr Sheehy and Irish Times (St James's
and the HSE), vtdigger, WAMC and Becker's (UVM). [general-hospital.yaml](general-hospital.yaml) is an invented hospital for trying out.

"""


class Case(NamedTuple):
    """A published outage: its file and scenario, what was published, and why the model differs."""

    file: str
    scenario: str
    published: str
    differs: str
    weeks: int


TABLE = (
    Case(
        "toland",
        "fully down for 8 h",
        "8 h fully down; about 64 exams would come in 8 h at the mean rate of 8.0 an hour.",
        "The model stops all work at 8 in the morning of a working day, when more than 20 exams an hour come and not the mean 8, so its backlog is "
        "almost three times 64. What we read does not say at which hour it began, or whether devices went on acquiring; an hour of night gives less.",
        4,
    ),
    Case(
        "toland",
        "down for 8 h and 27 h of tape restore",
        "27 h of tape restore after it, then 24 h of reconciliation of about 56 studies an hour; the last full backup was a week old.",
        "The model reconciles only the exams of the outage itself. Published were 24 h because images of up to a week since the last full backup (about "
        "1,340 exams) were sent and matched again: at 3 minutes and 6.4 % errors of 15 minutes by 3 people these are "
        "about 30 h of the clock, of the order of the published 24 h. The difference is data loss, which `plan` must bring in: exposure, not the queue.",
        4,
    ),
    Case(
        "st-jamess",
        "six days without the PACS",
        "6 days without the PACS at St James's, about 4 months to full service in the HSE; outpatients at 40 % on day 13.",
        "With 60 % of planned work postponed the model has no queue left at the restore, on a Sunday morning; what remains is the work of reconciling and "
        "the postponed exams, spread over the four weeks that we assumed. 4 months are far longer: they hold the rebuilding of other systems, which this model does not know.",
        5,
    ),
    Case(
        "uvm",
        "four weeks",
        "28 days to rebuild; plans had been for 3 to 5 days; more than US$63 M lost at day 42 for the whole network.",
        "The model gives no money, since no unit values were published and the sum is not imaging's alone. It shows what a plan for 3 to 5 days does not "
        "meet: disks of the assumed size are full after two weeks, and reconciling takes three people weeks.",
        8,
    ),
)
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
    document: dict[str, Any] = yaml.safe_load((CASES / f"{case.file}.yaml").read_bytes())
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


def page() -> str:
    """Return the page."""
    return HEAD + "\n".join(_section(case) for case in TABLE)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name}: {len(TABLE)} cases")
