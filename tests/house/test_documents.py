"""Documents and code say the same."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changes/*.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)\)")


def _contract(name: str) -> dict[str, list[str]]:
    contracts = tomllib.loads((ROOT / "importlinter.toml").read_text())["tool"]["importlinter"]["contracts"]
    return next(one for one in contracts if one["id"] == name)


def _packages() -> set[str]:
    return {path.parent.name for path in (ROOT / "src/safelight").glob("*/__init__.py")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_in_a_document_leads_somewhere(document: Path) -> None:
    dead = [
        link
        for link in LINK.findall(document.read_text())
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert not dead


def test_every_package_has_a_row_in_the_architecture() -> None:
    rows = set(re.findall(r"^\| `([a-z]+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
    assert _packages() <= rows


def test_every_package_says_what_it_is_for_in_its_first_line() -> None:
    for name in _packages():
        assert (ROOT / "src/safelight" / name / "__init__.py").read_text().startswith('"""'), name


def test_every_invariant_of_the_design_is_written_down_and_names_its_proof() -> None:
    rows = re.findall(r"^\| (I\d) \| .*\*must.*\| (.+) \|$", (ROOT / "docs/invariants.md").read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == [f"I{number}" for number in range(1, 10)]


def test_every_test_that_the_invariants_name_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs/invariants.md").read_text())
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]


def test_decisions_are_numbered_without_gaps_and_say_what_was_given_up() -> None:
    files = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [path.name[:4] for path in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]
    for path in files:
        text = path.read_text()
        assert text.startswith(f"# {path.name[:4]} ")
        assert all(f"**{part}.**" in text for part in ("Question", "Choice", "What we gave up")), path.name


def test_no_download_address_stands_in_the_tree() -> None:
    address = re.compile(r"https?://[^\" ]+\.(whl|tgz|tar\.gz|deb)|--index-url|--extra-index-url")
    files = [ROOT / "requirements.lock", ROOT / "pyproject.toml", ROOT / "Makefile", *(ROOT / "tools").iterdir()]
    assert not [str(path) for path in files if path.is_file() and address.search(path.read_text())]


def test_everything_that_pyproject_asks_for_is_pinned_with_a_hash() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"], "hatchling", "editables"]
    lock = (ROOT / "requirements.lock").read_text()
    for line in wanted:
        name = re.split(r"[<>=!\[ ]", line)[0].lower()
        assert re.search(rf"^{re.escape(name)}==\S+.*\\\n    --hash=sha256:", lock, re.MULTILINE), name


def test_every_make_target_that_a_document_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"(?:`|^    )make ([a-z]+)", document.read_text(), re.MULTILINE)
    }
    assert named
    assert named <= targets


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager", "misc"])
def test_no_module_hides_behind_an_empty_word(word: str) -> None:
    assert not [path for path in (ROOT / "src").rglob("*.py") if word in path.stem.split("_")]
