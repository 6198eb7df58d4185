"""Every act that a command line can ask for names a function that is there and takes what it is given."""

import importlib
import inspect

import pytest

from safelight.site.acts import AT_ONCE, HERE, WITH_PROGRESS


@pytest.mark.parametrize(
    ("place", "takes"),
    [(place, ["site", "told", "report"]) for place in WITH_PROGRESS.values()]
    + [(place, ["site", "told"]) for place in AT_ONCE.values()],
)
def test_an_act_is_a_function_that_takes_what_it_is_given(place: str, takes: list[str]) -> None:
    module, _, function = place.partition(":")
    found = getattr(importlib.import_module(f"safelight.site.{module}"), function)
    parameters = inspect.signature(found).parameters
    assert list(parameters)[: len(takes)] == takes
    assert all(one.default is not one.empty for one in list(parameters.values())[len(takes) :])


def test_no_act_stands_in_two_places() -> None:
    names = [*HERE, *WITH_PROGRESS, *AT_ONCE]
    assert len(names) == len(set(names))
