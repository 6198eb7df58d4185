"""Write docs/cases/README.md: published outages beside what the simulation says of them. Run by `make docs`."""

from copy import deepcopy
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import yaml

from safelight.impact.summary import Spread
from safelight.site.impact_file import department_document
from safelight.site.impact_report import Report, report

CASES = Path(__file__).parents[1] / "docs/cases"
PAGE = CASES / "README.md"
SEEDS = 10
SEEDS_TRIED = 4
HEAD = """# Published outages, beside the simulation

Made by `make docs` with ten fixed seeds (four where an input is tried); do not edit. The files beside this page are
the departments. Each input says whether it was published, and where, or is assumed; an assumed one is tried lower and
higher, all else equal. So the comparison shows whether orders of magnitude fit and what they rest on, not whether
decimals do. Values are medians over seeds, in brackets where nine seeds of ten lie.
[general-hospital.yaml](general-hospital.yaml) is an invented hospital for trying out.

"""
MEASURES = {
    "downtime_exams": "exams done during the outage, without worklist",
    "deferred": "exams postponed",
    "backlog": "exams waiting to begin at the restore",
    "backlog_clearance_hours": "hours from the restore until that is as usual",
    "unread_max": "most exams unread at one time",
    "unread_clearance_hours": "hours from the restore until unread is as usual",
    "disk_full_hours": "hours until modality disks are full",
    "reconciliation_hours": "hours of work to reconcile",
    "delay_exam_hours": "exam-hours of additional waiting",
}


@dataclass(frozen=True)
class Assumed:
    """An input that was not published, where it stands, and what else it may be."""

    what: str
    at: str
    tried: tuple[Any, ...] = ()
    times: tuple[float, ...] = ()
    shown: str = ""

    def used(self, document: dict[str, Any]) -> str:
        """Say what the case uses, and what is tried beside it."""
        if self.shown:
            return self.shown
        value = self._value(document)
        first, second = self._others(value)
        return f"{value:,g}, or {first:,g} and {second:,g}"

    def documents(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the case with each of the other values."""
        told = []
        for other in self._others(self._value(document)):
            changed = deepcopy(document)
            *way, last = self.at.split(".")
            self._walk(changed, way)[int(last) if last.isdigit() else last] = other
            told.append(changed)
        return told

    def _others(self, value: Any) -> tuple[Any, ...]:
        return self.tried or tuple(value * one for one in self.times)

    def _value(self, document: dict[str, Any]) -> Any:
        *way, last = self.at.split(".")
        return self._walk(document, way).get(last)

    @staticmethod
    def _walk(document: Any, way: list[str]) -> Any:
        for step in way:
            document = document[int(step) if step.isdigit() else step]
        return document


class Case:
    """A published outage: its file and scenario, what was published of it, and why the model differs."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.assumed = [
            Assumed(**{key: tuple(value) if isinstance(value, list) else value for key, value in one.items()})
            for one in told["assumed"]
        ]
        whole = department_document(CASES / f"{told['file']}.yaml")
        scenario = next(one for one in whole["scenarios"] if one["name"] == told["scenario"])
        self.document = {"department": whole["department"], "scenario": scenario}

    def run(self, document: dict[str, Any], seeds: int) -> Report:
        """Simulate the case with these inputs."""
        whole = {"department": document["department"], "scenarios": [document["scenario"]]}
        return report(whole, None, None, seeds, self.told["weeks"], 0.95, False, workers=1)

    def section(self) -> str:
        """Write the case."""
        told, name = self.told, self.told["file"]
        department = self.document["department"]["name"]
        return "\n".join(
            [
                f"## {department}: {told['scenario']}",
                "",
                f"Published: {told['published']} Department: [{name}.yaml]({name}.yaml).",
                "",
                *self._answers(self.run(self.document, SEEDS)),
                "",
                *self._inputs(),
                "",
                f"Where it differs and why: {told['differs']}",
                "",
            ]
        )

    def _answers(self, found: Report) -> list[str]:
        lines = ["| the model says | |", "| --- | --- |"]
        figures = found.summary.figures
        for measure, words in MEASURES.items():
            lines += [f"| {words} | {_spread(one)} |" for (of, _), one in sorted(figures.items()) if of == measure]
        for service in found.department.services:
            share = figures.get(("beyond_share", service.name))
            if share is not None and share.median is not None:
                first = figures["first_breach_hours", service.name]
                limit = f"result within {service.result_minutes:g} min"
                lines.append(f"| {service.name}: share beyond the limit ({limit}) | {_spread(share)} |")
                lines.append(f"| {service.name}: hours until the first breach | {_spread(first)} |")
        return lines

    def _inputs(self) -> list[str]:
        outcome = self.told["outcome"]
        usual = self._outcome(self.document)
        rows, moved = [], {}
        for one in self.assumed:
            found = [self._outcome(document) for document in one.documents(self.document)]
            moved[one.what] = max(abs((inf if value is None else value) - (usual or 0.0)) for value in found)
            words = " and ".join(_word(value) for value in found)
            rows.append(f"| {one.what} | {one.used(self.document)} | assumed | {words} |")
        most = "; ".join(what for what, by in moved.items() if by == max(moved.values()))
        known = [f"| {one['what']} | {one['value']} | {one['source']} | |" for one in self.told["known"]]
        return [
            f"| input | used, and tried | from | {MEASURES[outcome]}: {_word(usual)}, or |",
            "| --- | --- | --- | --- |",
            *known,
            *rows,
            "",
            f"Of what is assumed, this moves it most: {most}.",
        ]

    def _outcome(self, document: dict[str, Any]) -> float | None:
        figures = self.run(document, SEEDS_TRIED).summary.figures
        return next(one.median for (measure, _), one in sorted(figures.items()) if measure == self.told["outcome"])


def _word(value: float | None) -> str:
    # Two digits: more would be noise, and would tie the page to one machine's last bit.
    return "not seen" if value is None else f"{float(f'{value:.2g}'):,g}"


def _spread(one: Spread) -> str:
    return f"{_word(one.median)} [{_word(one.low)} to {_word(one.high)}]"


def published() -> list[Case]:
    """Return the cases."""
    return [Case(one) for one in yaml.safe_load((CASES / "published.yaml").read_bytes())]


def page() -> str:
    """Return the page."""
    return HEAD + "\n".join(one.section() for one in published())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name}: {len(published())} cases")
