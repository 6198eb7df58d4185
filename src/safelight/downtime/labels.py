"""Labels to stick on: each number of a block as text and as a bar code, three by seven on a page."""

from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from safelight.downtime.code128 import code128_svg
from safelight.downtime.number import Block, NumberFor, Numbers

WORDS: Final = {NumberFor.PATIENT: "Patient ID", NumberFor.ACCESSION: "Accession number"}


def labels_html(numbers: Numbers, block: Block, each: int = 1) -> str:
    """Return the sheets of a block; each number stands there so many times."""
    template = files("safelight.downtime").joinpath("labels.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    labels = [
        # Drawn by us from letters, digits and hyphens.
        {"number": text, "bars": Markup(code128_svg(text))}  # noqa: S704
        for text in numbers.texts(block)
        for _ in range(each)
    ]
    what = WORDS[numbers.ranges[block.range].of]
    return environment.from_string(template).render(block=block, labels=labels, what=what)


def labels_pdf(html: str) -> bytes:
    """Return the sheets as PDF."""
    import logging

    from weasyprint import HTML

    logging.getLogger("fontTools").setLevel(logging.WARNING)
    written: Any = HTML(string=html).write_pdf()
    return bytes(written)
