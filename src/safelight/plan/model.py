"""The plan as a whole: its sections. What they hold is in `inventory`, `objectives` and `practice`."""

from dataclasses import dataclass
from datetime import date, timedelta

from safelight.plan.field import told
from safelight.plan.inventory import Copy, Flow, Number, Person, Role, Segment, Site, System, Vendor
from safelight.plan.objectives import Assumption, Declaration, OtherPlan, Replay, Service
from safelight.plan.practice import (
    Access,
    Action,
    Channel,
    Drill,
    Export,
    Fallback,
    Pack,
    Priors,
    Procedure,
    Rehearsal,
    Retention,
    Review,
    Runbook,
    Stock,
    Treatment,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the plan is, and how far it looks."""

    title: str = told("Its name on the first page.")
    hospital: str = told("For which hospital.")
    version: str = told("Its version; raise it before both sides sign.")
    horizon: timedelta = told("The longest outage that the plan carries through, such as `28 d`.")
    planned_outage: timedelta = told("The outage that modalities, numbers and stock must bear without help.")
    network_map_on: date | None = told("When IT's network map was last brought up to date.", None)
    console_key: str | None = told("Public key (64 hexadecimal digits) of the Safelight whose logins sign.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan, signed by two sides."""

    plan: Header = told("What the plan is, and how far it looks.")
    declaration: Declaration | None = told("Who declares a downtime, and on what.", None)
    replay: Replay | None = told("How held messages are sent again.", None)
    restore_order_it: tuple[str, ...] = told("Systems in the order in which IT brings them back.", (), ref="systems")
    restore_order_radiology: tuple[str, ...] = told("The order that radiology needs.", (), ref="systems")
    sites: tuple[Site, ...] = told("Buildings and data centres.", ())
    segments: tuple[Segment, ...] = told("Parts of the network that can be cut off from the rest.", ())
    people: tuple[Person, ...] = told("People, with their side and numbers.", ())
    roles: tuple[Role, ...] = told("Roles, with deputies.", ())
    vendors: tuple[Vendor, ...] = told("Companies that must act in a recovery.", ())
    systems: tuple[System, ...] = told("Every system that counts, whoever bought it.", ())
    services: tuple[Service, ...] = told("What the hospital does with them, and what it can bear.", ())
    flows: tuple[Flow, ...] = told("DICOM and HL7 between systems.", ())
    copies: tuple[Copy, ...] = told("Copies of data, with their media and places.", ())
    assumptions: tuple[Assumption, ...] = told("What each side takes for granted.", ())
    other_plans: tuple[OtherPlan, ...] = told("The hospital's other plans.", ())
    procedures: tuple[Procedure, ...] = told("What people do by hand meanwhile.", ())
    runbooks: tuple[Runbook, ...] = told("How systems come back, step by step.", ())
    fallbacks: tuple[Fallback, ...] = told("What is used instead of a system.", ())
    priors: tuple[Priors, ...] = told("How earlier images are seen meanwhile.", ())
    exports: tuple[Export, ...] = told("Lists put where they can be read without their system.", ())
    reserved_numbers: tuple[Number, ...] = told("Numbers that only a downtime gives out.", ())
    live_numbers: tuple[Number, ...] = told("Numbers that the systems give out by themselves.", ())
    supplies: tuple[Stock, ...] = told("Paper, labels, media, toner.", ())
    channels: tuple[Channel, ...] = told("Ways to reach people.", ())
    access: tuple[Access, ...] = told("Who opens which door.", ())
    packs: tuple[Pack, ...] = told("Where copies of this plan lie.", ())
    retention: tuple[Retention, ...] = told("Images that stay longer.", ())
    drills: tuple[Drill, ...] = told("Rehearsals and what they measured.", ())
    rehearsals: tuple[Rehearsal, ...] = told("Drills that come again and again.", ())
    reviews: tuple[Review, ...] = told("Meetings, with attendance.", ())
    actions: tuple[Action, ...] = told("What somebody promised to do until when.", ())
    treatments: tuple[Treatment, ...] = told("Findings that were accepted or mitigated, by whom, until when.", ())
