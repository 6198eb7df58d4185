"""The tables of the conformance statements are as the code has them."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import conformance_pages  # noqa: E402  # a tool, not a package


@pytest.mark.parametrize("path", conformance_pages.PAGES, ids=lambda path: path.name)
def test_the_tables_of_a_page_are_as_the_code_has_them(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert conformance_pages.page(text) == text, "run: make docs"


def test_every_table_stands_in_a_page() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in conformance_pages.PAGES)
    assert {name for name in conformance_pages.TABLES if f"<!-- table {name} -->" not in text} == set()


def test_no_table_of_a_page_is_empty() -> None:
    for path in conformance_pages.PAGES:
        lines = path.read_text(encoding="utf-8").splitlines()
        begun = [number for number, line in enumerate(lines) if line.startswith("<!-- table ")]
        assert begun and not [lines[number] for number in begun if lines[number + 1] == "<!-- end -->"], path.name
