from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from safelight.core.errors import StateError
from safelight.core.progress import Progress, Report
from safelight.gateway.control import ControlServer, NotServing, Relayed, command, is_serving


class Busy(StateError):
    """It is busy."""

    code = "test.busy"
    hint = "Wait."


def handler(act: str, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    if act == "busy":
        raise Busy(study="1.2.3")
    if act == "defect":
        raise ZeroDivisionError
    report(Progress("count", 1, 2, "things", "half"))
    return {"act": act, **told}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    deep = tmp_path / ("deep" * 20) / ("deeper" * 20)
    deep.mkdir(parents=True)
    server = ControlServer(deep / "control.sock", handler)
    server.start()
    yield deep / "control.sock"
    server.stop()


def test_a_command_reaches_the_server_and_its_progress_comes_back(path: Path) -> None:
    seen: list[Progress] = []
    assert command(path, "seed", {"folder": "x"}, seen.append) == {"act": "seed", "folder": "x"}
    assert seen == [Progress("count", 1, 2, "things", "half")]


def test_an_error_comes_back_with_its_code_its_hint_and_its_exit_code(path: Path) -> None:
    with pytest.raises(Relayed) as caught:
        command(path, "busy", {}, lambda progress: None)
    assert (caught.value.told_code, caught.value.told_hint, caught.value.told_exit) == ("test.busy", "Wait.", 10)
    assert caught.value.told_reason == "It is busy."
    assert caught.value.facts == {"study": "1.2.3"}


def test_a_defect_is_told_as_ours(path: Path) -> None:
    with pytest.raises(Relayed) as caught:
        command(path, "defect", {}, lambda progress: None)
    assert (caught.value.told_code, caught.value.told_exit) == ("core.defect", 70)


def test_nobody_listens_where_nothing_runs(path: Path, tmp_path: Path) -> None:
    assert is_serving(path)
    assert not is_serving(tmp_path / "control.sock")
    assert not is_serving(tmp_path / "nowhere" / "control.sock")
    with pytest.raises(NotServing):
        command(tmp_path / "control.sock", "seed", {}, lambda progress: None)


def test_a_look_whether_somebody_serves_asks_for_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    def note(act: str, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
        del told, report
        asked.append(act)
        return {}

    path = tmp_path / "control.sock"
    server = ControlServer(path, note)
    server.start()
    try:
        for _ in range(3):
            assert is_serving(path)
            command(path, "status", {}, lambda progress: None)
    finally:
        server.stop()
    assert asked == ["status"] * 3
