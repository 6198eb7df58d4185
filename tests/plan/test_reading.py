"""Plans are read whole or not at all, and everything that is wrong is told with its place and its remedy."""

from datetime import UTC, date, datetime, timedelta

import pytest

from safelight.plan.errors import BadPlan, Trouble
from safelight.plan.model import Plan
from safelight.plan.reading import read_plan
from safelight.plan.source import Limits, Scalar, compose, quoted
from safelight.plan.words import Side

HEAD = "plan: {title: T, hospital: H, version: 1, horizon: 28 d, planned_outage: 0 min}\n"


def read(text: str, limits: Limits | None = None) -> Plan:
    return read_plan({"a.yaml": HEAD + text}, limits).plan


def troubles(text: str, limits: Limits | None = None) -> list[Trouble]:
    with pytest.raises(BadPlan) as caught:
        read(text, limits)
    return list(caught.value.troubles)


def test_values_are_what_their_fields_say() -> None:
    plan = read("people: [{id: no, name: 'Null', side: it, verified_on: 2026-11-24, on_committee: no}]")
    (person,) = plan.people
    assert (person.id, person.name, person.side, person.on_committee) == ("no", "Null", Side.IT, False)
    assert person.verified_on == date(2026, 11, 24)
    assert plan.plan.planned_outage == timedelta(0)


def test_a_time_has_a_zone_and_is_kept_in_utc() -> None:
    assert read("reviews: [{id: a, at: 2026-11-24T09:00:00+01:00}]").reviews[0].at == datetime(
        2026, 11, 24, 8, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "line", "what", "mend"),
    [
        ("system: []", 2, "`system` is no section", "Did you mean `systems`?"),
        ("sites: [{id: a, name: A, power: p, fabrik: f}]", 2, "`fabrik` is no field", "Did you mean `fabric`?"),
        ("sites:\n  - {id: a, name: A, power: p}", 3, "`fabric` is missing in `sites` `a`", "Add it"),
        ("sites:\n  - {id: a, name: A, power: p, fabric: }", 3, "`fabric` has no value", "Leave the line out"),
        ("exports: [{id: a, what: schedule, every: 0, rpo: 4 h}]", 2, "`0` cannot be read as every", "`0 min`"),
        ("exports: [{id: a, what: schedule, every: 4, rpo: 4 h}]", 2, "`4` cannot be read as every", "its unit"),
        ("exports: [{id: a, what: shedule, every: 4 h, rpo: 4 h}]", 2, "`shedule` is no what", "`schedule`"),
        ("reviews: [{id: a, at: 2026-11-24T09:00:00}]", 2, "cannot be read as at", "with its zone"),
        ("reviews: [{id: a, at: 2026-13-24T09:00:00Z}]", 2, "cannot be read as at", "with its zone"),
        ("people: [{id: a, name: A, side: it}, {id: b, name: a, side: it}]", 2, "have one name", "Tell them apart"),
        ("people: [{id: a, name: A, side: it}, {id: a, name: B, side: it}]", 2, "stands twice", "Also in a.yaml:2:10"),
        ("people: [{id: a, id: b}]", 2, "`id` stands twice", "Keep one"),
        ("roles: [{id: a, kind: other, side: it, person: x}]", 2, "`x` is not in `people`", "Add it"),
        ("restore_order_it: [x]", 2, "`x` is not in `systems`", "Add it"),
        ("people: [&a {id: a}, *a]", 2, "no anchors", "Write the value out"),
        ("people: !!python/object:os.system [x]", 2, "no tags", "Remove the tag"),
        ("people: [", 3, "This is not YAML", "Look at indentation"),
        ("people: a", 2, "is a list", "Begin each"),
        ("---\nplan: 1", 2, "A second document", "one document"),
        ("plan: {}", 2, "`plan` stands twice", "Keep one"),
        ("people: [{id: [a], name: A, side: it}]", 2, "`id` is one value", "Write"),
        ("live_numbers: [{id: a, of: accession, first: 1.5, last: 2}]", 2, "`1.5` cannot be read", "whole number"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_remedy(text: str, line: int, what: str, mend: str) -> None:
    told = troubles(text)
    assert any(one.place.line == line and what in one.what and mend in one.mend for one in told), told


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert len(troubles("sites: [{id: a}]\nexports: [{id: b, what: x, every: 1, rpo: 2}]")) == 6


def test_sections_may_be_spread_over_files_and_the_head_may_not() -> None:
    one = "people: [{id: a, name: A, side: it}]"
    two = "people: [{id: b, name: B, side: it}]"
    assert [p.id for p in read_plan({"a.yaml": HEAD + one, "b.yaml": two}).plan.people] == ["a", "b"]
    with pytest.raises(BadPlan, match="stands in two places"):
        read_plan({"a.yaml": HEAD, "b.yaml": HEAD})
    with pytest.raises(BadPlan, match="`plan` is missing"):
        read_plan({"a.yaml": one})


def test_a_bomb_costs_nothing() -> None:
    bomb = "a: &a [x,x]\n" + "".join(f"{c}: &{c} [*{p},*{p}]\n" for p, c in zip("abcdefg", "bcdefgh", strict=True))
    assert "anchors" in troubles(bomb)[0].what
    assert "too large" in troubles("# " + "x" * 100, Limits(file_bytes_max=100))[0].what
    assert "too deeply" in troubles("people: " + "[" * 100)[0].what
    assert "too much" in troubles("people: [" + "a," * 100 + "]", Limits(nodes_max=50))[0].what


@pytest.mark.parametrize(
    "text", ["Süd", 'a "b": {c} \\ #', "Ward \U0001f3e5", "\uffff\U00010000", "\x00\x85\u2028\n\t", "", "no"]
)
def test_a_text_that_is_written_is_read_as_it_was(text: str) -> None:
    ((_, node),) = compose("a.yaml", f"a: {quoted(text)}").entries
    assert isinstance(node, Scalar)
    assert (node.text, node.quoted) == (text, True)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "\x00", "\ud800", "a: \x07"])
def test_what_is_no_plan_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadPlan):
        read_plan({"a.yaml": text})


def test_a_circle_of_needs_is_named_with_its_line() -> None:
    system = "  - {{id: {}, name: {}, kind: other, site: s, in_it_plan: yes, needs: [{}]}}\n"
    first = system.format("z", "z", "b")
    three = "".join(system.format(a, a, b) for a, b in ("ab", "bc", "ca"))
    (told,) = troubles(f"sites: [{{id: s, name: S, power: p, fabric: f}}]\nsystems:\n{first}{three}")
    assert told.place.file == "a.yaml"
    assert told.place.line == 6
    assert told.what == "Systems wait for each other in a circle: b -> c -> a -> b."
    assert "needs" in told.mend
