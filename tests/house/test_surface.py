"""Every command, setting and error code has its place in the documents."""

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import click
import pytest

from safelight.cli.main import COMMANDS, program
from safelight.site.settings import Settings

ROOT = Path(__file__).parents[2]


def _operating() -> str:
    return (ROOT / "docs/operating.md").read_text()


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


ALL_COMMANDS = dict(_commands(program, "safelight"))


def _errors_page() -> object:
    spec = importlib.util.spec_from_file_location("errors_page", ROOT / "tools/errors_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(ALL_COMMANDS))
def test_every_command_is_documented(path: str) -> None:
    assert f"`{path}" in _operating() or f"    {path}" in _operating()


@pytest.mark.parametrize("path", sorted(ALL_COMMANDS))
def test_every_command_and_option_explains_itself(path: str) -> None:
    command = ALL_COMMANDS[path]
    assert command.help
    assert not [one.name for one in command.params if isinstance(one, click.Option) and not one.help]


def test_every_command_that_reads_a_home_can_answer_a_program() -> None:
    for path, command in ALL_COMMANDS.items():
        options = {option for one in command.params for option in one.opts}
        if "--home" in options:
            assert "--json" in options, path


def test_no_document_names_a_command_that_is_not_there() -> None:
    known = set(ALL_COMMANDS) | {f"safelight {name}" for name in COMMANDS}
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for words in re.findall(
            r"(?:`|^    (?:\.venv/bin/)?)(safelight(?: [a-z-]+)+)", document.read_text(), re.MULTILINE
        ):
            parts = words.split()
            assert any(" ".join(parts[:length]) in known for length in range(2, len(parts) + 1)), f"{document}: {words}"


def _settings() -> Iterator[str]:
    for section in fields(Settings):
        default = section.default_factory() if callable(section.default_factory) else section.default
        assert is_dataclass(default)
        yield from (one.name for one in fields(default))


@pytest.mark.parametrize("name", sorted(set(_settings())))
def test_every_setting_is_documented(name: str) -> None:
    assert re.search(rf"\b{name}\b", _operating())


def test_the_page_of_error_codes_is_what_the_code_says() -> None:
    page = _errors_page()
    assert (ROOT / "docs/errors.md").read_text() == page.page(), "run: make docs"  # type: ignore[attr-defined]


def test_every_error_says_who_must_act_and_what_to_do() -> None:
    page = _errors_page()
    for error in page.error_classes():  # type: ignore[attr-defined]
        assert page.family_of(error)  # type: ignore[attr-defined]
        assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+", error.code), error
        assert error.hint, error.code
        assert error.__doc__, error.code
