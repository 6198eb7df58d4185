"""What docs/mission.md says of a command, the command shows."""

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import pytest
from click.testing import CliRunner

from safelight.cli.main import program
from safelight.core.disk import RealDisk
from safelight.site.hl7_destinations import Destination, name_destination
from support.hl7_house import make_home

PAGE = Path(__file__).parents[2] / "docs/mission.md"
ROWS = re.findall(r"^\| (A\d+) \|.*\| ([^|]*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
COMMANDS = [(point, command) for point, cell in ROWS for command in re.findall(r"`safelight ([^`]*)`", cell)]

SHOWN: dict[str, dict[str, Sequence[str]]] = {
    "A1": {
        "plan show": (
            r"tier +system +in IT's plan +bought by +run by",
            r"1 +Directory +yes",
            r"2 +Finance +yes +IT +IT",
            r"4 +PACS +NO +radiology +radiology +nobody +Dana Kowalski +Emergency department, 4 h",
            r"PACS \(tier 4\): after Finance \(tier 2\), Nurse scheduling \(tier 2\)",
        )
    },
    "A2": {"plan assess": (r"^R01 .*PACS .*radiology bought and staffs it", r"^R05 .*no owner", r"^R08 ")},
    "A3": {"plan map": (r"Imaging subnet", r"Computer room")},
    "A4": {"plan assess": (r"^R16 .*pacs-copy: power, fabric, administrators", r"^R17 .*PACS")},
    "A5": {"plan assess": (r"^R04 .*IT: film and cd; radiology: hot copy",)},
    "A6": {"plan assess": (r"^R19 .*engine", r"^R20 .*orders", r"^R23 "), "gateway queue list": (r"^ris +0 waiting",)},
    "A7": {"plan assess": (r"^R10 .*PACS is in tier 4", r"^R39 .*IT: .*Radiology: ")},
    "A8": {"plan review": (r"^Invited: Dana Kowalski$", r"^ *\d+\. R06 ", r"^ *\d+\. R31 ", r"^ *\d+\. R35 ")},
    "A9": {"plan sign": (r"^it +\d+ parts to sign", r"^radiology +\d+ parts to sign")},
    "A10": {
        "plan show": (
            r"service +disruption +MTD +tolerance +IT says +estimate +caught up +measured",
            r"pacs: data \[",
            r"^Stroke +ransomware +RTO +4 d +2 d +1 d +1 d 4 h 30 min +1 d 5 h 30 min +22 h",
        ),
        "plan impact": (r"backlog max +CT", r"beyond during +stroke"),
    },
    "A11": {
        "plan print": (r"Restore PACS.*Meanwhile, radiology",),
        "plan pack": (r"Restore PACS.*Meanwhile, radiology",),
    },
}
NEEDS_400_BEDS = ("A10", "A11")
FEWER: dict[str, list[str]] = {"plan impact": ["--seeds", "3"]}
"""What makes a command quicker and shows the same."""


@pytest.mark.parametrize(("point", "command"), COMMANDS)
def test_a_command_shows_what_the_page_says(point: str, command: str, tmp_path: Path) -> None:
    home = make_home(tmp_path)
    name_destination(RealDisk(), home.destinations, Destination("ris", "127.0.0.1", 1))
    folder = tmp_path / "plan"
    example = "400-bed" if point in NEEDS_400_BEDS else "100-bed"
    assert shown(["plan", "init", str(folder), "--from", example])
    words = command.split()
    name = named(command)
    places = {
        "FOLDER": str(folder),
        "HOME": str(home.directory),
        "FILE": str(tmp_path / "file"),
        "PAPER": str(tmp_path / "out"),
    }
    typed = [re.sub(r"\b(FOLDER|HOME|FILE|PAPER)\b", lambda found: places[found[1]], word) for word in words]
    told = shown([*typed, *FEWER.get(name, [])])
    written = [*tmp_path.glob("file.svg"), *tmp_path.glob("out/*.html")]
    told = "\n".join([told, *(one.read_text("utf-8") for one in written)])
    for needle in SHOWN[point][name]:
        assert re.search(needle, told, re.MULTILINE | re.DOTALL if written else re.MULTILINE), (
            f"{needle}\n{told[:4000]}"
        )


def test_every_point_of_the_article_names_a_command() -> None:
    assert [point for point, _ in ROWS] == [f"A{number}" for number in range(1, 12)]
    looked_at = {(point, name) for point, commands in SHOWN.items() for name in commands}
    assert {(point, named(command)) for point, command in COMMANDS} == looked_at


def named(command: str) -> str:
    """Return a command without what it is given, which is in capitals or an option."""
    return " ".join(takewhile(re.compile(r"[a-z]+$").match, command.split()))


def shown(words: list[str]) -> str:
    done = CliRunner().invoke(program, words, standalone_mode=False)
    assert done.exception is None, done.exception
    return done.stdout
