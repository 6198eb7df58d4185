"""Asking other systems whether they work, and advising whoever declares."""

import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from safelight.core.clock import Clock, SystemClock
from safelight.core.errors import PeerError, UsageError
from safelight.core.names import Peer
from safelight.downtime.advice import BadProbe, Probe, Probed, ProbeWay, Word, advise
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import VERIFICATION_PROPOSAL, service_proposal
from safelight.gateway.dicom.exchange import CallSettings
from safelight.site.home import Home
from safelight.site.outages import downtime_state
from safelight.site.peers import find_peer
from safelight.site.retrieval import identifier
from safelight.site.settings import Settings
from safelight.site.status import looked_at
from safelight.wire.dicom.uids import STUDY_ROOT_FIND

PROBES_AT_ONCE: Final = 8
FAILED_FROM: Final = 500


class NoProbes(UsageError):
    """There is nothing to ask."""

    code: ClassVar[str] = "downtime.no-probes"
    hint: ClassVar[str] = "Give --probe 'pacs echo AET@HOST:PORT', or name probes under [downtime] in safelight.toml."


class ProbeUnanswered(PeerError):
    """A system that was asked whether it works did not answer, or not as one that works."""

    code: ClassVar[str] = "downtime.probe-unanswered"
    hint: ClassVar[str] = "Ask whoever runs it; if it is away, a person declares it: safelight downtime declare"


def advice_document(home: Home, probes: Sequence[str], slow_seconds: float | None) -> dict[str, Any]:
    """Return what `safelight downtime advise --json` prints; nothing is recorded and nothing declared.

    Raises:
        NoProbes, BadProbe: there is nothing to ask, or not so.
    """
    settings = home.settings()
    asked = [Probe.parse(one) for one in probes or settings.downtime.probes]
    if not asked:
        raise NoProbes
    prober = Prober(home, settings, SystemClock())
    for one in asked:
        prober.judge(one)
    slow = settings.downtime.slow_seconds if slow_seconds is None else slow_seconds
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        probed = list(pool.map(prober.ask, asked))
    with looked_at(home) as (_, journal):
        now, state = SystemClock().now(), downtime_state(journal)
    phases = {one.scope: state.scope(one.scope, now).phase for one in asked}
    advice = advise(phases, probed, slow)
    return {
        "slow_seconds": slow,
        "probes": [
            {
                "scope": one.probe.scope.value,
                "way": one.probe.way.value,
                "target": _without_login(one.probe.target),
                "verdict": one.verdict(slow).value,
                "seconds": round(one.seconds, 4),
                "trouble": one.trouble,
            }
            for one in probed
        ],
        "advice": [
            {"scope": scope.value, "phase": phases[scope].value, "advice": word.value} for scope, word in advice.items()
        ],
        "nothing_to_say": all(word is Word.NOTHING for word in advice.values()),
    }


class Prober:
    """Asks systems. Used by several threads; each question has a connection of its own."""

    def __init__(self, home: Home, settings: Settings, clock: Clock) -> None:
        self._home = home
        self._settings = settings
        self._clock = clock
        self._give_up = timedelta(seconds=settings.downtime.give_up_seconds)

    def judge(self, probe: Probe) -> None:
        """Look whether a target can be asked so.

        Raises:
            UsageError: it is not written as its way demands.
        """
        match probe.way:
            case ProbeWay.ECHO | ProbeWay.FIND:
                self._peer(probe)
            case ProbeWay.MLLP:
                _address(probe)
            case ProbeWay.HTTP:
                if urlsplit(probe.target).scheme not in ("http", "https") or not urlsplit(probe.target).hostname:
                    raise BadProbe(way=probe.way)

    def ask(self, probe: Probe) -> Probed:
        """Ask one system and time it."""
        began = self._clock.elapsed()
        trouble = ""
        try:
            WAYS[probe.way](self, probe)
        except PeerError as error:
            trouble = error.code
        return Probed(probe, (self._clock.elapsed() - began) / timedelta(seconds=1), trouble)

    def echo(self, probe: Probe) -> None:
        """Ask for a C-ECHO."""
        with connect(
            self._peer(probe), self._settings.dicom.ae_title, [VERIFICATION_PROPOSAL], settings=self._patience()
        ) as association:
            if not association.echo().is_success:
                raise ProbeUnanswered(way=probe.way)

    def find(self, probe: Probe) -> None:
        """Ask for the studies of today."""
        today = f"{self._clock.now().astimezone():%Y%m%d}"
        asked = identifier("STUDY", StudyDate=today, StudyInstanceUID="")
        began = self._clock.elapsed()
        with connect(
            self._peer(probe),
            self._settings.dicom.ae_title,
            [service_proposal(STUDY_ROOT_FIND)],
            settings=self._patience(),
        ) as association:
            for _ in association.find(STUDY_ROOT_FIND, asked):
                if self._clock.elapsed() - began > self._give_up:
                    raise ProbeUnanswered(way=probe.way)

    def mllp(self, probe: Probe) -> None:
        """Connect, and hang up."""
        try:
            socket.create_connection(_address(probe), self._give_up.total_seconds()).close()
        except OSError as error:
            raise ProbeUnanswered(way=probe.way) from error

    def http(self, probe: Probe) -> None:
        """Get an address; the answer's words do not matter."""
        try:
            with urllib.request.urlopen(probe.target, timeout=self._give_up.total_seconds()) as answer:  # noqa: S310 - http(s) only, see judge
                answer.read(1)
        except urllib.error.HTTPError as error:
            with error:
                if error.code >= FAILED_FROM:
                    raise ProbeUnanswered(way=probe.way, status=error.code) from error
        except (OSError, ValueError) as error:
            raise ProbeUnanswered(way=probe.way) from error

    def _peer(self, probe: Probe) -> Peer:
        return find_peer(self._home.peers, probe.target)

    def _patience(self) -> CallSettings:
        return CallSettings(connect=self._give_up, artim=self._give_up, answer=self._give_up, whole_pdu=self._give_up)


WAYS: Final[Mapping[ProbeWay, Callable[[Prober, Probe], None]]] = {
    ProbeWay.ECHO: Prober.echo,
    ProbeWay.FIND: Prober.find,
    ProbeWay.MLLP: Prober.mllp,
    ProbeWay.HTTP: Prober.http,
}


def _address(probe: Probe) -> tuple[str, int]:
    # Written like a peer's address; the title only satisfies the reader.
    peer = Peer.parse(f"LISTENER@{probe.target}")
    return peer.host, peer.port


def _without_login(target: str) -> str:
    parts = urlsplit(target)
    return target if "@" not in parts.netloc else target.replace(parts.netloc, parts.netloc.rpartition("@")[2])
