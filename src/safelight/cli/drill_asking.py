"""Asking people in a drill: as the facilitator sees it in the terminal, or from files that say it beforehand."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from safelight.core.clock import SystemClock, from_text, to_text
from safelight.core.errors import SafelightError

if TYPE_CHECKING:
    from safelight.drill.answers import Answers
    from safelight.drill.phone_book import Entry
    from safelight.site.home import Home
    from safelight.vault.age import Identity

Said = dict[str, Any]


@dataclass(frozen=True)
class Asking:
    """Who answers: the file, where one was given, else whoever sits at the terminal."""

    home: Home
    phone_book: Mapping[str, Entry]
    """Of the plan; empty without one."""
    answers: Answers | None
    key: Identity | None

    @classmethod
    def of(cls, home_directory: Path, plan: Path | None, answers: Path | None, key_file: Path | None) -> Asking:
        """Read plan, answers and key.

        Raises:
            BadScript, BadCall, BadPlan, BadKey, BadRecoveryWords, NotTheRecoveryKey: one of them is not as it must be.
        """
        from safelight.drill.answers import read_answers
        from safelight.drill.notification import judge_times
        from safelight.drill.phone_book import phone_book
        from safelight.site.drill_key import key_of
        from safelight.site.home import Home
        from safelight.site.plan_folder import PlanFolder

        home = Home.at(home_directory)
        given = read_answers(answers.name, answers.read_text("utf-8")) if answers else None
        for made in given.calls.values() if given else ():
            judge_times(made.called_at, made.answered_at, SystemClock().now())
        book = phone_book(PlanFolder(plan).read().plan) if plan else {}
        return cls(home, book, given, key_of(home, str(key_file)) if key_file else None)

    def said(self, document: Mapping[str, Any], waiting: Mapping[str, Any]) -> Iterator[Said]:
        """Ask for what a drill waits for, and give what is to be recorded, one after the other."""
        match waiting["what"]:
            case "inject":
                inject = next(one for one in document["injects"] if one["id"] == waiting["inject"])
                yield {"what": "shown", "inject": inject["id"]}
                yield {"what": "answered", "inject": inject["id"], **self._answer(document, inject)}
            case "call":
                yield {"what": "called", "person": waiting["person"], **self._call(waiting)}
            case "key":
                yield {"what": "key-asked"}
                yield {"what": "key-tried", "copies": self._copies()}
            case _:
                yield {"what": "step", "step": waiting["step"], **self._step(waiting)}

    def _answer(self, document: Mapping[str, Any], inject: Mapping[str, Any]) -> Said:
        if self.answers is None:
            return _asked_table(document, inject)
        from safelight.drill.answers import ToInject

        given = self.answers.injects.get(inject["id"], ToInject())
        return {"it": given.it, "radiology": given.radiology, "open": _items(given.open_items)}

    def _call(self, waiting: Mapping[str, Any]) -> Said:
        if self.answers is None:
            return self._asked_call(waiting)
        made = self.answers.calls.get(waiting["person"])
        if made is None:
            # Nobody wrote down a call: nobody was reached by one.
            now = to_text(SystemClock().now())
            return {"by_number": "", "called_at": now, "answered_at": None}
        answered = to_text(made.answered_at) if made.answered_at else None
        return {"by_number": made.number, "called_at": to_text(made.called_at), "answered_at": answered}

    def _asked_call(self, waiting: Mapping[str, Any]) -> Said:
        entry = self.phone_book.get(waiting["person"])
        click.secho(f"\nCall {entry.name if entry else waiting['person']} ({waiting['role']})", bold=True, err=True)
        told = entry.numbers if entry else {}
        for name, number in told.items():
            click.echo(f"  {name:<13} {number}", err=True)
        if entry and entry.terms:
            click.echo(f"  {entry.terms}", err=True)
        if not told:
            click.secho("  no number here: look it up where you would in an outage", fg="yellow", err=True)
        click.prompt("  Enter when it rings", default="", show_default=False, err=True)
        called_at = to_text(SystemClock().now())
        usual = next(iter(told), "other")
        choice = click.Choice([*told, "other", "no"])
        by = click.prompt("  Who answered? By which number, or `no`", type=choice, default=usual, err=True)
        if by == "no":
            return {"by_number": usual if told else "", "called_at": called_at, "answered_at": None}
        return {"by_number": by, "called_at": called_at, "answered_at": to_text(SystemClock().now())}

    def _copies(self) -> list[Said]:
        from safelight.site.drill_key import tried_copies

        return tried_copies(self.home, self.key or self._asked_key())

    def _asked_key(self) -> Identity | None:
        from safelight.site.drill_key import key_of

        click.secho("\nFetch the offline recovery key from where it lies. The clock runs.", bold=True, err=True)
        while True:
            text = click.prompt(
                "  The 24 words, or the path of a file (empty: it did not come)",
                default="",
                show_default=False,
                hide_input=sys.stdin.isatty(),
                err=True,
            )
            if not text.strip():
                return None
            try:
                return key_of(self.home, text)
            except SafelightError as error:
                click.secho(f"  {error.code}: {error.hint}", fg="red", err=True)

    def _step(self, waiting: Mapping[str, Any]) -> Said:
        if self.answers is not None:
            from safelight.drill.answers import StepDone

            done = self.answers.steps.get(waiting["step"], StepDone())
            return {"executed": done.executed, "note": done.note, "open": _items(done.open_items)}
        who = f", {waiting['who']}" if waiting["who"] else ""
        click.secho(f"\n{waiting['number']} of {waiting['of']} · {waiting['side']}{who}", fg="red", err=True)
        click.secho(f"  {waiting['do']}", bold=True, err=True)
        executed = click.confirm("  Executed?", err=True)
        note = click.prompt("  Note", default="", show_default=False, err=True)
        return {"executed": executed, "note": note, "open": _asked_items()}


def _items(items: Any) -> list[Said]:
    return [{"what": one.what, "owner": one.owner} for one in items]


def _asked_items() -> list[Said]:
    opened = []
    while what := click.prompt("Open item (empty: none)", default="", show_default=False, err=True):
        opened.append({"what": what, "owner": click.prompt("  Owner", err=True)})
    return opened


def seats(roles: Iterable[Mapping[str, Any]]) -> str:
    """Say who sits at the table as what; a role without anybody is what the drill finds."""
    return "; ".join(f"{one['role']}: {one['name'] or 'NOBODY HERE'}" for one in roles)


def asked_present(document: Mapping[str, Any]) -> dict[str, str]:
    """Ask once, before a table-top begins, who is there for each role that its script asks."""
    roles = dict.fromkeys(one["role"] for inject in document["injects"] for one in inject["roles"])
    told = {
        role: click.prompt(f"Who is here as {role}? (empty: nobody)", default="", show_default=False, err=True).strip()
        for role in roles
    }
    return {role: name for role, name in told.items() if name}


def _asked_table(document: Mapping[str, Any], inject: Mapping[str, Any]) -> Said:
    """Show an inject as the facilitator sees it, and take what the table says."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    console = Console(stderr=True)
    elapsed = (SystemClock().now() - from_text(document["started_at"])).total_seconds()
    ids = [one["id"] for one in document["injects"]]
    body = Table.grid(padding=(1, 1))
    body.add_row("", f"[bold]{inject['tells']}[/bold]")
    body.add_row("Ask IT", inject["asks_it"])
    body.add_row("Ask radiology", inject["asks_radiology"])
    if inject["roles"]:
        body.add_row("Ask by name", seats(inject["roles"]))
    title = f"{document['script']} · {ids.index(inject['id']) + 1} of {len(ids)} · {elapsed / 60:.0f} min"
    console.print(Panel(body, title=title, border_style="red", padding=(1, 2)))
    it = click.prompt("IT answers", default="", show_default=False, err=True)
    radiology = click.prompt("Radiology answers", default="", show_default=False, err=True)
    return {"it": it, "radiology": radiology, "open": _asked_items()}
