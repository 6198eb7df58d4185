"""The network of a plan as a picture: sites side by side, their segments, what stands in them, and what flows where.

Boxes stand in one column a site, lines run in the gutters between, so that no line crosses a box. Systems that send and
receive the same share a box. Solid is DICOM, dashed is HL7, a heavy line leads to the recovery site.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from itertools import count
from typing import Final

from safelight.plan.inventory import Flow, Segment, Site, System
from safelight.plan.model import Plan
from safelight.plan.words import FlowKind, Route

BOX: Final = (230, 46)
ROW: Final = 62
COLUMN: Final = 270
LANE: Final = 13
MARGIN: Final = 30
LEGEND_MAX: Final = 40
DICOM: Final = frozenset({FlowKind.STORE, FlowKind.WORKLIST, FlowKind.COMMITMENT, FlowKind.QUERY})
NAMES_SHOWN: Final = 3
Place = tuple[str, str]
"""A site and a segment; a segment without a name for what stands in none."""
RECOVERY: Final = "\0recovery"
"""The segment of what fails over to a site; no id of a plan has such a letter."""


@dataclass(frozen=True, slots=True)
class _Box:
    """Systems that send and receive the same, at one place."""

    systems: tuple[System, ...]
    place: Place

    @property
    def title(self) -> str:
        names = [one.name for one in self.systems]
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        return ", ".join(names[:NAMES_SHOWN]) + more


@dataclass(frozen=True, slots=True)
class _Wire:
    """What flows from one box to another, of one family of protocols, by one way."""

    source: _Box
    target: _Box
    is_dicom: bool
    route: Route
    flows: list[Flow] = field(default_factory=list, compare=False, hash=False)

    @property
    def told(self) -> str:
        kinds = ", ".join(dict.fromkeys(str(one.kind) for one in self.flows))
        ends = dict.fromkeys(
            f"{one.ae_title or ''} {one.host or ''}:{one.port or ''}".strip(" :") for one in self.flows
        )
        way = ", by way of recovery" if self.route is Route.RECOVERY else ""
        return (
            f"{self.source.title} → {self.target.title}{way}: {kinds} · {'; '.join(filter(None, ends)) or 'no address'}"
        )


def network_picture(plan: Plan) -> str:
    """Return the picture as SVG, readable in black and white."""
    boxes, wires = _drawn(plan)
    quiet = _quiet(plan)
    busy = {*(box.place[0] for box in boxes), *quiet, *(copy.site for copy in plan.copies)}
    sites = [site for site in plan.sites if site.id in busy]
    gutters = _gutters(sites, wires)
    columns: dict[str, int] = {}
    x = MARGIN
    for site in sites:
        x += gutters[site.id] * LANE + LANE
        columns[site.id] = x
        x += COLUMN
    frames, at, bottom = _placed(plan, sites, boxes, quiet, columns)
    lines, channels = _lines(wires, at, columns, [site.id for site in sites], bottom)
    foot = bottom + channels * LANE + 24
    legend = [f"{number}  {wire.told}" for number, wire in enumerate(wires, 1)]
    more = len(legend) - LEGEND_MAX
    shown = [*legend[:LEGEND_MAX], *([f"and {more} more: Appendix I has them all"] if more > 0 else [])]
    wide = max(x + MARGIN, 900)
    high = foot + 18 * len(shown) + 2 * MARGIN
    title = _cut(f"{plan.plan.hospital}: what flows between systems", wide // 11)
    letters = wide // 7
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
            ' font-family="sans-serif" font-size="13">',
            '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7"'
            ' orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<rect width="{wide}" height="{high}" fill="#fff"/>',
            _text(MARGIN, MARGIN, title, 16, bold=True),
            *frames,
            *lines,
            *(_text(MARGIN, foot + 18 * row, _cut(told, letters), 11) for row, told in enumerate(shown)),
            _text(
                MARGIN,
                high - MARGIN + 10,
                "Solid: DICOM. Dashed: HL7. Heavy: by way of recovery. A number leads to its line above.",
                11,
            ),
            "</svg>\n",
        ]
    )


def _drawn(plan: Plan) -> tuple[list[_Box], list[_Wire]]:
    """Return boxes for all that sends or receives, and wires between them."""
    systems = {one.id: one for one in plan.systems}
    talk: dict[str, list[object]] = {}
    for flow in plan.flows:
        ends = (flow.kind, flow.path, flow.ae_title, flow.host, flow.port)
        talk.setdefault(flow.source, []).append(("to", flow.target, *ends))
        talk.setdefault(flow.target, []).append(("from", flow.source, *ends))
    alike: dict[object, list[System]] = {}
    for one in plan.systems:
        if one.id in talk:
            alike.setdefault((one.site, one.segment, one.kind, tuple(map(str, talk[one.id]))), []).append(one)
    boxes = [_Box(tuple(found), (found[0].site, found[0].segment or "")) for found in alike.values()]
    home = {system.id: box for box in boxes for system in box.systems}
    away: dict[str, _Box] = {}
    wires: dict[_Wire, _Wire] = {}
    for flow in plan.flows:
        target, over = home[flow.target], systems[flow.target].recovery_site
        if flow.path is Route.RECOVERY and over is not None:
            target = away.setdefault(flow.target, _Box((systems[flow.target],), (over, RECOVERY)))
        wire = _Wire(home[flow.source], target, flow.kind in DICOM, flow.path)
        wires.setdefault(wire, wire).flows.append(flow)
    return [*boxes, *away.values()], list(wires)


def _quiet(plan: Plan) -> dict[str, dict[str, list[str]]]:
    """Return by site and segment the names of systems that nothing flows to or from."""
    heard = {name for flow in plan.flows for name in (flow.source, flow.target)}
    found: dict[str, dict[str, list[str]]] = {}
    for one in plan.systems:
        if one.id not in heard:
            found.setdefault(one.site, {}).setdefault(one.segment or "", []).append(one.name)
    return found


def _gutters(sites: Iterable[Site], wires: Iterable[_Wire]) -> dict[str, int]:
    """Return how many lines run up or down on the left of each site."""
    order = [site.id for site in sites]
    lanes = dict.fromkeys(order, 1)
    for wire in wires:
        step = order.index(wire.target.place[0]) - order.index(wire.source.place[0])
        # To a neighbour, or at home, a line turns once; elsewhere it goes down one gutter and up another.
        if step != -1:
            lanes[wire.target.place[0]] += 1
        if step not in (0, 1):
            lanes[wire.source.place[0]] += 1
    return lanes


def _placed(
    plan: Plan,
    sites: Iterable[Site],
    boxes: list[_Box],
    quiet: Mapping[str, Mapping[str, list[str]]],
    columns: Mapping[str, int],
) -> tuple[list[str], dict[_Box, tuple[int, int]], int]:
    """Return frames and boxes as SVG, where each box stands, and where the lowest frame ends."""
    segments = {one.id: one for one in plan.segments}
    drawn: list[str] = []
    at: dict[_Box, tuple[int, int]] = {}
    bottom = 0
    for site in sites:
        x, y = columns[site.id], MARGIN + 62
        drawn.append(_text(x, y - 24, _cut(site.name, 32), 14, bold=True))
        drawn.append(_text(x, y - 8, _cut(f"power {site.power} · fabric {site.fabric}", 44), 11))
        silent = quiet.get(site.id, {})
        places = dict.fromkeys([*(one.place[1] for one in boxes if one.place[0] == site.id), *silent])
        for segment in sorted(places, key=[*segments, "", RECOVERY].index):
            mine = [one for one in boxes if one.place == (site.id, segment)]
            rest = _wrapped(", ".join(silent.get(segment, ())), 40)
            remarks = _remarks(segments.get(segment))
            head = 44 if remarks else 28
            high = head + ROW * len(mine) + (16 * len(rest) + 20 if rest else 0) + 6
            drawn += _frame(x, y, high, segment, segments.get(segment), remarks)
            for row, box in enumerate(mine):
                at[box] = (x + 20, y + head + 6 + row * ROW)
                drawn += _box(box, at[box])
            top = y + head + ROW * len(mine) + 14
            drawn += [_text(x + 20, top, "Nothing flows to or from:", 11)] if rest else []
            drawn += [_text(x + 20, top + 16 * (row + 1), line, 11) for row, line in enumerate(rest)]
            y += high + 16
        copies = _copies(plan, site)
        drawn += [_text(x + 8, y + 8 + 16 * row, line, 11, bold=not row) for row, line in enumerate(copies)]
        bottom = max(bottom, y + 16 * len(copies) + 8)
    return drawn, at, bottom


def _lines(
    wires: Iterable[_Wire],
    at: Mapping[_Box, tuple[int, int]],
    columns: Mapping[str, int],
    order: list[str],
    bottom: int,
) -> tuple[list[str], int]:
    """Return the lines, each in a lane of its own, and how many run below everything."""
    taken = dict.fromkeys(columns, 0)
    ports: dict[tuple[_Box, bool], int] = {}
    channels = count(1)
    drawn, below = [], 0

    def lane(site: str) -> int:
        taken[site] += 1
        return columns[site] - taken[site] * LANE

    def port(box: _Box, *, right: bool) -> tuple[int, int]:
        # Lines leave and reach a box one under the other.
        used = ports.get((box, right), 0)
        ports[box, right] = used + 1
        x, y = at[box]
        return x + (BOX[0] if right else 0), y + 7 + used % 5 * 8

    for number, wire in enumerate(wires, 1):
        here, there = wire.source.place[0], wire.target.place[0]
        step = order.index(there) - order.index(here)
        (x1, y1), (x2, y2) = port(wire.source, right=step == 1), port(wire.target, right=step == -1)
        if abs(step) <= 1:
            turn = lane(here if step == -1 else there)
            path = f"M{x1} {y1}H{turn}V{y2}H{x2}"
        else:
            below = next(channels)
            low, first, second = bottom + below * LANE, lane(here), lane(there)
            path = f"M{x1} {y1}H{first}V{low}H{second}V{y2}H{x2}"
        dash = "" if wire.is_dicom else ' stroke-dasharray="6 4"'
        heavy = 2.6 if wire.route is Route.RECOVERY else 1.2
        drawn.append(
            f'<path d="{path}" fill="none" stroke="#000" stroke-width="{heavy}"{dash} marker-end="url(#end)"/>'
        )
        # Beside each other where lines begin close together.
        aside = 9 + 16 * ((y1 - at[wire.source][1]) // 8 % 2)
        label = x1 + (aside if step == 1 else -aside)
        drawn.append(f'<circle cx="{label}" cy="{y1}" r="7.5" fill="#fff" stroke="#000"/>')
        drawn.append(f'<text x="{label}" y="{y1 + 3.5}" font-size="9" text-anchor="middle">{number}</text>')
    return drawn, below


def _copies(plan: Plan, site: Site) -> list[str]:
    names = {one.id: one.name for one in plan.systems}
    told = [
        f"{names[one.of]}: {one.medium}{', offline' if one.offline else ''}"
        for one in plan.copies
        if one.site == site.id
    ]
    return ["Copies that lie here", *(_cut(one, 42) for one in told)] if told else []


def _remarks(segment: Segment | None) -> str:
    told = (("may be cut off", segment.may_be_isolated), ("not in IT’s map", not segment.in_it_map)) if segment else ()
    return " · ".join(text for text, holds in told if holds)


def _frame(x: int, y: int, high: int, name: str, segment: Segment | None, remarks: str) -> list[str]:
    told = "fails over to here" if name == RECOVERY else segment.name if segment else "in no segment"
    edge = 'stroke-width="2.2" stroke-dasharray="10 4"' if segment and segment.may_be_isolated else 'stroke-width="1"'
    return [
        f'<rect x="{x}" y="{y}" width="{COLUMN}" height="{high}" fill="#f4f4f4" stroke="#444" {edge}/>',
        _text(x + 8, y + 19, _cut(told, 36), 12, bold=True),
        *([_text(x + 8, y + 35, remarks, 11)] if remarks else []),
    ]


def _box(box: _Box, place: tuple[int, int]) -> list[str]:
    x, y = place
    kind, names = str(box.systems[0].kind), [one.name for one in box.systems]
    several = len(names) > 1
    title, below = (f"{len(names)} × {kind}", ", ".join(names)) if several else (names[0], kind)
    return [
        f"<g><title>{escape(', '.join(names))}</title>",
        f'<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="4" fill="#fff" stroke="#000"/>',
        _text(x + 10, y + 19, _cut(title, 28), 12, bold=True),
        _text(x + 10, y + 36, _cut(below, 35), 11),
        "</g>",
    ]


def _wrapped(text: str, letters: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= letters:
            lines[-1] += f" {word}"
        else:
            lines.append(_cut(word, letters))
    return lines


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _text(x: int, y: int, text: str, size: int, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" font-size="{size}"{weight}>{escape(text)}</text>'
