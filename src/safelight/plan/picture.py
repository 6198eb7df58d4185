"""The systems of a plan as a picture: what needs what, in layers; everything stands to the right of what it needs."""

from html import escape
from textwrap import wrap
from typing import Final

from safelight.plan.estimate import order
from safelight.plan.inventory import System
from safelight.plan.model import Plan

WIDTH: Final = 160
ACROSS: Final = 204
BETWEEN: Final = 18
LINE: Final = 17
BELOW: Final = 28
MARGIN: Final = 20
EXPLAINED: Final = "What needs what (an arrow leads to what cannot work without it)"
TITLE_LINE: Final = 22
TITLE_LETTER: Final = 11
WIDE_MIN: Final = 720
"""So wide is the line that says what is drawn."""
LETTERS: Final = 15
"""So many letters of a name stand in one line of a box, in the widest font that may draw it."""
FILLS: Final = ("#ffffff", "#eef3f7", "#f6f1e7", "#edf4ec", "#f5edf2", "#f0f0f0")


def layers(plan: Plan) -> list[list[System]]:
    """Return the systems in columns: the first need nothing, each other needs something of the column before it.

    Raises:
        DependencyCycle: systems wait for each other.
    """
    known = {one.id: one for one in plan.systems}
    depth: dict[str, int] = {}
    for name in order(plan.systems):
        depth[name] = 1 + max((depth[one] for one in known[name].needs), default=-1)
    columns: list[list[System]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    height: dict[str, float] = {}
    for name in sorted(depth, key=lambda one: depth[one]):
        columns[depth[name]].append(known[name])
    for column in columns:
        # Beside the middle of what it needs: fewer lines cross, and the same plan always gives the same picture.
        column.sort(key=lambda one: (_middle(one, height), one.segment or "", one.id))
        height |= {one.id: row for row, one in enumerate(column)}
    return columns


def picture(plan: Plan) -> str:
    """Return the picture as SVG, readable in black and white; the colour of a box is its segment."""
    columns = layers(plan)
    wide = max(2 * MARGIN + max(len(columns) - 1, 0) * ACROSS + WIDTH, WIDE_MIN)
    title = [*wrap(plan.plan.hospital, (wide - 2 * MARGIN) // TITLE_LETTER), EXPLAINED]
    top = MARGIN + TITLE_LINE * len(title)
    tall = BELOW + LINE * max((len(_name_lines(one)) for one in plan.systems), default=1)
    place = {
        one.id: (MARGIN + across * ACROSS, top + down * (tall + BETWEEN))
        for across, column in enumerate(columns)
        for down, one in enumerate(column)
    }
    beneath: dict[str, frozenset[str]] = {}
    for one in (one for column in columns for one in column):
        beneath[one.id] = frozenset(one.needs).union(*(beneath[need] for need in one.needs))
    segments = {one.id: index for index, one in enumerate(plan.segments, 1)}
    high = top + max((len(column) for column in columns), default=0) * (tall + BETWEEN) + MARGIN
    lines = [_line(place[need], place[one.id], tall) for one in plan.systems for need in _direct(one, beneath)]
    boxes = [_box(one, place[one.id], tall, segments.get(one.segment or "", 0)) for one in plan.systems]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
            ' font-family="sans-serif" font-size="13">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<rect width="{wide}" height="{high}" fill="#fff"/>',
            *(_title(line, text) for line, text in enumerate(title)),
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def _direct(system: System, beneath: dict[str, frozenset[str]]) -> list[str]:
    # What is needed through something else that is drawn needs no line of its own.
    return [one for one in system.needs if not any(one in beneath[other] for other in system.needs)]


def _middle(system: System, height: dict[str, float]) -> float:
    return sum(height.get(one, 0) for one in system.needs) / max(len(system.needs), 1)


def _title(line: int, text: str) -> str:
    y = MARGIN + TITLE_LINE * line
    return f'<text x="{MARGIN}" y="{y}" font-size="16" font-weight="bold">{escape(text)}</text>'


def _line(start: tuple[int, int], end: tuple[int, int], tall: int) -> str:
    x1, y1, x2, y2 = start[0] + WIDTH, start[1] + tall // 2, end[0], end[1] + tall // 2
    bend = max((x2 - x1) // 2, 20)
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>'


def _name_lines(system: System) -> list[str]:
    return wrap(system.name, LETTERS)


def _box(system: System, place: tuple[int, int], tall: int, segment: int) -> str:
    x, y = place
    name = "".join(
        f'<text x="{x + 10}" y="{y + LINE * number}" font-weight="bold">{escape(line)}</text>'
        for number, line in enumerate(_name_lines(system), 1)
    )
    below = " · ".join(
        part for part in (f"tier {system.tier}" if system.tier else "no tier", system.segment or "") if part
    )
    dash = "" if system.in_it_plan else ' stroke-dasharray="5 3"'
    return (
        f"<g><title>{escape(system.name)}</title>"
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{tall}" rx="4" fill="{FILLS[segment % len(FILLS)]}"'
        f' stroke="#222"{dash}/>'
        f'{name}<text x="{x + 10}" y="{y + tall - 9}" font-size="12">{escape(below)}</text></g>'
    )
