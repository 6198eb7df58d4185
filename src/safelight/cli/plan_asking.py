"""The interview with which a plan begins, on the terminal."""

import click

from safelight.plan.interview import SKIPPED, TOPICS, Question, is_asked, left_out


def asked_answers(*, err: bool) -> dict[str, str]:
    """Ask every question that comes up; what cannot be read is asked again at once."""
    answers: dict[str, str] = {}
    for topic, questions in TOPICS.items():
        click.secho(f"\n{topic}", bold=True, err=err)
        for one in questions:
            if is_asked(one, answers):
                answers[one.key] = _answer(one, err=err)
    return answers


def tell_left_out(answers: dict[str, str]) -> None:
    """Say what was skipped."""
    if skipped := left_out(answers):
        click.secho("Skipped, to be written into the files when somebody knows:", fg="yellow")
        for one in skipped:
            click.echo(f"  {one.text}")


def _answer(question: Question, *, err: bool) -> str:
    def read(told: str) -> str:
        try:
            return question.read(told)
        except ValueError as error:
            raise click.BadParameter(_mend(question)) from error

    choices = f" [{'|'.join(question.choices)}]" if question.choices else ""
    return str(click.prompt(f"{question.asked}{choices}", default=question.usual, value_proc=read, err=err))


def _mend(question: Question) -> str:
    from safelight.core.span import read_span

    if question.choices:
        return f"one of {', '.join(question.choices)} is needed"
    skip = f", or {SKIPPED} {question.skip}" if question.skip else ""
    if question.reads is read_span:
        return f"a time has a unit, such as 30 min, 4 h or 2 d{skip}"
    return f"an answer is needed{skip}" if question.reads is str else f"a number above 0 is needed{skip}"
