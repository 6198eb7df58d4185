"""The words that a plan may choose from."""

from enum import StrEnum
from typing import Final

EXAMPLES: Final = ("400-bed", "100-bed", "rehearsal")
"""The plans that ship with Safelight."""


class Side(StrEnum):
    """Who speaks: the plan has two voices."""

    IT = "it"
    RADIOLOGY = "radiology"


class Disruption(StrEnum):
    """What takes a system away."""

    SOFTWARE = "software"
    HARDWARE = "hardware"
    SITE = "site"
    NETWORK = "network-isolation"
    RANSOMWARE = "ransomware"
    VENDOR = "vendor-or-cloud"
    PEOPLE = "people"


class SystemKind(StrEnum):
    """What a system is for."""

    PACS = "pacs"
    VNA = "vna"
    RIS = "ris"
    WORKLIST = "worklist"
    VIEWER = "viewer"
    DICTATION = "dictation"
    MEDIA_IMPORT = "media-import"
    DOSE = "dose"
    AI_ROUTER = "ai-router"
    MODALITY = "modality"
    IMAGE_SOURCE = "image-source"
    READ_ONLY_PRIORS = "read-only-priors"
    INTERFACE_ENGINE = "interface-engine"
    HIS = "his"
    DIRECTORY = "directory"
    DNS = "dns"
    TIME = "time"
    LICENCE = "licence"
    CERTIFICATES = "certificates"
    KEY_STORE = "key-store"
    HYPERVISOR = "hypervisor"
    NETWORK = "network"
    STORAGE = "storage"
    TELEPHONY = "telephony"
    PRINTING = "printing"
    BUSINESS = "business"
    OTHER = "other"


class ServiceKind(StrEnum):
    """A clinical service, or work of the business that competes for recovery."""

    STROKE = "stroke"
    TRAUMA = "trauma"
    ED = "ed"
    ICU = "icu"
    OR = "or"
    INPATIENT = "inpatient"
    OUTPATIENT = "outpatient"
    MAMMOGRAPHY = "mammography"
    BUSINESS = "business"


class FlowKind(StrEnum):
    """What goes over a flow."""

    STORE = "store"
    WORKLIST = "worklist"
    COMMITMENT = "commitment"
    QUERY = "query"
    ADT = "hl7-adt"
    ORDER = "hl7-order"
    RESULT = "hl7-result"
    MERGE = "hl7-merge"


class Route(StrEnum):
    """Where a flow leads: the usual target, or the one at the recovery site."""

    PRIMARY = "primary"
    RECOVERY = "recovery"


class Held(StrEnum):
    """What a copy holds of a system."""

    IMAGES = "images"
    DATABASE = "database"
    CONFIGURATION = "configuration"
    REPORTS = "reports"
    CORRECTIONS = "corrections"
    KEYS = "keys"


class Portion(StrEnum):
    """How much of what is held must be back before a system is of use."""

    LAST_24_HOURS = "last-24-hours"
    LAST_4_WEEKS = "last-4-weeks"
    EVERYTHING = "everything"


class Phase(StrEnum):
    """What a runbook or procedure is for."""

    DETECT = "detect"
    CONTAIN = "contain"
    DOWNTIME = "downtime"
    ANALOG = "analog"
    FAILOVER = "failover"
    RESTORE = "restore"
    REPLAY = "replay"
    VALIDATE = "validate"
    RECONCILE = "reconcile"
    FAILBACK = "failback"
    UPGRADE = "upgrade"


class StepKind(StrEnum):
    """Who or what does a step."""

    HUMAN = "human"
    AUTOMATIC = "automatic"
    APPROVAL = "approval"
    PHONE = "phone"
    WAIT = "wait"


class DrillKind(StrEnum):
    """How real a drill is."""

    TABLE_TOP = "table-top"
    NOTIFICATION = "notification"
    RESTORE_SAMPLE = "restore-sample"
    RESTORE_TIER = "restore-tier"
    FULL = "full"
    ESCROW_KEY = "escrow-key"
    DOWNTIME_SHIFT = "downtime-shift"


class Proved(StrEnum):
    """What a drill went through."""

    FILES = "files"
    DATABASE = "database"
    RETRIEVE = "retrieve"
    REPORT_VIEW = "report-view"
    WORKLIST = "worklist"
    RECONCILE = "reconcile"
    FAILBACK = "failback"
    NIGHT_SHIFT = "night-shift"
    NOTIFICATION = "notification"


class Acknowledges(StrEnum):
    """When a receiver of messages says that it has one."""

    AFTER_STORE = "after-store"
    BEFORE_STORE = "before-store"


class UidPolicy(StrEnum):
    """Where the Study Instance UID of an order without one comes from."""

    FROM_ORDER = "from-order"
    NAME_BASED = "name-based"
    GENERATE = "generate"


class NumberFor(StrEnum):
    """What a reserved range gives numbers to."""

    PATIENT = "patient-id"
    ACCESSION = "accession"


class Supply(StrEnum):
    """What a day on paper uses up."""

    FORMS = "forms"
    LABELS = "labels"
    MEDIA = "media"
    TONER = "toner"


class Exported(StrEnum):
    """What is put where it can be read without its system."""

    SCHEDULE = "schedule"
    JUSTIFICATION = "justification"


class RetentionClass(StrEnum):
    """Images that stay longer than others."""

    MAMMOGRAPHY = "mammography"
    PAEDIATRIC = "paediatric"
    LEGAL_HOLD = "legal-hold"


class PackForm(StrEnum):
    """In which form a copy of the plan lies somewhere."""

    PRINTED = "printed"
    ISOLATED_LAPTOP = "isolated-laptop"
    ONLINE = "online"


class RoleKind(StrEnum):
    """What a role is for."""

    PACS_ADMINISTRATOR = "pacs-administrator"
    RIS_ADMINISTRATOR = "ris-administrator"
    RECOVERY_COORDINATOR = "recovery-coordinator"
    INCIDENT_COMMANDER = "incident-commander"
    RADIOLOGY_LEAD = "radiology-lead"
    NETWORK = "network-administrator"
    INTERFACE = "interface-administrator"
    OTHER = "other"


class TreatmentState(StrEnum):
    """What was decided about a finding instead of mending it."""

    ACCEPTED = "accepted"
    MITIGATED = "mitigated"
