"""What can be wrong with a department or a scenario."""

from typing import ClassVar

from safelight.core.errors import UsageError


class BadModel(UsageError):
    """The department or the scenario holds a value that cannot be."""

    code: ClassVar[str] = "impact.bad-model"
    hint: ClassVar[str] = (
        "The fact `where` is the path in the file; docs/impact.md describes each value and its bounds."
    )


class Overloaded(UsageError):
    """More work arrives in a week than can be done in it, even without an outage, so that every wait grows for ever."""

    code: ClassVar[str] = "impact.overloaded"
    hint: ClassVar[str] = (
        "Utilisation must be below 1. Add devices, readers or hours, or correct arrivals and durations. "
        "A real department that lives with this has staff or hours that the file does not show."
    )


class TooLarge(UsageError):
    """The simulation would take more exams than one run may hold."""

    code: ClassVar[str] = "impact.too-large"
    hint: ClassVar[str] = (
        "Check per_week (a week, not a year) and the horizon; split a group of hospitals by department."
    )


class BadFile(UsageError):
    """The file of the department cannot be read as YAML."""

    code: ClassVar[str] = "impact.bad-file"
    hint: ClassVar[str] = "The facts give the line and column. docs/cases/ has files that work."


class NoScenario(UsageError):
    """The file has no scenario of this name."""

    code: ClassVar[str] = "impact.no-scenario"
    hint: ClassVar[str] = "The fact `known` lists those that it has."
