"""Labels to stick on, three by seven on a page: the numbers of a block, or an exam and its patient."""

from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from safelight.downtime.code128 import code128_svg
from safelight.downtime.exam import Registered
from safelight.downtime.number import Block, NumberFor, Numbers

WORDS: Final = {NumberFor.PATIENT: "Patient ID", NumberFor.ACCESSION: "Accession number"}


def labels_html(numbers: Numbers, block: Block, each: int = 1) -> str:
    """Return the sheets of a block; each number stands there so many times."""
    labels = [{"number": text, "bars": _bars(text)} for text in numbers.texts(block) for _ in range(each)]
    what = WORDS[numbers.ranges[block.range].of]
    return _filled_in("labels.html.jinja", block=block, labels=labels, what=what)


def exam_labels_html(registered: Registered, each: int = 1) -> str:
    """Return the sheets of an exam: who it is of, and both numbers as bar codes."""
    return _filled_in(
        "exam_labels.html.jinja",
        registered=registered,
        each=each,
        patient_bars=_bars(registered.person.patient_id),
        accession_bars=_bars(registered.accession),
    )


def _filled_in(name: str, **told: Any) -> str:
    template = files("safelight.downtime").joinpath(name).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(**told)


def _bars(text: str) -> Markup:
    # Drawn by us: nothing of the text itself is in it.
    return Markup(code128_svg(text))  # noqa: S704


def labels_pdf(html: str) -> bytes:
    """Return the sheets as PDF."""
    import logging

    from weasyprint import HTML

    logging.getLogger("fontTools").setLevel(logging.WARNING)
    written: Any = HTML(string=html).write_pdf()
    return bytes(written)
