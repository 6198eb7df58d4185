"""What a reconciliation looks like now: everything that is compared, what differs, and the same as JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.message_index import MessageIndex
from safelight.core.clock import SystemClock, to_text
from safelight.core.errors import UsageError
from safelight.journal.journal import Journal
from safelight.reconciliation.case import Case, cases_of
from safelight.reconciliation.comparison import compare
from safelight.reconciliation.decision import Destinations
from safelight.reconciliation.difference import Difference, Kind, Wait
from safelight.reconciliation.matching import Proposal
from safelight.reconciliation.sides import Sides, TargetLook
from safelight.reconciliation.state import Decision, ReconciliationState
from safelight.site.hl7_status import messages_looked_at
from safelight.site.home import Home
from safelight.site.reconciliation_sides import SidesReader, state_of
from safelight.site.reconciliation_steps import untold_steps
from safelight.site.reconciliation_target import last_look
from safelight.site.reconciliation_window import NoOutageToReconcile, Window, window_of
from safelight.site.settings import Settings
from safelight.site.status import looked_at
from safelight.vault.keys import load_public_keys

if TYPE_CHECKING:
    from safelight.site.opened import Site


class UnknownDifference(UsageError):
    """Nothing of this name is open."""

    code: ClassVar[str] = "reconciliation.unknown-difference"
    hint: ClassVar[str] = "See what is open, each with its id: safelight reconciliation list"


@dataclass(frozen=True)
class Picture:
    """All sides of a window, and what was decided."""

    window: Window
    sides: Sides
    state: ReconciliationState
    destinations: Destinations

    @cached_property
    def cases(self) -> list[Case]:
        """What was done."""
        return cases_of(self.sides.exams, self.sides.studies, self.sides.replaced)

    @cached_property
    def differences(self) -> list[Difference]:
        """What is open."""
        return compare(self.cases, self.sides, self.state, self.destinations)


def picture_of(
    site: "Site", outages: Sequence[int] = (), target: str | None = None, look: TargetLook | None = None
) -> Picture:
    """Return the picture of an opened home.

    ``target`` is whose last recorded look counts, else of whoever was looked at; ``look`` is one that is not recorded.

    Raises:
        NoOutageToReconcile: no outage is open, or none has such a number.
    """
    now, journal, index = site.clock.now(), site.records.journal, site.messages.index
    look = look or last_look(journal, target)
    return _picture(site.catalog, journal, index, site.settings, site.node, now, outages, look)


@contextmanager
def picture_looked_at(home: Home, outages: Sequence[int] = ()) -> Iterator[Picture | None]:
    """Give the picture of a home that somebody else may serve; None where no outage is open.

    Raises:
        NoOutageToReconcile: an outage was named, and there is none of this number.
    """
    with looked_at(home) as (catalog, journal), messages_looked_at(home) as index:
        node = load_public_keys(home.keys).signing.key_id
        look = last_look(journal, None)
        try:
            picture = _picture(catalog, journal, index, home.settings(), node, SystemClock().now(), outages, look)
        except NoOutageToReconcile:
            if outages:
                raise
            picture = None
        yield picture


def differences_document(home: Home, outages: Sequence[int] = (), kind: str | None = None) -> dict[str, Any]:
    """Return what `safelight reconciliation list --json` prints."""
    with picture_looked_at(home, outages) as picture:
        document = picture_document(picture)
    if kind is not None:
        document["differences"] = [one for one in document["differences"] if one["kind"] == kind]
    return document


def counts_document(home: Home, outages: Sequence[int] = ()) -> dict[str, Any]:
    """Return what `safelight reconciliation status --json` prints: how much is open, and not what."""
    document = differences_document(home, outages)
    del document["differences"]
    return document


def difference_named(home: Home, name: str, outages: Sequence[int] = ()) -> dict[str, Any]:
    """Return what `safelight reconciliation show --json` prints.

    Raises:
        UnknownDifference: nothing of this name is open.
    """
    listed = differences_document(home, outages)["differences"]
    meant = [one for one in listed if name in (one["id"], one["subject"], one["exam"], one["order"], one["study"])]
    if not meant:
        raise UnknownDifference(difference=name)
    return _advised(min(meant, key=lambda one: (name != one["id"], name != one["subject"])))


def decisions_document(home: Home) -> dict[str, Any]:
    """Return what `safelight reconciliation log --json` prints: every decision, and what came of it."""
    with looked_at(home) as (_, journal):
        return {"decisions": [decision_document(one) for one in state_of(journal).decisions.values()]}


def picture_document(picture: Picture | None) -> dict[str, Any]:
    """Return a picture as JSON; without one, that nothing is open."""
    window, look = (picture.window, picture.sides.target) if picture is not None else (None, None)
    return {
        "outages": list(window.outages) if window else [],
        "since": to_text(window.since) if window else None,
        "until": to_text(window.until) if window and window.until else None,
        "target": look.target if look else None,
        "compared_at": to_text(look.at) if look else None,
        "cut_short": list(look.cut_short) if look else [],
        **_counted(picture.differences if picture is not None else []),
    }


def difference_document(one: Difference) -> dict[str, Any]:
    """Return a difference as JSON."""
    return {
        "id": one.identity,
        "kind": one.kind.value,
        # The key of an order is nobody's number.
        "subject": one.order or one.subject,
        "told": one.told,
        "waits_for": one.wait.value,
        "exam": one.exam,
        "study": one.study,
        "order": one.order,
        "proposals": [proposal_document(proposal) for proposal in one.proposals],
    }


def advised_document(one: Difference) -> dict[str, Any]:
    """Return a difference as JSON, with what a person can do about it."""
    return _advised(difference_document(one))


def decision_document(one: Decision) -> dict[str, Any]:
    """Return a decision as JSON; it names the patient, since that is what was decided."""
    undone = one.undone
    return {
        **one.fact.to_body(),
        "state": one.stage.value,
        "done": [{"what": done.what, "at": to_text(done.at), **done.told} for done in one.done.values()],
        "undone": None if undone is None else {"at": to_text(undone.at), "reason": undone.reason, "by": undone.by},
    }


def _picture(
    catalog: Catalog,
    journal: Journal,
    index: MessageIndex | None,
    settings: Settings,
    node: str,
    now: datetime,
    outages: Sequence[int],
    look: TargetLook | None,
) -> Picture:
    window = window_of(journal, now, outages)
    state = state_of(journal)
    told = settings.reconciliation
    reader = SidesReader(catalog, journal, index, node, now, window)
    sides = replace(reader.read(state, look), untold_steps=untold_steps(journal, window, told.steps_to))
    return Picture(window, sides, state, Destinations(tuple(told.identities_to), told.reports_to))


def _counted(differences: Sequence[Difference]) -> dict[str, Any]:
    return {
        "open": len(differences),
        "by_kind": dict(Counter(one.kind.value for one in differences)),
        "by_wait": dict(Counter(one.wait.value for one in differences)),
        "differences": [difference_document(one) for one in differences],
    }


def proposal_document(proposal: Proposal) -> dict[str, Any]:
    """Return an order that an exam may fulfil, and why, as JSON; it names nobody."""
    order, reasons = proposal.order, proposal.score.reasons
    return {
        "order": order.name,
        "key": order.key,
        "procedure": order.procedure,
        "started": order.started,
        "points": proposal.score.points,
        "certain": proposal.is_certain,
        "but": proposal.but,
        "for": [one.words for one in reasons if one.points > 0],
        "against": [one.words for one in reasons if one.points < 0],
    }


ADVICE: Final[Mapping[tuple[Kind, Wait], Sequence[str]]] = {
    (Kind.STUDY_WITHOUT_ORDER, Wait.IDENTITY): ("safelight downtime exam identify {exam} --patient-id ID",),
    (Kind.STUDY_WITHOUT_ORDER, Wait.ORDER): (
        "Have the order entered in the RIS; or: safelight reconciliation decide {id} --as no-order",
    ),
    (Kind.STUDY_WITHOUT_ORDER, Wait.DECISION): (
        "safelight reconciliation match {id} --order NUMBER",
        "safelight reconciliation decide {id} --as no-order",
    ),
    (Kind.ORDER_WITHOUT_STUDY, Wait.DECISION): ("safelight reconciliation decide {id} --as not-done",),
    (Kind.ORDER_WITHOUT_STUDY, Wait.IMAGES): (
        "Have the modality send them; if there are none: safelight downtime exam cancel {exam}",
    ),
    (Kind.IDENTITY_DIFFERS, Wait.DECISION): ("safelight reconciliation decide {id} --as replaced",),
    (Kind.OTHER_BYTES, Wait.DECISION): (
        "safelight reconciliation decide {id} --as ours",
        "safelight reconciliation decide {id} --as theirs",
    ),
    (Kind.STEP_NOT_FORWARDED, Wait.FORWARDING): ("safelight gateway procedure-steps forward --to AET",),
    (Kind.UNKNOWN_TO_VAULT, Wait.DECISION): ("safelight protection pull",),
}
"""What a person can do; any difference can also be left as it is."""


def _advised(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "advice": _advice(told)}


def _advice(one: Mapping[str, Any]) -> list[str]:
    kind, wait = Kind(one["kind"]), Wait(one["waits_for"])
    if wait is Wait.SENDING:
        return ["safelight reconciliation send"]
    if wait is Wait.MENDING:
        return [f"Have it mended there, then: safelight reconciliation decide {one['id']} --as left"]
    if wait is Wait.SETTING:
        return ["Set [reconciliation] identities_to and reports_to in safelight.toml"]
    if wait is Wait.LOOK:
        return ["safelight reconciliation compare"]
    if wait is Wait.DELIVERY:
        return ["safelight gateway queue list"]
    return [line.format(**one) for line in ADVICE.get((kind, wait), ())]
