"""Pictures are well-formed, and carry what they claim to show."""

from xml.etree.ElementTree import fromstring

import pytest

from safelight.impact.picture import Bar, Standing, backlog, bars, heat_map, shares, standings, ticks


def test_every_picture_is_well_formed_and_escapes_what_a_site_calls_things() -> None:
    name = "CT <&> 'north'"
    pictures = [
        backlog(name, [0.0] * 400, [1.0] * 400, [2.0] * 400, [0.0] * 400, 178, 24),
        backlog(name, [0.0] * 400, [0.0] * 400, [0.0] * 400, [0.0] * 400, 178, 0.5),
        bars(name, [Bar(name, 0, 10, 20, 45), Bar(name, 1e5, 1e5, 1e5, None)]),
        shares(name, [(name, [(0.25, 0.0), (24.0, 1.0)]), ("other", [(4.0, 0.5)])], 0.05),
        standings(
            name,
            [
                Standing(name, None, None, 1.0),
                Standing(name, 0.0, 1.0, 0.0),
                Standing(name, 4.0, 6.0, None),
                Standing(name, 168.0, None, 500.0),
            ],
            0.25,
            168.0,
        ),
        heat_map(name, [float(hour) for hour in range(168)]),
    ]
    for one in pictures:
        root = fromstring(one)
        assert root.attrib["aria-label"] == name
        assert not any("nan" in value or "inf" in value for part in root.iter() for value in part.attrib.values())


def test_lines_differ_without_colour() -> None:
    drawn = shares("x", [(str(number), [(1.0, 0.1), (2.0, 0.2)]) for number in range(4)], 0.05)
    lines = fromstring(drawn).iter("{http://www.w3.org/2000/svg}polyline")
    assert len({one.attrib.get("stroke-dasharray") for one in lines}) == 4


@pytest.mark.parametrize("high", [0.0, 0.3, 1.0, 7.0, 19.0, 100.0, 12_345.0])
def test_ticks_are_round_and_reach_the_highest_value(high: float) -> None:
    marks = ticks(high)
    assert marks[0] == 0
    assert marks[-1] >= high
    assert len(marks) <= 8


def test_a_service_that_declared_more_than_it_stands_has_its_mark_right_of_its_bar() -> None:
    drawn = fromstring(standings("x", [Standing("CT", 2.0, 4.0, 24.0)], 0.25, 168.0))
    bar = next(one for one in drawn.iter("{http://www.w3.org/2000/svg}rect") if one.attrib["fill"] == "#555")
    mark = next(one for one in drawn.iter("{http://www.w3.org/2000/svg}line") if one.get("stroke-width") == "3")
    assert float(mark.attrib["x1"]) > float(bar.attrib["x"]) + float(bar.attrib["width"])
