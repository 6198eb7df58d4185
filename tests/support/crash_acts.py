"""Acts of a site's life that are cut off by the power, and what is called in afterwards.

An act begins from a home that was prepared once. The power goes before the durable call with the number tried; the home
is opened again on what is left, and every promise that was made before the cut must hold.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from safelight.catalog.rows import CopyState
from safelight.core.instance import Arrival
from safelight.core.names import AETitle
from safelight.core.progress import silent
from safelight.evidence.verification import check_bundle
from safelight.gateway.dicom.ports import AssociationFacts, StoreCommand
from safelight.journal.kinds import FactKind
from safelight.site.commitment_record import RECEIVED_KINDS
from safelight.site.dicom_commitments import CommitmentDesk
from safelight.site.dicom_commitments import fold as fold_commitments
from safelight.site.evidence import export_evidence
from safelight.site.exporting import Wanted, export
from safelight.site.flushing import finish_copies, pack_everything
from safelight.site.founding import Founding, found
from safelight.site.intake import LandingIntake
from safelight.site.opened import Site
from safelight.site.recoveries import NoRecovery, resume, start, state_of
from safelight.site.verifying import rebuild, scrub_now, verify_everything
from safelight.vault.pack_format import place_of
from safelight.wire.dicom.commitment import CommitmentRequest, Reference
from support.crash_disk import PowerCut
from support.crash_site import Machine, copy_machine, journal_entries
from support.landed import take_in
from support.raw_sender import CT_IMAGE, EXPLICIT_LITTLE_ENDIAN, RawInstance, make_instance

SEED: Final = 20_261_124
NEVER: Final = 10**6
WHO: Final = {"reason": "test", "by": "test"}
STUDIES: Final = ("2.25.801", "2.25.802")


@dataclass
class Day:
    """What was promised before the cut, and what the test itself spoiled."""

    answered: set[str] = field(default_factory=set)
    harmed: set[tuple[str, str]] = field(default_factory=set)
    """Placement and pack."""
    asked: set[tuple[str, str]] = field(default_factory=set)
    """Requests for storage commitment that were answered with success: calling AE title and transaction."""
    committed: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """What each modality was told is safe: it may delete these digests."""
    recorded: dict[int, bytes] = field(default_factory=dict)
    """Position and hash of every journal entry at the moment of the cut."""


Play = Callable[[Machine, Day], None]


@dataclass(frozen=True)
class Act:
    """A piece of a site's life."""

    play: Play
    before: str = ""
    """The act that was played before."""
    share_before: float = 1
    """How much of that act was played when the power went there, too."""


# What happens.


def found_home(root: Path, machine: Machine | None = None) -> None:
    """Make a home with a second placement and small landing segments."""
    root.mkdir()
    asked = Founding(root / "home", "S", AETitle.parse(b"HERE"), 11112, root / "second", accept_any=True)
    made = found(asked, machine.seam() if machine else None)
    settings = made.home.settings_file
    settings.write_text(settings.read_text().replace("[vault]", "[vault]\nlanding_segment_bytes = 1048576"))


def _instances() -> list[RawInstance]:
    dice = random.Random(SEED)
    one, two = (make_instance(STUDIES[0], 1, number, 24, dice) for number in (1, 2))
    other = make_instance(STUDIES[1], 1, 1, 40, dice)
    # The pixels of the first under another name: the later pack refers to the earlier one.
    name = f"{STUDIES[0]}.1.3"
    alike = RawInstance(name, STUDIES[0], one.data.replace(one.uid.encode(), name.encode()))
    return [one, two, other, alike]


def receive(site: Site, day: Day, instances: Sequence[RawInstance]) -> None:
    """Receive over one association; the answer that each commit allows is a promise. Then the catalog is told."""
    facts = AssociationFacts(AETitle.parse(b"CT1"), AETitle.parse(b"HERE"), "10.0.0.7")
    arrived: list[Arrival] = []
    session = LandingIntake(site.landing, site.clock, arrived.append, site.feeds).open(facts)
    for one in instances:
        told = (CT_IMAGE.decode(), one.uid, EXPLICIT_LITTLE_ENDIAN.decode())
        take_in(session.begin(StoreCommand(*told)), one.data)
        session.finish(*told, None)
        session.commit()
        day.answered.add(one.digest)
    session.close()
    site.catalog.record_landed(arrived)


def _receive_and_pack(machine: Machine, day: Day) -> None:
    one, two, other, alike = _instances()
    with machine.site() as site:
        receive(site, day, [one, two])
        receive(site, day, [other])
        pack_everything(site, silent)
        receive(site, day, [alike, one])
        pack_everything(site, silent)
        while site.landing.zero_one_freed():
            pass


def _come_back(machine: Machine, day: Day) -> None:
    with machine.site() as site:
        receive(site, day, [make_instance(STUDIES[0], 3, 1, 16, random.Random(SEED))])
        pack_everything(site, silent)


def harm(site: Site, day: Day, placement: str, pack: str, *, remove: bool = False) -> None:
    """Flip a bit in the middle of a copy, or remove it."""
    directory = {"home": site.home.vault, "second": Path(site.settings.vault.second)}[placement]
    path = directory / "packs" / place_of(pack)
    day.harmed.add((placement, pack))
    if remove:
        path.unlink()
        return
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def _heal_and_rebuild(machine: Machine, day: Day) -> None:
    with machine.site() as site:
        packs = sorted(row.name for row in site.catalog.packs() if row.kind == "instances")
        harm(site, day, "home", packs[0])
        harm(site, day, "second", packs[1])
        harm(site, day, "second", packs[2], remove=True)
        verify_everything(site, deep=False, heal=True, report=silent)
        harm(site, day, "home", packs[2])
        scrub_now(site, 100, silent)
        receive(site, day, [make_instance(STUDIES[1], 2, 1, 16, random.Random(SEED))])
        rebuild(site, silent)
        finish_copies(site)


def _recover_and_prove(machine: Machine, day: Day) -> None:
    with machine.site() as site:
        start(site, {"folder": str(machine.root / "out"), "associations": 1, **WHO}, silent)
        export_evidence(site, {"to": str(machine.root / "evidence.zip")})


def _commit(machine: Machine, day: Day) -> None:
    """Ask for commitment before and after there are copies; whoever is told yes deletes."""
    one, two, other, _ = _instances()
    facts = AssociationFacts(AETitle.parse(b"CT1"), AETitle.parse(b"HERE"), "10.0.0.7")
    with machine.site() as site:
        desk = CommitmentDesk(site)
        receive(site, day, [one, two])
        _ask(desk, facts, day, "2.25.1", [one, two])
        desk.turn()
        _hear(desk, facts, day, "2.25.1", [one, two])
        pack_everything(site, silent)
        receive(site, day, [other])
        _ask(desk, facts, day, "2.25.2", [one, other])
        for _ in range(2):
            for name in ("2.25.1", "2.25.2"):
                # Nobody waits on an association: it is looked at with the next turn.
                desk.let_go(facts, name)
            desk.turn()
            _hear(desk, facts, day, "2.25.1", [one, two])
            _hear(desk, facts, day, "2.25.2", [one, other])
            pack_everything(site, silent)


def _ask(desk: CommitmentDesk, facts: AssociationFacts, day: Day, name: str, of: Sequence[RawInstance]) -> None:
    desk.ask(facts, CommitmentRequest(name, tuple(Reference(CT_IMAGE.decode(), one.uid) for one in of)))
    day.asked.add((facts.calling.text, name))


def _hear(desk: CommitmentDesk, facts: AssociationFacts, day: Day, name: str, of: Sequence[RawInstance]) -> None:
    report = desk.take(facts, name)
    if report is not None:
        safe = {reference.sop_instance for reference in report.committed}
        day.committed[facts.calling.text, name] = tuple(one.digest for one in of if one.uid in safe)
        desk.delivered(facts, name, 0)


ACTS: Final = {
    "commit": Act(_commit),
    "receive and pack": Act(_receive_and_pack),
    "come back": Act(_come_back, "receive and pack", 0.3),
    "heal and rebuild": Act(_heal_and_rebuild, "receive and pack"),
    "recover and prove": Act(_recover_and_prove, "receive and pack"),
}


# What must hold afterwards.

Check = Callable[[Site, Path, Day], None]


def claimed_copies_are_whole(site: Site, root: Path, day: Day) -> None:
    """I4: what the catalog calls verified was read back from where it lies."""
    for placement in site.placements:
        for row in site.catalog.copies_in_state(placement.name, CopyState.VERIFIED):
            if (placement.name, row.pack) not in day.harmed:
                placement.verify(row.pack)


def answered_comes_out(site: Site, root: Path, day: Day) -> None:
    """I1 and I2: every instance that was answered leaves byte for byte."""
    folder = root / "exported"
    for digest in day.answered:
        told = export(site, Wanted(None, digest), folder, dry_run=False, report=silent)
        assert not told["failed"]
    assert day.answered <= {_data_set_digest(path) for path in folder.glob("*")}


def _data_set_digest(path: Path) -> str:
    """Source: PS3.10 section 7.1."""
    data = path.read_bytes()
    return hashlib.sha256(data[144 + int.from_bytes(data[140:144], "little") :]).hexdigest()


def catalog_equals_a_rebuilt_one(site: Site, root: Path, day: Day) -> None:
    """I6: the catalog says what vault, journal and landing log say."""
    before = _told(site)
    rebuild(site, silent)
    after = _told(site)
    assert before[0] - after[0] == after[0] - before[0]
    assert before == after


def _told(site: Site) -> tuple[set[str], tuple[int, ...], set[bytes], list[str]]:
    tally = site.catalog.tally()
    counts = (tally.instances_landed, tally.instances_packed, tally.instances_waiting, tally.studies, tally.packs)
    lines = list(site.catalog.dump())
    return set(lines), counts, {row.version.digest for row in site.catalog.landed()}, lines


def committed_is_safe(site: Site, root: Path, day: Day) -> None:
    """I3: what a modality may delete lies whole in as many placements as the plan demands, and no request is lost."""
    assert len(site.placements) == site.settings.vault.copies_min
    for digests in day.committed.values():
        for digest in digests:
            holding = site.holdings.holding_of(bytes.fromhex(digest))
            for placement in site.placements:
                placement.verify(holding.pack)
    answered = {
        (str(entry.facts["calling"]), str(entry.facts["transaction"]))
        for entry in site.records.journal.entries(kinds=[FactKind.COMMITMENT_DELIVERED])
    }
    open_ones = set(fold_commitments(site.records.journal.entries(kinds=RECEIVED_KINDS)))
    assert day.asked <= open_ones | answered
    assert answered <= day.committed.keys()


def recorded_facts_stay(site: Site, root: Path, day: Day) -> None:
    """I7: what was recorded once is recorded for ever, in an unbroken chain."""
    assert site.records.journal.verify() == []
    assert day.recorded.items() <= journal_entries(site.home.directory).items()


def recovery_goes_on(site: Site, root: Path, day: Day) -> None:
    """I7: whatever was done and not recorded is done again, without harm."""
    try:
        state = state_of(site.records.journal, None)
    except NoRecovery:
        return
    if not state.finished:
        assert resume(site, WHO, silent)["all_confirmed"]
    assert not day.answered - {_data_set_digest(path) for path in (root / "out").rglob("*.dcm")}


def evidence_is_whole_or_absent(site: Site, root: Path, day: Day) -> None:
    """I8: a bundle that is there holds without us; one that the journal tells of is there."""
    file = root / "evidence.zip"
    if file.exists():
        checks = check_bundle(file.read_bytes(), site.public.signing.raw)
        assert checks and all(check.holds for check in checks)
    for entry in site.records.journal.entries(kinds=[FactKind.EVIDENCE_SEALED]):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == entry.facts["sha256"]


def it_works_on(site: Site, root: Path, day: Day) -> None:
    """Whatever is left over is finished: everything is packed, copied, and whole in both placements."""
    pack_everything(site, silent)
    told: dict[str, Any] = verify_everything(site, deep=True, heal=True, report=silent)
    assert told["whole"], told["damaged"]
    assert site.catalog.packs_lacking(2) == []
    assert site.catalog.tally().instances_waiting == 0
    answered_comes_out(site, root, day)


EVERY_CHECK: Final[Sequence[Check]] = (
    recorded_facts_stay,
    committed_is_safe,
    claimed_copies_are_whole,
    answered_comes_out,
    evidence_is_whole_or_absent,
    catalog_equals_a_rebuilt_one,
    recovery_goes_on,
    it_works_on,
)
COSTLY: Final[Sequence[Check]] = (catalog_equals_a_rebuilt_one, it_works_on)
"""Where all cuts are tried, each of them makes one of these, in turn."""


# Trying it.


class Stage:
    """Prepared homes to begin acts from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._homes: dict[tuple[str, float], tuple[Path, Day]] = {}
        self._calls: dict[str, int] = {}
        self._count = 0

    def begin(self, act: str) -> tuple[Path, Day]:
        """Return a home in which an act can be played, and what was promised in it before."""
        source, day = self._prepared(ACTS[act].before, ACTS[act].share_before)
        return copy_machine(source, self.place()), Day(set(day.answered), set(day.harmed))

    def calls(self, act: str) -> int:
        """Return how many durable calls an act makes when nothing stops it."""
        if act not in self._calls:
            self._calls[act] = self.play(act, NEVER, 1, ())
        return self._calls[act]

    def play(
        self,
        act: str,
        number: int,
        seed: int,
        checks: Sequence[Check] = EVERY_CHECK,
        change: Callable[[Machine], None] = lambda _: None,
    ) -> int:
        """Play an act until the call with this number, cut the power, call in what was promised; return the calls."""
        root, day = self.begin(act)
        count = self._play_until(root, day, act, number, seed, change)
        with Machine(root) as machine, machine.site() as site:
            for check in checks:
                check(site, root, day)
        return count

    def place(self) -> Path:
        """Return a place where nothing lies."""
        self._count += 1
        return self._folder / str(self._count)

    def _prepared(self, act: str, share: float) -> tuple[Path, Day]:
        if (act, share) not in self._homes:
            if act:
                root, day = self.begin(act)
                number = NEVER if share == 1 else int(self.calls(act) * share)
                self._play_until(root, day, act, number, SEED, lambda _: None)
            else:
                root, day = self.place(), Day()
                found_home(root)
            self._homes[act, share] = root, day
        return self._homes[act, share]

    def _play_until(
        self, root: Path, day: Day, act: str, number: int, seed: int, change: Callable[[Machine], None]
    ) -> int:
        with Machine(root) as machine:
            change(machine)
            machine.disk.cut_at(number)
            try:
                ACTS[act].play(machine, day)
            except PowerCut:
                pass
            day.recorded = journal_entries(root / "home")
            machine.lose_power(seed)
            return len(machine.disk.calls)


def cut_everywhere(stage: Stage, act: str) -> None:
    """Cut an act at each of its durable calls in turn."""
    count = stage.calls(act)
    assert count > 20
    for number in range(1, count + 1):
        left_out = COSTLY[number % len(COSTLY)]
        _tell_where(stage, act, number, [check for check in EVERY_CHECK if check is not left_out])


def cut_somewhere(stage: Stage, act: str, cuts: int) -> None:
    """Cut an act at some of its durable calls, chosen by the seed."""
    for number in sorted(random.Random(SEED).sample(range(1, stage.calls(act) + 1), cuts)):
        _tell_where(stage, act, number, EVERY_CHECK)


def _tell_where(stage: Stage, act: str, number: int, checks: Sequence[Check]) -> None:
    try:
        stage.play(act, number, number, checks)
    except Exception as error:
        error.add_note(f"{act}: cut before call {number}, seed {number}")
        raise
