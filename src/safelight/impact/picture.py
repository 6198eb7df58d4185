"""Pictures as SVG text, readable in black and white: lines differ by dashes, areas by greys."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 760
HEIGHT: Final = 400
LEFT: Final = 76
RIGHT: Final = 18
TOP: Final = 52
BOTTOM: Final = 56
DASHES: Final = ("", "9 4", "2 3", "12 3 2 3", "5 2", "1 5", "16 4", "7 2 1 2 1 2")
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axes:
    """Where values lie on the paper."""

    x_low: float
    x_high: float
    y_high: float
    logarithmic: bool = False

    def x(self, value: float) -> float:
        """Return the place of a value on the horizontal axis."""
        low, high = self.x_low, self.x_high
        if self.logarithmic:
            low, high, value = log10(low), log10(high), log10(value)
        return LEFT + (value - low) / ((high - low) or 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the place of a value on the vertical axis."""
        return HEIGHT - BOTTOM - min(value, self.y_high) / (self.y_high or 1.0) * (HEIGHT - TOP - BOTTOM)


def ticks(high: float, wanted: int = 5) -> list[float]:
    """Return round values from 0 to just above ``high``."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / wanted
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    return [step * number for number in range(ceil(high / step - 1e-9) + 1)]


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{more}>{escape(words)}</text>'


def _path(points: Sequence[Point], dash: str, width: float = 2.0) -> str:
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{steps}" fill="none" stroke="#000" stroke-width="{width}"{dashed}/>'


def _sheet(title: str, parts: Sequence[str], height: int = HEIGHT) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'font-family="DejaVu Sans, Liberation Sans, Arial, sans-serif" role="img" aria-label="{escape(title)}">',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            _text(14, 22, title, size=16, more=' font-weight="bold"'),
            *parts,
            "</svg>",
            "",
        ]
    )


def _frame(axes: Axes, x_ticks: Sequence[tuple[float, str]], x_title: str, y_title: str, percent: bool) -> list[str]:
    parts = []
    for value in ticks(axes.y_high):
        y = axes.y(value)
        if value <= axes.y_high * 1.001:
            parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            words = f"{value * 100:g} %" if percent else f"{value:g}"
            parts.append(_text(LEFT - 8, y + 4, words, anchor="end"))
    bottom = HEIGHT - BOTTOM
    for value, words in x_ticks:
        x = axes.x(value)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="#000"/>')
        parts.append(_text(x, bottom + 20, words, anchor="middle"))
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" stroke="#000"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_title, anchor="middle"))
    middle = (TOP + bottom) / 2
    parts.append(
        _text(18, middle, y_title, anchor="middle", more=f' transform="rotate(-90 18 {middle:.1f})"')
    )  # fmt: skip
    return parts


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    """Name each line above the picture, beside a piece of it."""
    parts, x = [], float(LEFT)
    for words, dash in entries:
        if dash == "band":
            parts.append(f'<rect x="{x:.1f}" y="32" width="28" height="11" fill="#ccc"/>')
        else:
            parts.append(_path([(x, 38), (x + 28, 38)], dash))
        parts.append(_text(x + 34, 42, words, size=12))
        x += 48 + 6.9 * len(words)
    return parts


def backlog(
    title: str,
    low: Sequence[float],
    median: Sequence[float],
    high: Sequence[float],
    usual: Sequence[float],
    begins: float,
    hours: float,
) -> str:
    """Draw a backlog by the hour around an outage, with the band of nine seeds in ten, beside what is usual."""
    first, last = max(0, int(begins) - 24), min(len(median) - 1, int(begins + max(4 * hours, hours + 96)))
    span = range(first, last + 1)
    # Hours are told from the start of the outage: that is what people at the board count.
    axes = Axes(first - begins, last - begins, ticks(max(1.0, *(high[at] for at in span)))[-1])
    shade = axes.x(0), axes.x(min(hours, last - begins))
    grey = f'width="{shade[1] - shade[0]:.1f}" height="{HEIGHT - TOP - BOTTOM}" fill="#f0f0f0"'
    outage = f'<rect x="{shade[0]:.1f}" y="{TOP}" {grey}/>'
    band = [(axes.x(at - begins), axes.y(high[at])) for at in span]
    band += [(axes.x(at - begins), axes.y(low[at])) for at in reversed(span)]
    area = " ".join(f"{x:.1f},{y:.1f}" for x, y in band)
    step = next(one for one in (6, 12, 24, 48, 96, 168, 336) if (last - first) / one <= 12)
    marks = [at * step for at in range(ceil((first - begins) / step), floor((last - begins) / step) + 1)]
    parts = [
        outage,
        *_frame(axes, [(at, f"{at:g}") for at in marks], "hours since the outage began", "exams waiting", False),
        f'<polygon points="{area}" fill="#bbb" fill-opacity="0.75"/>',
        _path([(axes.x(at - begins), axes.y(median[at])) for at in span], ""),
        _path([(axes.x(at - begins), axes.y(usual[at])) for at in span], "2 3", 1.5),
        _text(shade[0] + 4, TOP + 14, "outage", size=12),
        *_legend([("median", ""), ("9 of 10 runs", "band"), ("without the outage", "2 3")]),
    ]
    return _sheet(title, parts)


def shares(title: str, curves: Sequence[tuple[str, Sequence[Point]]], limit: float) -> str:
    """Draw which share of each service's exams is late by the length of the outage (hours, logarithmic)."""
    lengths = sorted({x for _, points in curves for x, _ in points})
    axes = Axes(lengths[0], lengths[-1], 1.0, logarithmic=True)
    marks: list[tuple[float, str]] = []
    for one in lengths:
        if not marks or axes.x(one) - axes.x(marks[-1][0]) > 44:
            marks.append((one, length(one)))
    parts = _frame(axes, marks, "length of the outage", "ordered during it and late because of it", True)
    y = axes.y(limit)
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#000" stroke-width="1"/>')
    parts.append(_text(WIDTH - RIGHT, y - 4, f"accepted: {limit * 100:g} %", anchor="end", size=12))
    for number, (_, points) in enumerate(curves):
        parts.append(_path([(axes.x(x), axes.y(share)) for x, share in points], DASHES[number % len(DASHES)]))
        parts.extend(
            f'<circle cx="{axes.x(x):.1f}" cy="{axes.y(share):.1f}" r="2.6" fill="#fff" stroke="#000"/>'
            for x, share in points
        )
    return _sheet(title, [*parts, *_legend([(name, DASHES[at % len(DASHES)]) for at, (name, _) in enumerate(curves)])])


def length(hours: float) -> str:
    """Write a length of time as people say it."""
    if hours < 1:
        return f"{hours * 60:g} min"
    return f"{hours:g} h" if hours < 48 else f"{hours / 24:g} d"


@dataclass(frozen=True, slots=True)
class Bar:
    """One wait beside its limit, in minutes; None where the run did not see its end."""

    name: str
    usual: float
    median: float
    high: float
    limit: float | None


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Draw waits against limits, on a logarithmic scale so that a day fits beside a quarter of an hour."""
    height, label, end = 84 + 44 * len(rows), 190, WIDTH - 76
    top = 10.0 ** ceil(log10(max(10.0, *(max(row.high, row.limit or 0) for row in rows))))

    def x(minutes: float) -> float:
        return label + log10(min(max(minutes, 1.0), top)) / log10(top) * (end - label)

    parts = []
    for power in range(round(log10(top)) + 1):
        at = x(10.0**power)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="50" y2="{height - 34}" stroke="#ddd"/>')
        parts.append(_text(at, height - 18, f"{10**power} min", anchor="middle", size=12))
    for number, row in enumerate(rows):
        y = 58 + 44 * number
        parts.append(_text(label - 8, y + 17, row.name, anchor="end", size=12))
        parts.append(f'<rect x="{label}" y="{y}" width="{x(row.usual) - label:.1f}" height="9" fill="#ccc"/>')
        parts.append(f'<rect x="{label}" y="{y + 11}" width="{x(row.median) - label:.1f}" height="13" fill="#555"/>')
        parts.append(
            f'<line x1="{x(row.median):.1f}" x2="{x(row.high):.1f}" y1="{y + 17}" y2="{y + 17}" stroke="#000"/>'
        )
        past = x(row.high) + 6
        if row.limit is not None and past - 4 < x(row.limit) < past + 44:
            past = x(row.limit) + 6
        parts.append(_text(past, y + 21, f"{row.median:,.0f}", size=12))
        if row.limit is not None:
            at = x(row.limit)
            parts.append(
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 5}" y2="{y + 29}" stroke="#000" stroke-width="3"/>'
            )
    words = "light: usual; dark: during the outage, with a line to the worst of 20 runs; upright mark: the limit"
    return _sheet(title, [_text(14, 42, words, size=12), *parts], height)


@dataclass(frozen=True, slots=True)
class Standing:
    """How long an outage a service stands, in hours; None where it is not known, or where every length was stood."""

    name: str
    stands: float | None
    breached: float | None
    declared: float | None


def standings(title: str, rows: Sequence[Standing], low: float, high: float) -> str:
    """Draw how long an outage each service stands beside what it declared, on a logarithmic scale of hours."""
    place, height, left, end = 58, 96 + 50 * len(rows), 190, WIDTH - 30

    def x(hours: float) -> float:
        return left + log10(min(max(hours, low), high) / low) / log10(high / low) * (end - left)

    parts = []
    for hours in (one for one in (0.25, 1.0, 4.0, 12.0, 24.0, 48.0, 168.0) if low <= one <= high):
        parts.append(f'<line x1="{x(hours):.1f}" x2="{x(hours):.1f}" y1="50" y2="{height - 34}" stroke="#ddd"/>')
        parts.append(_text(x(hours), height - 18, length(hours), anchor="middle", size=12))
    for number, row in enumerate(rows):
        y = place + 50 * number
        parts.append(_text(left - 8, y + 18, row.name, anchor="end", size=12))
        if row.stands is None:
            parts.append(_text(left + 6, y + 18, "too few exams to say", size=12))
        else:
            stood, lost = x(row.stands), end if row.breached is None else x(row.breached)
            parts.append(f'<rect x="{left}" y="{y + 4}" width="{max(stood - left, 0):.1f}" height="20" fill="#555"/>')
            parts.append(
                f'<rect x="{stood:.1f}" y="{y + 4}" width="{max(lost - stood, 0):.1f}" height="20" '
                'fill="#fff" stroke="#555" stroke-dasharray="3 3"/>'
            )
            if row.breached is not None:
                parts.append(_text(lost + 5, y + 19, f"not {length(row.breached)}", size=12))
        if row.declared is not None:
            at = x(row.declared)
            parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y}" y2="{y + 29}" stroke="#000" stroke-width="3"/>')
            parts.append(_text(at, y + 41, f"declared {length(row.declared)}", anchor="middle", size=11))
    words = "dark: it stands an outage so long; dashed: between that and what it does not stand; upright mark: declared"
    return _sheet(title, [_text(14, 42, words, size=12), *parts], height)


def heat_map(title: str, hourly: Sequence[float]) -> str:
    """Draw the arrivals of a week, a square an hour, darker for more."""
    most, cell, top = max(hourly) or 1.0, 27, 62
    parts = []
    for at, value in enumerate(hourly):
        x, y = 90 + at % 24 * cell, top + at // 24 * 34
        grey = round(255 - 205 * value / most)
        parts.append(f'<rect x="{x}" y="{y}" width="{cell - 1}" height="33" fill="rgb({grey},{grey},{grey})"/>')
        ink = "#fff" if grey < 130 else "#000"
        parts.append(_text(x + 13, y + 21, f"{value:.0f}", anchor="middle", size=11, more=f' fill="{ink}"'))
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    parts += [_text(82, top + 21 + at * 34, day, anchor="end", size=12) for at, day in enumerate(days)]
    parts += [_text(90 + hour * cell + 13, top - 6, str(hour), anchor="middle", size=12) for hour in range(24)]
    return _sheet(title, [*parts, _text(90, top + 258, "exams an hour, by the hour of the day", size=12)], top + 274)
