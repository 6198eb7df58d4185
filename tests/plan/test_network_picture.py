"""The picture of the network: all of it is on the sheet, no line crosses a box, and nothing that flows is left out."""

import re
from dataclasses import replace
from datetime import date
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from safelight.plan.model import Plan
from safelight.plan.network_picture import BOX, LEGEND_MAX, network_picture
from safelight.plan.words import EXAMPLES
from safelight.site.plan_folder import example_plan

TODAY = date(2026, 11, 24)
SVG = "{http://www.w3.org/2000/svg}"
Points = list[tuple[float, float]]


def crowded() -> Plan:
    """Return a plan of three sites in which systems of each send to those of each other, and to their own."""
    plan = example_plan("400-bed", TODAY)
    sites = [site.id for site in plan.sites]
    systems = [
        replace(plan.systems[0], id=f"s{n}", name=f"<System {n}>", site=sites[n % 3], needs=()) for n in range(15)
    ]
    flows = [
        replace(plan.flows[0], id=f"f{n}", source=f"s{n % 15}", target=f"s{(n * 7 + 1) % 15}", port=n + 1)
        for n in range(60)
    ]
    return replace(plan, systems=tuple(systems), flows=tuple(flows), copies=())


PLANS = {**{name: example_plan(name, TODAY) for name in EXAMPLES}, "crowded": crowded()}


def drawn(plan: Plan) -> tuple[ElementTree.Element, list[tuple[float, float]], list[Points]]:
    root = ElementTree.fromstring(network_picture(plan))
    boxes = [(float(one.attrib["x"]), float(one.attrib["y"])) for one in root.iter(f"{SVG}rect") if one.get("rx")]
    lines = []
    for one in root.iter(f"{SVG}path"):
        if one.get("marker-end"):
            points: Points = []
            for letter, told in re.findall(r"([MHV])([\d. ]+)", one.attrib["d"]):
                x, y = points[-1] if points else (0.0, 0.0)
                numbers = [float(number) for number in told.split()]
                x, y = {"M": tuple(numbers[:2]), "H": (numbers[0], y), "V": (x, numbers[0])}[letter]
                points.append((x, y))
            lines.append(points)
    return root, boxes, lines


@pytest.mark.parametrize("name", PLANS)
def test_no_line_crosses_a_box_and_all_of_it_is_on_the_sheet(name: str) -> None:
    root, boxes, lines = drawn(PLANS[name])
    wide, high = float(root.attrib["width"]), float(root.attrib["height"])
    for points in lines:
        for (x1, y1), (x2, y2) in pairwise(points):
            assert min(x1, x2) >= 0 and max(x1, x2) <= wide and min(y1, y2) >= 0 and max(y1, y2) <= high
            for x, y in boxes:
                across = min(x1, x2) < x + BOX[0] and max(x1, x2) > x
                down = min(y1, y2) < y + BOX[1] and max(y1, y2) > y
                assert not (across and down), (points, (x, y))
    for one in root.iter(f"{SVG}text"):
        letters = len(one.text or "")
        # DejaVu Sans is about 0.62 of its size wide, bold 0.69.
        size = float(one.attrib["font-size"]) * (0.69 if one.get("font-weight") else 0.6)
        assert float(one.attrib["x"]) + letters * size <= wide + 1, one.text


@pytest.mark.parametrize("name", PLANS)
def test_every_flow_is_a_line_with_an_end_at_both_boxes(name: str) -> None:
    plan = PLANS[name]
    root, boxes, lines = drawn(plan)
    assert lines
    edges = {x for x, _ in boxes} | {x + BOX[0] for x, _ in boxes}
    assert all(points[0][0] in edges and points[-1][0] in edges for points in lines)
    texts = " ".join(one.text or "" for one in root.iter(f"{SVG}text"))
    if len(lines) <= LEGEND_MAX:
        assert all(one.kind in texts for one in plan.flows)
    else:
        assert f"and {len(lines) - LEGEND_MAX} more" in texts


def test_lanes_of_lines_that_turn_are_their_own() -> None:
    _, _, lines = drawn(crowded())
    upright = [(a[0], *sorted((a[1], b[1]))) for points in lines for a, b in pairwise(points) if a[0] == b[0]]
    for number, (x, top, bottom) in enumerate(upright):
        for other, over, under in upright[number + 1 :]:
            assert x != other or bottom <= over or under <= top


def test_a_plan_without_systems_or_flows_is_drawn_too() -> None:
    plan = example_plan("400-bed", TODAY)
    for empty in (replace(plan, systems=(), flows=(), copies=()), replace(plan, flows=())):
        assert not drawn(empty)[2]
