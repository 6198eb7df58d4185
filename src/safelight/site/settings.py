"""What a home's safelight.toml may say, with defaults that are safe."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from safelight.core.errors import UsageError
from safelight.core.names import AETitle, Peer
from safelight.downtime.alias import Alias

FILE_NAME: Final = "safelight.toml"
LOCAL_ADDRESSES: Final = ("127.0.0.1", "::1")

Section = TypeVar(
    "Section",
    "SiteSettings",
    "DicomSettings",
    "Hl7Settings",
    "WorklistSettings",
    "ConsoleSettings",
    "VaultSettings",
    "ProtectionSettings",
    "RecoverySettings",
    "DowntimeSettings",
    "ReconciliationSettings",
    "PlanSettings",
)


class BadSettings(UsageError):
    """The settings file cannot be read or says something we do not know."""

    code: ClassVar[str] = "site.bad-settings"
    hint: ClassVar[str] = "Compare safelight.toml with docs/operating.md, mend the named line and try again."


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What stands under ``[site]``."""

    name: str = "rehearsal"


@dataclass(frozen=True, slots=True)
class DicomSettings:
    """What stands under ``[gateway.dicom]``."""

    ae_title: AETitle = field(default=AETitle("SAFELIGHT"))
    port: int = 11112
    bind: str = "0.0.0.0"  # noqa: S104 - modalities are on other hosts; unknown callers are refused
    accept_any_ae: bool = False
    aliases: list[str] = field(default_factory=list)
    associations_max: int = 64
    associations_per_host_max: int = 32
    idle_seconds: int = 60
    pdu_bytes_max: int = 131072
    data_set_bytes_max: int = 16 * 2**30
    query_answers_max: int = 100_000
    commitment_minutes_max: float = 60.0
    hide_rejected: bool = True


@dataclass(frozen=True, slots=True)
class Hl7Settings:
    """What stands under ``[gateway.hl7]``."""

    port: int = 0
    bind: str = "0.0.0.0"  # noqa: S104 - interface engines are on other hosts; `senders` narrows it
    senders: list[str] = field(default_factory=list)
    connections_max: int = 128
    message_bytes_max: int = 64 * 2**20
    application: str = "SAFELIGHT"
    facility: str = ""


@dataclass(frozen=True, slots=True)
class WorklistSettings:
    """What stands under ``[gateway.worklist]``."""

    source: str = ""
    minutes: float = 5.0
    days_back: int = 1
    days_ahead: int = 7
    shrink_percent_max: float = 50.0
    rows_max: int = 50_000


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """What stands under ``[console]``."""

    port: int = 0
    bind: str = "127.0.0.1"
    login_required: bool = True
    certificate: str = ""
    key: str = ""
    idle_minutes: float = 30.0
    session_hours: float = 12.0
    board_hours: float = 168.0


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """What stands under ``[vault]``."""

    profile: str = "default"
    copies_min: int = 2
    pack_bytes_max: int = 64 * 2**20
    frame_bytes_max: int = 64 * 2**20
    landing_segment_bytes: int = 64 * 2**20
    landing_bytes_max: int = 8 * 2**30
    free_bytes_min: int = 512 * 2**20
    packers: int = 3
    quiet_seconds: float = 2.0
    scrub_days: int = 30
    opaque_bytes_max: int = 2**30
    second: str = ""


@dataclass(frozen=True, slots=True)
class ProtectionSettings:
    """What stands under ``[protection]``."""

    source: str = ""
    census_hours_max: float = 26.0
    feed_silence_hours_max: float = 24.0
    query_pause_seconds: float = 0.0
    pull_window: str = ""
    pull_associations: int = 2
    pull_megabytes_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    """What stands under ``[recovery]``."""

    calling_ae_title: str = ""
    associations: int = 2
    megabytes_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class DowntimeSettings:
    """What stands under ``[downtime]``."""

    probes: list[str] = field(default_factory=list)
    slow_seconds: float = 5.0
    give_up_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class ReconciliationSettings:
    """What stands under ``[reconciliation]``."""

    target: str = ""
    identities_to: list[str] = field(default_factory=list)
    reports_to: str = ""
    steps_to: str = ""


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What stands under ``[plan]``."""

    folder: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that safelight.toml says."""

    site: SiteSettings = field(default_factory=SiteSettings)
    dicom: DicomSettings = field(default_factory=DicomSettings)
    hl7: Hl7Settings = field(default_factory=Hl7Settings)
    worklist: WorklistSettings = field(default_factory=WorklistSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    vault: VaultSettings = field(default_factory=VaultSettings)
    protection: ProtectionSettings = field(default_factory=ProtectionSettings)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    downtime: DowntimeSettings = field(default_factory=DowntimeSettings)
    reconciliation: ReconciliationSettings = field(default_factory=ReconciliationSettings)
    plan: PlanSettings = field(default_factory=PlanSettings)


def read_settings(path: Path) -> Settings:
    """Read and judge a settings file.

    Raises:
        BadSettings: not TOML, an unknown key, or a value of the wrong kind; says which.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(file=str(path), why=str(error)) from error
    gateway = document.pop("gateway", {})
    if not isinstance(gateway, dict):
        raise BadSettings(section="gateway", why="a table is expected")
    settings = Settings(
        site=_section(SiteSettings(), document.pop("site", {}), "site"),
        dicom=_section(DicomSettings(), gateway.pop("dicom", {}), "gateway.dicom"),
        hl7=_section(Hl7Settings(), gateway.pop("hl7", {}), "gateway.hl7"),
        worklist=_section(WorklistSettings(), gateway.pop("worklist", {}), "gateway.worklist"),
        console=_section(ConsoleSettings(), document.pop("console", {}), "console"),
        vault=_section(VaultSettings(), document.pop("vault", {}), "vault"),
        protection=_section(ProtectionSettings(), document.pop("protection", {}), "protection"),
        recovery=_section(RecoverySettings(), document.pop("recovery", {}), "recovery"),
        downtime=_section(DowntimeSettings(), document.pop("downtime", {}), "downtime"),
        reconciliation=_section(ReconciliationSettings(), document.pop("reconciliation", {}), "reconciliation"),
        plan=_section(PlanSettings(), document.pop("plan", {}), "plan"),
    )
    for unknown in (*document, *(f"gateway.{key}" for key in gateway)):
        raise BadSettings(key=unknown, why="no such section")
    _judge(settings)
    return settings


def _section(defaults: Section, given: object, name: str) -> Section:
    if not isinstance(given, Mapping):
        raise BadSettings(section=name, why="a table is expected")
    known = {one.name for one in fields(defaults)}
    told: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            raise BadSettings(key=f"{name}.{key}", why="no such setting")
        told[key] = _value(getattr(defaults, key), value, f"{name}.{key}")
    return replace(defaults, **told)


def _value(default: object, value: object, key: str) -> object:
    if isinstance(default, AETitle):
        return AETitle.parse(value if isinstance(value, str) else "")
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise BadSettings(key=key, why=f"{type(default).__name__} is expected")
    if isinstance(value, int | float) and value < 0:
        raise BadSettings(key=key, why="a negative value")
    return value


def _judge(settings: Settings) -> None:
    if settings.vault.profile not in ("default", "small"):
        raise BadSettings(key="vault.profile", why="default or small is expected")
    if settings.hl7.port > 65535 or not all(isinstance(one, str) for one in settings.hl7.senders):
        raise BadSettings(key="gateway.hl7", why="port is 0 to 65535, senders are addresses")
    _judge_aliases(settings)
    worklist = settings.worklist
    if not worklist.minutes > 0 or not 0 < worklist.shrink_percent_max <= 100 or worklist.days_ahead > 366:
        raise BadSettings(key="gateway.worklist", why="minutes over 0, shrink_percent_max to 100, days_ahead to 366")
    if worklist.source:
        Peer.parse(worklist.source)
    console = settings.console
    if console.port > 65535 or not min(console.idle_minutes, console.session_hours, console.board_hours) > 0:
        raise BadSettings(key="console", why="port is 0 to 65535, minutes and hours are more than 0")
    if not console.login_required and console.bind not in LOCAL_ADDRESSES:
        raise BadSettings(key="console.bind", why="without login_required it is 127.0.0.1 or ::1")
    if bool(console.certificate) != bool(console.key):
        raise BadSettings(key="console.certificate", why="certificate and key are given together")
    downtime = settings.downtime
    if not downtime.give_up_seconds > 0 or not all(isinstance(one, str) for one in downtime.probes):
        raise BadSettings(key="downtime", why="give_up_seconds is more than 0, probes are texts")
    if not all(isinstance(one, str) for one in settings.reconciliation.identities_to):
        raise BadSettings(key="reconciliation.identities_to", why="names of destinations are expected")
    if not 1 <= settings.dicom.port <= 65535:
        raise BadSettings(key="gateway.dicom.port", why="1 to 65535 is expected")
    if settings.vault.copies_min < 1 or settings.vault.packers < 1:
        raise BadSettings(key="vault", why="copies_min and packers are at least 1")


def _judge_aliases(settings: Settings) -> None:
    dicom = settings.dicom
    if not all(isinstance(one, str) for one in dicom.aliases):
        raise BadSettings(key="gateway.dicom.aliases", why="a list of texts is expected")
    titles = [Alias.parse(one).title.text for one in dicom.aliases]
    own = {dicom.ae_title.text, settings.recovery.calling_ae_title}
    if len(set(titles)) < len(titles) or own.intersection(titles):
        raise BadSettings(key="gateway.dicom.aliases", why="each title once, and none of our own")
