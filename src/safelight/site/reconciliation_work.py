"""Doing what follows from decisions: each command once more is harmless, and each is recorded before the next."""

import hashlib
from collections.abc import Sequence

from safelight.catalog.message_facts import WRITTEN_HERE
from safelight.journal.message_log_format import Arrived, LoggedMessage
from safelight.reconciliation.decision import Command, Merge, Report, StudyCommand, Update
from safelight.reconciliation.facts import Decided, Done, Undone
from safelight.reconciliation.messages import Sender, control_id, merge_message, report_message, update_message
from safelight.reconciliation.state import Consequence
from safelight.site.hl7_destinations import UnknownDestination, read_destinations
from safelight.site.hl7_intake import MessageJournaling
from safelight.site.opened import Site
from safelight.site.reconciliation_correcting import Outcome, correct_study, replace_study
from safelight.site.reconciliation_target import TargetDesk
from safelight.site.reconciliation_versions import keep_versions, take_versions
from safelight.site.saying import deciding


def do(site: Site, desk: TargetDesk, command: Command, decided: Decided) -> Outcome:
    """Do a command and return what is to be recorded of it.

    Raises:
        PeerError: the target did not do its part.
        UnknownDestination: a message goes to a destination that is not there.
    """
    match command:
        case StudyCommand():
            return _of_study(site, desk, command, decided)
        case Merge() | Update() | Report():
            return _tell(site, command, decided)


def _of_study(site: Site, desk: TargetDesk, command: StudyCommand, decided: Decided) -> Outcome:
    match command.consequence:
        case Consequence.KEEP:
            return keep_versions(site, command.study, decided)
        case Consequence.TAKE:
            return take_versions(site, desk, command.study, decided)
        case Consequence.CORRECT:
            return correct_study(site, command.study, decided)
        case Consequence.REPLACE:
            return replace_study(site, command.study, decided)
        case Consequence.SEND:
            sent = desk.send(command.study, command.instances)
            told = {"level": sent.level, "lacking": sorted(sent.lacking), "differing": sorted(sent.differing)}
            return Outcome({"instances": len(sent.stored), **told})


def is_taken_back(site: Site, decision: int) -> bool:
    """Say whether somebody took a decision back, perhaps while what follows from it is being done."""
    undone = site.records.journal.entries(kinds=[Undone.kind])
    return any(Undone.from_body(entry.facts).number == decision for entry in undone)


def record_done(site: Site, command: Command, outcome: Outcome) -> bool:
    """Record a command as done, in one step with what comes into force by it; return whether that was recorded.

    What was written by a decision that somebody took back meanwhile comes into force no more; what another system was
    told is told.
    """
    done = Done(command.decision, command.name, site.clock.now(), outcome.told)
    with deciding:
        if outcome.facts and is_taken_back(site, command.decision):
            return False
        site.records.record_all([*outcome.facts, (done.kind, done.to_body())])
    return True


def _tell(site: Site, command: Merge | Update | Report, decided: Decided) -> Outcome:
    """Put a message into the queue of its destination; one that is there already is not written again."""
    if command.destination not in read_destinations(site.home.destinations):
        raise UnknownDestination(name=command.destination)
    hl7 = site.settings.hl7
    sender = Sender(hl7.application, hl7.facility, site.node, command.decision, decided.at)
    named = (f"{hl7.application}|{hl7.facility}", control_id(sender, command.name))
    index = site.messages.index
    if not index.named([named]):
        raw = _message(sender, command)
        journaling = MessageJournaling(
            site.messages,
            site.large_messages,
            _To(command.destination),
            site.clock,
            site.records.open_finding,
            site.log.failure,
        )
        digest = hashlib.sha256(raw).digest()
        journaling.write([LoggedMessage(0, Arrived.MESSAGE, site.clock.now(), WRITTEN_HERE, raw, digest)])
    position, _ = index.named([named])[named]
    return Outcome({"destination": command.destination, "control_id": named[1], "message": position})


def _message(sender: Sender, command: Merge | Update | Report) -> bytes:
    if isinstance(command, Merge):
        return merge_message(sender, command)
    return update_message(sender, command) if isinstance(command, Update) else report_message(sender, command)


class _To:
    def __init__(self, destination: str) -> None:
        self._destination = destination

    def destinations_for(self, event: str) -> Sequence[str]:
        """Return the one destination that the message was written for."""
        del event
        return [self._destination]
