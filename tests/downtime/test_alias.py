"""When we answer to the AE title of another system."""

from itertools import product

import pytest

from safelight.core.names import AETitle, BadAETitle
from safelight.downtime.alias import Alias, BadAlias
from safelight.downtime.outage import Scope
from safelight.downtime.phase import Phase

ANSWERED = {Phase.DOWNTIME, Phase.SECOND_OUTAGE, Phase.RECOVERY}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pacs PACS1", Alias(Scope.PACS, AETitle("PACS1"))),
        (" ris  RISWL always", Alias(Scope.RIS, AETitle("RISWL"), always=True)),
        ("pacs OLD PACS", Alias(Scope.PACS, AETitle("OLD PACS"))),
        ("pacs OLD PACS always", Alias(Scope.PACS, AETitle("OLD PACS"), always=True)),
        ("pacs always", Alias(Scope.PACS, AETitle("always"))),
    ],
)
def test_an_alias_is_a_scope_and_a_title(text: str, expected: Alias) -> None:
    assert Alias.parse(text) == expected


@pytest.mark.parametrize("text", ["", "pacs", "pacs ", "PACS1", "moon PACS1"])
def test_what_is_no_alias_is_refused(text: str) -> None:
    with pytest.raises(BadAlias):
        Alias.parse(text)
    with pytest.raises(BadAETitle):
        Alias.parse("pacs A-TITLE-THAT-IS-TOO-LONG")


@pytest.mark.parametrize(("phase", "everything"), list(product(Phase, Phase)))
def test_it_is_in_force_while_its_system_or_everything_is_away(phase: Phase, everything: Phase) -> None:
    phases = dict.fromkeys(Scope, Phase.NORMAL) | {Scope.PACS: phase, Scope.EVERYTHING: everything}
    assert Alias.parse("pacs X").is_active(phases) == (phase in ANSWERED or everything in ANSWERED)
    assert Alias.parse("pacs X always").is_active(phases)
