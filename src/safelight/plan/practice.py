"""What is done: procedures, runbooks, drills, reviews, and what lies ready for them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from safelight.plan.field import told
from safelight.plan.words import (
    Disruption,
    DrillKind,
    Exported,
    PackForm,
    Phase,
    Proved,
    RetentionClass,
    Side,
    StepKind,
    Supply,
    TreatmentState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, by a person or a machine."""

    do: str = told("What is done.")
    kind: StepKind = told("Who or what does it.")
    who: str | None = told("Which role.", None, ref="roles")
    takes: timedelta = told("How long it is expected to take; later than that is told upward.", timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """What people do by hand while something is away."""

    id: str = told("A short name.")
    name: str = told("Its name.")
    side: Side = told("Whose it is.", Side.RADIOLOGY)
    phase: Phase = told("In which phase.")
    disruptions: tuple[Disruption, ...] = told("In which kinds of disruption; none named is any.", ())
    segments: tuple[str, ...] = told("Which isolated segments it works in.", (), ref="segments")
    needs_trigger_from_it: bool = told("Whether it begins when IT says something.", False)
    lasts: timedelta | None = told("How long people can go on so.", None)
    steps: tuple[Step, ...] = told("What is done, in order.", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """How systems are brought back, step by step."""

    id: str = told("A short name.")
    name: str = told("Its name.")
    side: Side = told("Whose it is.", Side.IT)
    phase: Phase = told("In which phase.")
    systems: tuple[str, ...] = told("For which systems.", (), ref="systems")
    paired_with: str | None = told("What radiology does meanwhile.", None, ref="procedures")
    tells_radiology: bool = told("Whether a step of it tells radiology that it begins and ends.", False)
    steps: tuple[Step, ...] = told("What is done, in order.", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What is used instead of a system."""

    id: str = told("A short name.")
    name: str = told("What it is.")
    instead_of: str = told("Of which system.", ref="systems")
    needs: tuple[str, ...] = told("What must work for it.", (), ref="systems")


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """A way to see earlier images while the PACS is away."""

    id: str = told("A short name.")
    system: str = told("Which system shows them.", ref="systems")
    age: timedelta = told("How old what it shows may be.")
    age_tolerated: timedelta = told("How old radiology can bear it to be.")
    marked: bool = told("Whether it clearly says that it is not the usual system.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A list put where it can be read without its system."""

    id: str = told("A short name.")
    what: Exported = told("What it lists.")
    every: timedelta = told("How often it is made.")
    rpo: timedelta = told("How old it may be.")
    opened_offline_on: date | None = told("When somebody last opened it with the network off.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What a day on paper uses up."""

    id: str = told("A short name.")
    what: Supply = told("What it is.")
    lasts: timedelta = told("For how long it is enough, at peak.")
    where: str | None = told("Where it lies.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to reach people."""

    id: str = told("A short name.")
    name: str = told("Radio, overhead call, phone tree, runner ...")
    needs: tuple[str, ...] = told("Systems that must work for it.", (), ref="systems")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who opens which door for a restore."""

    id: str = told("A short name.")
    site: str = told("Where.", ref="sites")
    needs: tuple[str, ...] = told("Systems that the lock needs.", (), ref="systems")
    it_holder: str | None = told("Who of IT has a key.", None, ref="people")
    radiology_holder: str | None = told("Who of radiology has a key.", None, ref="people")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A copy of this plan that lies somewhere."""

    id: str = told("Its serial.")
    site: str = told("At which site.", ref="sites")
    form: PackForm = told("In which form.")
    version: str = told("Of which version of the plan.")
    holder: str | None = told("Who has it.", None, ref="people")
    made_on: date | None = told("When it was made.", None)
    numbers: tuple[str, ...] = told("Which reserved numbers it alone gives out, first and last.", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Images that stay longer than others."""

    id: str = told("A short name.")
    images: RetentionClass = told("Which.")
    tagged_in_restore: bool = told("Whether a restore knows them.")
    tagged_in_disposal: bool = told("Whether disposal knows them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a drill measured for one system."""

    system: str = told("Which system.", ref="systems")
    rto: timedelta | None = told("Time until it was of use.", None)
    rpo: timedelta | None = told("How much time of data was missing.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A rehearsal."""

    id: str = told("A short name.")
    held_on: date = told("When.")
    kind: DrillKind = told("How real it was.")
    disruption: Disruption = told("Which disruption was played.")
    sides: tuple[Side, ...] = told("Who took part.")
    vendors: tuple[str, ...] = told("Which vendors took part.", (), ref="vendors")
    proved: tuple[Proved, ...] = told("What was gone through.", ())
    measured: tuple[Measurement, ...] = told("What was measured.", ())
    not_done: tuple[str, ...] = told("Steps that were not executed.", ())
    evidence: str | None = told("SHA-256 of its sealed evidence, where Safelight ran it.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A drill that comes again and again."""

    id: str = told("A short name.")
    kind: DrillKind = told("How real it is.")
    disruption: Disruption = told("Which disruption is played.")
    every: timedelta = told("How old the last one may become, such as `90 d`.")
    systems: tuple[str, ...] = told("What it covers; a change of one of them makes the last one stale.", ref="systems")
    owner: str = told("Who sees to it.", ref="people")
    target: str | None = told("Where a restore goes, `AET@HOST:PORT`: a PACS that nobody works with.", None)
    limit: int | None = told("How many studies are restored at most; without it, the first tier.", None)
    script: str | None = told("A table-top's own script: a file in the folder `scripts` of the plan.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A meeting about this plan."""

    id: str = told("A short name.")
    at: datetime = told("When, with zone.")
    attended: tuple[str, ...] = told("Who was there.", (), ref="people")
    minutes: str | None = told("What was said.", None)
    discussed: tuple[str, ...] = told("Findings that were discussed, as `R06`.", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What somebody promised to do."""

    id: str = told("A short name.")
    what: str = told("What.")
    owner: str = told("Who.", ref="people")
    due_on: date = told("Until when.")
    done_on: date | None = told("When it was done.", None)
    finding: str | None = told("For which finding, as `R06`.", None)
    reopened: bool = told("Whether a drill showed that it was not solved.", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """A finding that was accepted or mitigated instead of mended."""

    id: str = told("A short name.")
    rule: str = told("Which rule, as `R17`.")
    subject: str = told("About what, as `safelight plan assess` names it.")
    state: TreatmentState = told("Whether it is lived with, or made smaller.")
    owner: str = told("Who answers for it.", ref="people")
    expires_on: date = told("When it must be decided again.")
    why: str = told("Why, or what was done instead.")
