"""One content of several comes to count: that which is in force here, or that which the target has."""

from collections.abc import Iterable, Mapping
from typing import Any

from safelight.journal.kinds import FactKind
from safelight.protection.finding import FindingCode
from safelight.reconciliation.facts import Decided
from safelight.recovery.ports import Version
from safelight.site.opened import Site
from safelight.site.reconciliation_correcting import Outcome, OwnArrivals, Told, chosen
from safelight.site.reconciliation_target import TargetDesk


def keep_versions(site: Site, study: str, decided: Decided) -> Outcome:
    """Let the versions in force stay so, and say that nobody need look at the others any more."""
    wanted = frozenset(decided.instances)
    current = {one.sop_instance: one.digest for one in site.catalog.instances(study) if one.sop_instance in wanted}
    told = {"instances": [[name, digest.hex(), digest.hex()] for name, digest in sorted(current.items())]}
    facts = [chosen(name, digest) for name, digest in sorted(current.items())]
    return Outcome(told, [*facts, *_settled_conflicts(site, wanted, decided)])


def take_versions(site: Site, desk: TargetDesk, study: str, decided: Decided) -> Outcome:
    """Keep what the target has of these instances like anything that is received, and let it be in force.

    Raises:
        NotGivenBack: the target does not give back all of them.
    """
    wanted = frozenset(decided.instances)
    before = {one.sop_instance: one.digest for one in site.catalog.instances(study) if one.sop_instance in wanted}
    taken: dict[str, bytes] = {}
    with OwnArrivals(site) as own:

        def take(theirs: Version) -> None:
            taken[theirs.sop_instance] = own.take(theirs.data_set, theirs.transfer_syntax, desk.peer)

        desk.versions(study, wanted, take)
    rows = [[name, before[name].hex(), digest.hex()] for name, digest in sorted(taken.items())]
    facts = [chosen(name, digest) for name, digest in sorted(taken.items())]
    return Outcome({"instances": rows}, [*facts, *_settled_conflicts(site, wanted, decided)])


def versions_before(told: Mapping[str, Any]) -> list[Told]:
    """Return the facts by which the versions come into force again that were before the target's were taken in."""
    return [chosen(name, bytes.fromhex(before)) for name, before, _ in told["instances"]]


def _settled_conflicts(site: Site, instances: Iterable[str], decided: Decided) -> list[Told]:
    code = FindingCode.VERSION_CONFLICT.value
    known = {one.subject for one in site.catalog.findings(code=code)}
    because = f"decision {decided.number}: {decided.verdict.value}"
    return [
        (FactKind.FINDING_CLOSED.value, {"code": code, "subject": name, "because": because})
        for name in sorted(known.intersection(instances))
    ]
