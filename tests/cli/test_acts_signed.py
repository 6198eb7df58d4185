"""Acts that patients or auditors feel: none without a reason and a name, and none done by looking first."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from safelight.cli.main import program
from safelight.journal.kinds import FactKind
from safelight.site.downtime_exams import BadStep
from safelight.site.home import Home
from safelight.site.saying import NotSigned
from support.hl7_house import make_home, opened, order
from support.served_home import free_port

WHO = ["--reason", "upgrade of the PACS", "--by", "A. Admin"]
SIGNED: dict[str, Sequence[str]] = {
    "gateway commitment ask": ["--to", "PACS@127.0.0.1:104"],
    "gateway procedure-steps forward": ["--to", "RIS@127.0.0.1:104"],
    "gateway queue hold": ["PACS"],
    "gateway queue release": ["PACS"],
    "gateway queue skip": ["PACS", "--message", "1"],
    "gateway queue replay": ["PACS", "--message", "1"],
    "downtime cancel": ["--scope", "pacs"],
    "downtime close": ["--scope", "pacs"],
    "downtime declare": ["--scope", "pacs"],
    "downtime end": ["--scope", "pacs"],
    "downtime recover": ["--scope", "pacs"],
    "downtime device check": ["CT1", "--item", "worklist"],
    "downtime exam cancel": ["D1"],
    "downtime exam identify": ["D1", "--patient-id", "P1"],
    "downtime numbers allot": ["--for", "accession", "--site", "S", "--device", "CT1", "--count", "1"],
    "downtime numbers reserve": ["--for", "accession", "--prefix", "D", "--first", "1", "--last", "9"],
    "console certificate renew": [],
    "recovery pause": [],
    "recovery release": ["1.2"],
    "recovery resume": [],
    "recovery start": ["--target", "PACS@127.0.0.1:104"],
    "reconciliation decide": ["D1", "--as", "left"],
    "reconciliation match": ["D1"],
    "reconciliation undo": ["1"],
    "drill run": ["--type", "table-top"],
}
ONE_BY_ONE = {
    *(f"console account {verb}" for verb in ("add", "password", "remove", "role")),
    "drill item assign",
    "drill item close",
}
"""They ask for an account or a drill first."""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    home = make_home(tmp_path, free_port()).directory

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(program, [*arguments, "--home", str(home)], catch_exceptions=False)

    assert run("gateway", "destination", "add", "PACS", "127.0.0.1:1").exit_code == 0
    return run


def _signed_commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _signed_commands(command, (*path, name))
        elif command is not None and {"reason", "by"} <= {one.name for one in command.params if one.required}:
            yield " ".join((*path, name))


def test_every_signed_act_is_tried_here() -> None:
    assert set(_signed_commands(program)) == set(SIGNED) | ONE_BY_ONE


@pytest.mark.parametrize("signature", [["", "A. Admin"], ["upgrade", " "]], ids=["no reason", "no name"])
@pytest.mark.parametrize("command", SIGNED)
def test_an_act_without_a_reason_or_a_name_is_refused(run: Run, command: str, signature: list[str]) -> None:
    reason, by = signature
    with pytest.raises((NotSigned, BadStep)):
        raise AssertionError(run(*command.split(), *SIGNED[command], "--reason", reason, "--by", by).output)


def _facts(home: Path) -> list[FactKind]:
    with opened(Home.at(home)) as site:
        return [FactKind(one.kind) for one in site.records.journal.entries()]


def test_looking_first_at_a_queue_records_nothing(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "one.hl7").write_bytes(order(1))
    before = _facts(tmp_path / "home")
    looked = run("gateway", "import", str(folder), "--dry-run")
    assert "1 messages in 1 files; nothing was kept" in looked.output
    held = run("gateway", "queue", "hold", "PACS", "--dry-run", *WHO)
    assert (held.exit_code, held.output) == (0, "PACS would be held; 0 messages wait.\n")
    assert _facts(tmp_path / "home") == before

    assert run("gateway", "queue", "hold", "PACS", *WHO).output == "PACS is held; 0 messages wait.\n"
    after = _facts(tmp_path / "home")
    assert after == [*before, FactKind.HL7_HELD]
    released = run("gateway", "queue", "release", "PACS", "--dry-run", *WHO)
    assert released.output == "Everything, 0 messages, would go to PACS.\n"
    assert _facts(tmp_path / "home") == after
