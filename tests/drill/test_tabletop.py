import pytest

from safelight.drill.answers import left_open, read_answers
from safelight.drill.facts import OpenItem
from safelight.drill.sheet import BadScript
from safelight.drill.tabletop import SHIPPED, read_script, shipped_script
from safelight.plan.errors import BadPlan


@pytest.mark.parametrize("name", SHIPPED)
def test_the_scripts_that_ship_ask_both_sides_at_every_inject(name: str) -> None:
    title, injects = read_script(name, shipped_script(name))
    assert title
    assert len(injects) >= 5
    assert all(one.tells and one.it.endswith("?") and one.radiology.endswith("?") for one in injects)


def test_a_disruption_without_a_script_of_its_own_gets_the_one_for_hardware() -> None:
    assert shipped_script("site") == shipped_script("hardware")


@pytest.mark.parametrize(
    "text",
    [
        "title: x",
        "title: x\ninjects: []",
        "title: x\ninjects: [{id: a, tells: t, it: q}]",
        "title: x\ninjects: [{id: a, tells: t, it: q, radiology: q, more: z}]",
        "title: x\ninjects: [{id: a, tells: [t], it: q, radiology: q}]",
        "title: x\ninjects: [{id: a, tells: t, it: q, radiology: q}, {id: a, tells: t, it: q, radiology: q}]",
        "title: x\ninjects: [{id: a, tells: t, it: q, radiology: q, roles: nobody}]",
        "title: x\ninjects: [{id: a, tells: t, it: q, radiology: q, roles: [[a]]}]",
        "title: x\ninjects: [a]",
        "title: x\ninjects: a",
    ],
)
def test_a_script_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(BadScript):
        read_script("s.yaml", text)


def test_an_inject_may_name_the_roles_that_must_speak_to_it() -> None:
    rows = "{id: a, tells: t, it: q, radiology: q, roles: [lead, clerk]}, {id: b, tells: t, it: q, radiology: q}"
    _, injects = read_script("s.yaml", f"title: x\ninjects: [{rows}]")
    assert [one.roles for one in injects] == [("lead", "clerk"), ()]


def test_a_script_has_no_tags() -> None:
    with pytest.raises(BadPlan):
        read_script("s.yaml", "title: !!python/name:os.system x\ninjects: []")


def test_a_side_without_an_answer_leaves_an_item_that_nobody_owns() -> None:
    text = 'answers: [{inject: a, it: " ", radiology: Ann, open: [{what: w, owner: omar}]}]'
    given = read_answers("a.yaml", text).injects["a"]
    assert left_open(given) == (OpenItem("w", "omar"), OpenItem("IT had no answer", ""))


@pytest.mark.parametrize(
    "text",
    [
        "calls: [{person: omar, called_at: '2026-03-02T03:00:00'}]",
        "calls: [{person: omar, called_at: soon}]",
        "steps: [{step: worklist, executed: perhaps}]",
        "steps: [{step: worklist}]",
        "steps: [{step: labels, executed: yes}, {step: labels, executed: no}]",
        "more: []",
    ],
)
def test_answers_that_are_not_as_they_must_be_are_refused(text: str) -> None:
    with pytest.raises(BadScript):
        read_answers("a.yaml", text)
