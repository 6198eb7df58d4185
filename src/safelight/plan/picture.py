"""The systems of a plan as a picture: what needs what, in layers; everything stands to the right of what it needs."""

from html import escape
from typing import Final

from safelight.plan.estimate import order
from safelight.plan.inventory import System
from safelight.plan.model import Plan

WIDTH: Final = 190
HEIGHT: Final = 44
ACROSS: Final = 250
DOWN: Final = 64
MARGIN: Final = 40
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
    place = {
        one.id: (MARGIN + across * ACROSS, MARGIN + 30 + down * DOWN)
        for across, column in enumerate(columns)
        for down, one in enumerate(column)
    }
    beneath: dict[str, frozenset[str]] = {}
    for one in (one for column in columns for one in column):
        beneath[one.id] = frozenset(one.needs).union(*(beneath[need] for need in one.needs))
    segments = {one.id: index for index, one in enumerate(plan.segments, 1)}
    wide = 2 * MARGIN + max(len(columns) - 1, 0) * ACROSS + WIDTH
    high = 2 * MARGIN + 60 + max((len(column) for column in columns), default=0) * DOWN
    lines = [_line(place[need], place[one.id]) for one in plan.systems for need in _direct(one, beneath)]
    boxes = [_box(one, place[one.id], segments.get(one.segment or "", 0)) for one in plan.systems]
    title = f"{plan.plan.hospital}: what needs what (an arrow leads to what cannot work without it)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
            ' font-family="sans-serif" font-size="13">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<rect width="{wide}" height="{high}" fill="#fff"/>',
            f'<text x="{MARGIN}" y="{MARGIN}" font-size="16" font-weight="bold">{escape(title)}</text>',
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


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + WIDTH, start[1] + HEIGHT // 2, end[0], end[1] + HEIGHT // 2
    bend = max((x2 - x1) // 2, 20)
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>'


def _box(system: System, place: tuple[int, int], segment: int) -> str:
    x, y = place
    name = system.name if len(system.name) <= 21 else f"{system.name[:20]}…"
    below = " · ".join(
        part for part in (f"tier {system.tier}" if system.tier else "no tier", system.segment or "") if part
    )
    dash = "" if system.in_it_plan else ' stroke-dasharray="5 3"'
    return (
        f"<g><title>{escape(system.name)}</title>"
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4" fill="{FILLS[segment % len(FILLS)]}"'
        f' stroke="#222"{dash}/>'
        f'<text x="{x + 10}" y="{y + 18}" font-weight="bold">{escape(name)}</text>'
        f'<text x="{x + 10}" y="{y + 35}" font-size="11">{escape(below)}</text></g>'
    )
