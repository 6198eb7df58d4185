"""What there is: places, people, systems, flows, copies."""

from dataclasses import dataclass
from datetime import date, timedelta

from safelight.plan.field import told
from safelight.plan.words import (
    Acknowledges,
    Disruption,
    FlowKind,
    Held,
    NumberFor,
    Portion,
    RoleKind,
    Route,
    Side,
    SystemKind,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A building or data centre."""

    id: str = told("Its short name in this plan.")
    name: str = told("Its name.")
    power: str = told("Which power feed it hangs on.")
    fabric: str = told("Which network or storage fabric it hangs on.")
    radiology: bool = told("Whether radiology works here, and needs the plan in print.", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of the network that can be cut off."""

    id: str = told("Its short name.")
    name: str = told("Its name.")
    in_it_map: bool = told("Whether IT's network map shows it.")
    may_be_isolated: bool = told("Whether IT would cut it off to contain an attack.", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who must act."""

    id: str = told("A short name.")
    name: str = told("Name as people know it.")
    side: Side = told("For which side this person speaks.")
    office: str | None = told("Office number.", None)
    mobile: str | None = told("A number that works outside the office.", None)
    verified_on: date | None = told("When somebody last reached this person by these numbers.", None)
    on_committee: bool = told("Whether a member of the downtime committee.", False)
    signing_key: str | None = told("Public key (64 hexadecimal digits) that this person signs with.", None)
    account: str | None = told("Account of the console by whose login this person signs; `console_key` too.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A duty that somebody always has."""

    id: str = told("A short name.")
    kind: RoleKind = told("What the role is for.")
    side: Side = told("On which side.")
    person: str = told("Who has it.", ref="people")
    deputy: str | None = told("Who has it when that person is away.", None, ref="people")
    deputy_trained_on: date | None = told("When the deputy last did it.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A company that must act in a recovery."""

    id: str = told("A short name.")
    name: str = told("Its name.")
    emergency_number: str | None = told("The number that is answered when it burns.", None)
    contract: str | None = told("Contract number.", None)
    response: timedelta | None = told("Contractual time to respond.", None)
    on_site: timedelta | None = told("Contractual time to be on site.", None)
    out_of_hours: bool = told("Whether reachable at night and on weekends.", False)
    subcontractor: str | None = told("Who really comes, if somebody else.", None)
    subcontractor_number: str | None = told("That company's own number.", None)
    business_associate: bool = told("Whether it holds or reads our images.", False)
    notice_within: timedelta | None = told("Within what time it tells us that its own plan was activated.", None)
    recovery_evidence_on: date | None = told("When it last showed evidence of its own recovery.", None)
    exit_copy: bool = told("Whether we can have all our data back.", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What IT says it can do for a system, for one kind of disruption."""

    disruption: Disruption = told("In which kind of disruption.")
    rto: timedelta | None = told("Time until the system works again.", None)
    rpo: timedelta | None = told("How much time of data may be lost; `0 min` is none.", None)
    evidence: str | None = told("What shows it.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How long a system's own recovery takes, part by part; the parts follow each other."""

    disruption: Disruption = told("In which kind of disruption.")
    rebuild: timedelta = told("Hardware, system and configuration.", timedelta(0))
    copy: str | None = told("From which copy the data come; the time to fetch its media counts.", None, ref="copies")
    size_gb: float = told("How much must come back before the system is of use.", 0.0)
    useful_with: Portion | None = told(
        "How much of the copy that Safelight holds must be back before the system is of use; counted there.", None
    )
    gb_per_hour: float | None = told("Measured rate, when it differs from the copy's.", None)
    consistency: timedelta = told("Until database and archive agree.", timedelta(0))
    validation: timedelta = told("Until a technologist and a radiologist have said that it works.", timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system, whoever bought it."""

    id: str = told("A short name.")
    name: str = told("Its name.")
    kind: SystemKind = told("What it is for.")
    site: str = told("Where it runs.", ref="sites")
    segment: str | None = told("In which part of the network.", None, ref="segments")
    it_owner: str | None = told("Who is responsible on the side of IT.", None, ref="people")
    radiology_owner: str | None = told("Who is responsible on the side of radiology.", None, ref="people")
    in_it_plan: bool = told("Whether IT's own disaster-recovery plan has it.")
    tier: int | None = told("IT's recovery tier; 1 comes first.", None)
    bought_by: Side | None = told("Which side paid for it.", None)
    staffed_by: Side | None = told("Which side's people run it.", None)
    vendor: str | None = told("Who supports it.", None, ref="vendors")
    needs: tuple[str, ...] = told("What must work before it can.", (), ref="systems")
    holds_images: bool = told("Whether images lie on it that lie nowhere else at times.", False)
    admin_domain: str | None = told("Whose credentials administer it.", None)
    recovery_site: str | None = told("Where it fails over to.", None, ref="sites")
    changed_on: date | None = told("When it last changed in a way that matters for recovery.", None)
    capabilities: tuple[Capability, ...] = told("What IT says it can do.", ())
    recovery: tuple[Recovery, ...] = told("What its recovery consists of.", ())
    transaction_recovery: str | None = told("How entries since the last database copy are regained.", None)
    storage_change_needs_pacs_administrator: bool = told(
        "Whether nobody touches its storage without the PACS administrator.", False
    )
    local_storage: timedelta | None = told("How long a modality can go on at peak before its disk is full.", None)
    deletes_before_commitment: bool = told("Whether a modality deletes images before the archive committed.", False)
    emergency_account_tested_on: date | None = told("When login without the directory was last tried.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What one system sends another."""

    id: str = told("A short name.")
    kind: FlowKind = told("What goes over it.")
    source: str = told("Which system calls.", ref="systems")
    target: str = told("Which system is called.", ref="systems")
    path: Route = told("To the usual target, or to the one at the recovery site.", Route.PRIMARY)
    ae_title: str | None = told("The called AE title.", None)
    host: str | None = told("Address.", None)
    port: int | None = told("Port.", None)
    it_owner: str | None = told("Who is responsible on the side of IT.", None, ref="people")
    radiology_owner: str | None = told("Who is responsible on the side of radiology.", None, ref="people")
    alarm: bool = told("Whether somebody is told when it is silent or its queue grows.", False)
    acknowledges: Acknowledges | None = told("When the receiver says that it has a message.", None)
    durable_queue: bool = told("Whether what waits survives a restart.", False)
    checks_control_id: bool = told("Whether an answer is matched to its message (MSA-2).", False)
    queue_messages_max: int | None = told("How many messages can wait.", None)
    messages_per_hour: float | None = told("How many come.", None)
    poison_rule: bool = told("Whether one message that is always refused is set aside.", False)
    tls: bool = told("Whether it is encrypted as BCP 195 asks.", False)
    certificate_expires_on: date | None = told("When the certificate of the target expires.", None)
    audited: bool = told("Whether audit messages of the target are collected.", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of a system's data."""

    id: str = told("A short name.")
    of: str = told("Of which system.", ref="systems")
    site: str = told("Where it lies.", ref="sites")
    medium: str = told("Disk, object store, tape ...")
    holds: tuple[Held, ...] = told("What of the system it holds.")
    every: timedelta = told("How often it is made; `0 min` is at once, as a mirror is.")
    admin_domain: str = told("Whose credentials can change or delete it.")
    offline: bool = told("Whether no network reaches it.", False)
    immutable: bool = told("Whether nobody can change it for a time.", False)
    in_safelight: bool = told("Whether it is what Safelight holds: size and rate are then those on record.", False)
    persons_to_delete: int = told("How many people it takes to delete it.", 1)
    acquire: timedelta = told("Time until the medium is at hand: courier, recall, mount.", timedelta(0))
    courier: str | None = told("Who brings it, with number.", None)
    gb_per_hour: float | None = told("How fast it can be read, measured.", None)
    verified_on: date | None = told("When it was last read and compared.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A range of numbers."""

    id: str = told("A short name.")
    of: NumberFor = told("Patient IDs or accession numbers.")
    prefix: str = told("What stands before the digits.", "")
    first: int = told("The first.")
    last: int = told("The last.")
