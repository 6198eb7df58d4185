"""The live view of a demonstration: steps that begin and end, and tables beneath; plain lines where nobody watches."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text


@dataclass(slots=True)
class Step:
    """One line of the live view."""

    title: str
    state: str = "waiting"
    told: str = ""
    done: int = 0
    total: int = 0
    began: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Show:
    """The live view; plain lines where nobody watches."""

    title: str
    titles: Sequence[str]
    console: Console = field(default_factory=lambda: Console(stderr=False))
    beneath: Any = None
    """What is shown below the steps."""
    steps: list[Step] = field(init=False)
    live: Live | None = None

    def __post_init__(self) -> None:
        self.steps = [Step(title) for title in self.titles]

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw while this lasts, if somebody watches."""
        if not self.console.is_terminal:
            yield
            return
        with Live(self.picture(), console=self.console, refresh_per_second=8, transient=False) as self.live:
            yield
        self.live = None

    def begin(self, number: int, told: str = "") -> Step:
        """Start a step."""
        step = self.steps[number]
        step.state, step.began, step.told = "running", time.monotonic(), told
        if self.live is None:
            self.console.print(f"[bold]{number + 1}/{len(self.steps)}[/bold] {step.title}")
        self.refresh()
        return step

    def end(self, number: int, told: str) -> None:
        """Finish a step."""
        step = self.steps[number]
        step.state, step.told, step.seconds = "done", told, time.monotonic() - step.began
        if self.live is None:
            self.console.print(f"      {told}  [dim]({step.seconds:.1f} s)[/dim]")
        self.refresh()

    def say_what_next(self, *commands: str) -> None:
        """Print what to try next."""
        self.console.print("\n[bold]Try next[/bold]")
        for line in commands:
            self.console.print(f"  {line}", highlight=False, soft_wrap=True)

    def refresh(self) -> None:
        """Draw again."""
        if self.live is not None:
            self.live.update(self.picture())

    def picture(self) -> Panel:
        """Return what is to be seen now."""
        table = Table.grid(padding=(0, 1))
        table.add_column(width=2)
        table.add_column(min_width=46)
        table.add_column(min_width=30)
        table.add_column(justify="right")
        for step in self.steps:
            table.add_row(*_row(step))
        parts: list[Any] = [table]
        if self.beneath is not None:
            parts += [Text(""), self.beneath]
        title = f"[bold]Safelight[/bold] · {self.title}"
        return Panel(Group(*parts), title=title, border_style="red", padding=(1, 2))


def _row(step: Step) -> tuple[Any, Any, Any, Any]:
    marks = {
        "waiting": Text("·", style="dim"),
        "running": Text("▸", style="bold yellow"),
        "done": Text("✓", style="bold green"),
    }
    title = Text(step.title, style="dim" if step.state == "waiting" else "bold" if step.state == "running" else "")
    seconds = step.seconds or (time.monotonic() - step.began if step.state == "running" else 0.0)
    middle: Any = Text(step.told, style="green" if step.state == "done" else "")
    if step.state == "running" and step.total:
        middle = ProgressBar(total=step.total, completed=step.done, width=28, complete_style="red")
    return marks[step.state], title, middle, Text(f"{seconds:.1f} s" if seconds else "", style="dim")
