"""What is needed and what is believed: services and tolerances, assumptions, declaration."""

from dataclasses import dataclass
from datetime import date, timedelta

from safelight.plan.field import told
from safelight.plan.words import Disruption, ServiceKind, Side, UidPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What radiology says that a service can bear, for one kind of disruption."""

    disruption: Disruption = told("In which kind of disruption.")
    mtd: timedelta | None = told("Longest time until work is as before, with what piled up done.", None)
    rto: timedelta | None = told("Longest time that the systems may be away.", None)
    rpo: timedelta | None = told("How much time of data may be lost; `0 min` is none.", None)
    why: str | None = told("What happens to patients beyond that.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Something the hospital does for patients, or for itself, that needs systems."""

    id: str = told("A short name.")
    name: str = told("Its name.")
    kind: ServiceKind = told("What it is.")
    systems: tuple[str, ...] = told("What it cannot work without.", ref="systems")
    tolerances: tuple[Tolerance, ...] = told("What it can bear.", ())
    clinical_limit: timedelta | None = told("Longest wait of a patient, from request to images.", None)
    exams_per_hour: float | None = told("At peak.", None)
    work_recovery: timedelta = told("Time to do what piled up, and to reconcile, once systems are back.", timedelta(0))
    result_path: str | None = told("How results reach the ward without systems: who walks, who phones.", None)
    divert_owner: str | None = told("Who decides to send patients elsewhere.", None, ref="people")
    divert_to: str | None = told("Where to.", None, ref="sites")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """Something that one side takes for granted."""

    id: str = told("A short name.")
    subject: str = told("A word for what it is about; the same word for the same thing on both sides.")
    side: Side = told("Who believes it.")
    position: str = told("A short answer that can be compared, such as `hot copy at second site`.")
    statement: str = told("In a sentence.")
    evidence: str | None = told("What shows it.", None)
    expires_on: date | None = told("When it must be looked at again.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Who declares a downtime, and on what."""

    criteria: tuple[str, ...] = told("On what signs.")
    declarer: tuple[str, ...] = told("Who declares: one person.", ref="people")
    successor: str | None = told("Who declares when that person cannot be reached.", None, ref="people")
    radiology_can_trigger: bool = told("Whether radiology can demand it.", False)
    slow_is_declarable: bool = told("Whether unbearably slow counts as away.", False)
    detect: timedelta = told("Time until somebody notices and is believed.", timedelta(0))
    declare: timedelta = told("Time from then until it is declared.", timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How held messages are sent again."""

    runbook: str = told("The runbook for it.", ref="runbooks")
    ordered_across_feeds: bool = told("Whether ADT and orders go together in the order of receipt.")
    suppresses_duplicates: bool = told("Whether a message that was taken is not applied twice.")
    study_uid: UidPolicy = told("Where the Study Instance UID of an order comes from.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPlan:
    """Another plan of the hospital."""

    id: str = told("A short name.")
    name: str = told("Its name.")
    owner: str = told("Whose it is.")
    covers_imaging: bool = told("Whether it covers imaging.")
    pacs_administrator_contributes: bool = told("Whether the PACS administrator takes part in it.")
