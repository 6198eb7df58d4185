"""How the tests are shared out: whole files to two workers, the long ones first, so that none is left for the end."""

import pytest
from hypothesis import settings

# No test asserts a time: on a busy machine any example can be slow.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests before the others; the order within a file stays."""
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)
