"""Advice: what people said against what probes found."""

from itertools import product

import pytest

from safelight.downtime.advice import BadProbe, Probe, Probed, ProbeWay, Verdict, Word, advise
from safelight.downtime.outage import Scope
from safelight.downtime.phase import Phase

SLOW = 5.0
ECHO = Probe(Scope.PACS, ProbeWay.ECHO, "PACS@h:104")
FIND = Probe(Scope.PACS, ProbeWay.FIND, "PACS@h:104")
OUTCOMES = {Verdict.UP: (0.1, ""), Verdict.SLOW: (5.0, ""), Verdict.DOWN: (0.1, "gateway.peer-silent")}
AWAY = {Phase.DOWNTIME, Phase.SECOND_OUTAGE, Phase.RECOVERY}


@pytest.mark.parametrize(("phase", "first", "second"), list(product(Phase, Verdict, Verdict)))
def test_advice_is_given_exactly_where_probes_contradict_what_was_said(
    phase: Phase, first: Verdict, second: Verdict
) -> None:
    probed = [Probed(ECHO, *OUTCOMES[first]), Probed(FIND, *OUTCOMES[second])]
    assert [one.verdict(SLOW) for one in probed] == [first, second]
    works = first is second is Verdict.UP
    wanted = {(True, True): Word.END, (True, False): Word.NOTHING, (False, True): Word.NOTHING}.get(
        (phase in AWAY, works), Word.DECLARE
    )
    assert advise({Scope.PACS: phase}, probed, SLOW) == {Scope.PACS: wanted}


def test_each_scope_is_judged_by_its_own_probes() -> None:
    viewer = Probed(Probe(Scope.VIEWERS, ProbeWay.HTTP, "http://h/"), 0.1, "downtime.probe-unanswered")
    phases = {Scope.PACS: Phase.NORMAL, Scope.VIEWERS: Phase.NORMAL}
    told = advise(phases, [Probed(ECHO, 0.1), viewer], SLOW)
    assert told == {Scope.PACS: Word.NOTHING, Scope.VIEWERS: Word.DECLARE}


def test_a_probe_is_three_words_in_any_case() -> None:
    assert Probe.parse(" PACS  Echo PACS@h:104 ") == ECHO


@pytest.mark.parametrize("text", ["", "pacs", "pacs echo", "pacs echo a b", "pax echo A@h:1", "pacs ping h"])
def test_what_is_no_probe_is_refused(text: str) -> None:
    with pytest.raises(BadProbe):
        Probe.parse(text)
