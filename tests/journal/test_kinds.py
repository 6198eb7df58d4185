"""The register of kinds is whole: whatever the program writes into the journal is explained in it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import safelight
from safelight.journal.kinds import FactKind
from safelight.recovery.facts import KINDS

SOURCE = Path(safelight.__file__).parent
WRITERS = {"record", "append_all", "record_all"}


def _written() -> Iterator[tuple[str, str]]:
    """Give every kind that stands in the source: of classes of facts, and given to whatever records."""
    for path in sorted(SOURCE.rglob("*.py")):
        place = str(path.relative_to(SOURCE))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield from ((kind, place) for kind in _of_class(node))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _writes(node.func):
                yield from ((kind, place) for one in node.args for kind in _of_argument(one))


def _writes(called: ast.Attribute) -> bool:
    return called.attr in WRITERS or (called.attr == "append" and ast.unparse(called.value).endswith("journal"))


def _of_class(node: ast.ClassDef) -> Iterator[str]:
    for line in node.body:
        if (
            isinstance(line, ast.AnnAssign)
            and ast.unparse(line.target) == "kind"
            and isinstance(line.value, ast.Constant)
        ) and ast.unparse(line.annotation).startswith("ClassVar"):
            yield str(line.value.value)


def _of_argument(node: ast.expr) -> Iterator[str]:
    """Give what looks like a kind: words in lower case with hyphens, alone or first in a pair."""
    if isinstance(node, ast.List):
        for one in node.elts:
            yield from _of_argument(one)
    elif isinstance(node, ast.Tuple) and node.elts:
        yield from _of_argument(node.elts[0])
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        words = node.value.split("-")
        if len(words) > 1 and all(word.isalpha() and word.islower() for word in words):
            yield node.value


def test_every_kind_that_is_written_is_in_the_register() -> None:
    written = set(_written())
    assert {"finding-opened", "finding-closed", "recovery-study-released"} <= {kind for kind, _ in written}
    assert [(kind, place) for kind, place in written if kind not in set(FactKind)] == []


def test_every_kind_of_a_recovery_in_the_register_is_one_that_is_written() -> None:
    assert {kind for kind in FactKind if kind.startswith("recovery-")} == set(KINDS)
