"""Letting studies go that a recovery held back or gave up, on the decision of a named person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from safelight.core.errors import StateError, UsageError
from safelight.recovery.facts import StudyReleased, to_body
from safelight.recovery.state import Progress, RecoveryState, Stage, UnknownStudy, judge
from safelight.site.opened import Site
from safelight.site.recoveries import state_of
from safelight.site.recovery_holdings import VaultHoldings
from safelight.site.saying import signed

HELD_BACK: Final = frozenset({Stage.WITHHELD, Stage.FAILED, Stage.DIFFERS, Stage.UNCONFIRMABLE})
REJECTED: Final = "rejected"


class NothingToRelease(StateError):
    """The study is on its way or confirmed, and none of its instances is held back."""

    code: ClassVar[str] = "recovery.nothing-to-release"
    hint: ClassVar[str] = "See which studies wait for a person: safelight recovery status"


class NoStudyNamed(UsageError):
    """A release names the studies that it lets go."""

    code: ClassVar[str] = "recovery.no-study-named"
    hint: ClassVar[str] = "Give Study Instance UIDs; safelight recovery status lists those that wait for a person."


@dataclass(frozen=True, slots=True)
class _Release:
    """What a release does with one study."""

    study: str
    stage: Stage
    why: str
    rejected: int
    """How many rejected instances it holds."""
    with_rejected: bool

    @property
    def told(self) -> dict[str, Any]:
        """Return it as JSON."""
        again = "compared again" if self.stage is Stage.UNCONFIRMABLE else "sent again, then compared"
        return {
            "study": self.study,
            "state": self.stage.value,
            "told": self.why,
            "rejected_instances": self.rejected,
            "rejected_go_too": self.with_rejected,
            "will_be": again,
        }


def release(site: Site, told: Mapping[str, Any]) -> dict[str, Any]:
    """Record that studies may go; whoever drives the recovery sends them, else the next resume.

    Every study is judged before the first is released: a mistake in one leaves all as they are.

    Raises:
        NotSigned: a reason or a name is missing.
        NoStudyNamed: no study is given.
        UnknownStudy: a study is not part of this recovery.
        NothingToRelease: a study is not held back.
    """
    reason, by = signed(told)
    state = state_of(site.records.journal, told.get("number"))
    studies: Sequence[str] = list(dict.fromkeys(told.get("studies") or ()))
    if not studies:
        raise NoStudyNamed(recovery=state.recovery)
    with_rejected = bool(told.get("with_rejected"))
    releases = [_judged(site, state, study, with_rejected=with_rejected) for study in studies]
    dry_run = bool(told.get("dry_run"))
    if not dry_run:
        _record(site, state, releases, reason=reason, by=by)
    return {
        "number": state.recovery,
        "dry_run": dry_run,
        "released": 0 if dry_run else len(releases),
        "studies": [one.told for one in releases],
    }


def _record(site: Site, state: RecoveryState, releases: Sequence[_Release], *, reason: str, by: str) -> None:
    facts = [
        StudyReleased(state.recovery, site.clock.now(), one.study, reason, by, one.with_rejected) for one in releases
    ]
    for fact in facts:
        judge(state, fact)
    site.records.record_all([(fact.kind, to_body(fact)) for fact in facts])


def _judged(site: Site, state: RecoveryState, study: str, *, with_rejected: bool) -> _Release:
    progress: Progress | None = state.studies.get(study)
    if progress is None:
        raise UnknownStudy(study=study, recovery=state.recovery)
    assert state.settings is not None
    held = VaultHoldings(site).instances(study, state.settings.as_of or state.started_at)
    rejected = sum(bool(one.rejected) for one in held)
    # Of a study that waits because it was rejected, the rejected instances are what is decided on.
    with_rejected = rejected > 0 and (with_rejected or (progress.stage is Stage.WITHHELD and progress.why == REJECTED))
    is_partly_held = progress.stage is Stage.CONFIRMED and with_rejected and not progress.with_rejected
    if progress.stage not in HELD_BACK and not is_partly_held:
        raise NothingToRelease(study=study, state=progress.stage.value)
    return _Release(study, progress.stage, progress.why, rejected, with_rejected)
