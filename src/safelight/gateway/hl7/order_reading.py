"""Reading what a message says of patients, orders and reports, once, at the door. No content can make it fail."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from safelight.catalog.order_changes import (
    Changes,
    Merge,
    OrderChange,
    PatientChange,
    PatientName,
    ReportNotice,
)
from safelight.gateway.attribute_values import judged
from safelight.gateway.hl7.mapping import SenderMapping
from safelight.gateway.hl7.moment import local_moment
from safelight.wire.hl7.message import Field, Message, Segment

AHEAD_MAX: Final = timedelta(days=1)
"""A sender's clock that is further ahead would keep every later message from being believed."""
BEHIND_MAX: Final = timedelta(days=30)
"""A sender's clock that is further behind would never be believed. A queue that an outage held back is younger."""
READING: Final = 2
"""Counts up when another thing is read from the same message: what was folded before is then folded again."""
GROUPS_MAX: Final = 1000
IN_HOUSE: Final = {"A01": True, "A02": True, "A06": True, "A13": True, "A03": False, "A07": False, "A11": False}
MERGES: Final = ("A18", "A30", "A34", "A35", "A36", "A39", "A40", "A46", "A47", "A49")
ORDERS: Final = ("ORM", "OMG", "OMI")
REPORTS: Final = ("ORU", "MDM")
START: Final = ("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime")

Segments = dict[str, Segment]


def read_changes(
    message: Message, mapping: SenderMapping, received_at: datetime, *, is_history: bool = False
) -> Changes:
    """Return everything that a message says; history is what lay in files, and may be as old as it likes."""
    code, _, event = message.header.event.partition("^")
    # Whoever looks at a worklist looks at the wall clock of the hospital, which is this machine's.
    received = received_at.astimezone().replace(tzinfo=None)
    told, clock = _told(message, received, is_history=is_history)
    unfit: list[str] = []
    patients, merges = _patients(message, mapping, code, event, unfit)
    owner = patients[0].patient if patients else None
    orders: tuple[OrderChange, ...] = ()
    reports: tuple[ReportNotice, ...] = ()
    faults = []
    if code in ORDERS or code == "SIU":
        if owner is None:
            faults.append("an order without a patient")
        else:
            orders, faults = _orders(message, mapping, code, event, owner, received, unfit)
    elif code in REPORTS and owner is not None:
        reports = tuple(_reports(message, mapping, owner))
    elif code == "ADT" and owner is None:
        faults.append("a patient without an identifier")
    told_at = f"{told:%Y%m%d%H%M%S}"
    return Changes(
        told_at, tuple(patients), tuple(merges), orders, reports, tuple(faults), tuple(dict.fromkeys(unfit)), clock
    )


def _told(message: Message, received: datetime, *, is_history: bool) -> tuple[datetime, str]:
    """Return MSH-7 for comparing with other messages, or the time of receipt and why MSH-7 cannot be right."""
    told = local_moment(message.header.component(7).decode("latin-1"))
    if told is None:
        return received, ""
    if told > received + AHEAD_MAX:
        return received, f"more than {AHEAD_MAX.days} day ahead"
    if told < received - BEHIND_MAX and not is_history:
        return received, f"more than {BEHIND_MAX.days} days behind"
    return told, ""


def _patients(
    message: Message, mapping: SenderMapping, code: str, event: str, unfit: list[str]
) -> tuple[list[PatientChange], list[Merge]]:
    patients: list[PatientChange] = []
    merges: list[Merge] = []
    visit = {segment.name: segment for segment in message.segments if segment.name == "PV1"}
    for segment in message.segments:
        if segment.name == "PID" and len(patients) < GROUPS_MAX:
            in_house = IN_HOUSE.get(event) if code == "ADT" else None
            change = _patient(mapping, {**visit, "PID": segment}, in_house, unfit)
            if change is not None:
                patients.append(change)
        elif segment.name == "MRG" and patients and event in MERGES:
            for prior in _identifiers(segment.field(1)) or _identifiers(segment.field(4)):
                named = PatientName(prior.patient_id, prior.issuer or patients[-1].patient.issuer)
                merges.append(Merge(patients[-1].patient, named))
    return patients, merges


def _patient(
    mapping: SenderMapping, segments: Mapping[str, Segment], in_house: bool | None, unfit: list[str]
) -> PatientChange | None:
    told = mapping.carried("patient", segments, unfit)
    patient_id, issuer = told.pop("PatientID", ""), told.pop("IssuerOfPatientID", "")
    if not patient_id:
        return None
    patient = PatientName(patient_id, issuer)
    others = tuple(one for one in _identifiers(segments["PID"].field(3)) if one != patient)
    return PatientChange(patient, told, others, in_house)


def _identifiers(field: Field) -> list[PatientName]:
    # Judged as the identifier itself is: else nobody would know it again.
    found = [
        PatientName(
            judged("PatientID", one.component(1).strip()).value,
            judged("IssuerOfPatientID", one.component(4).strip()).value,
        )
        for one in field.repetitions()[:GROUPS_MAX]
    ]
    return [one for one in found if one.patient_id]


def _orders(
    message: Message,
    mapping: SenderMapping,
    code: str,
    event: str,
    owner: PatientName,
    received: datetime,
    unfit: list[str],
) -> tuple[tuple[OrderChange, ...], list[str]]:
    section = {"OMI": "imaging-order", "SIU": "appointment"}.get(code, "order")
    orders: list[OrderChange] = []
    faults: list[str] = []
    named: list[tuple[tuple[str, str], ...]] = []
    for segments in _groups(message, code):
        control, status = _order_control(segments)
        state = mapping.appointment_states.get(event) if code == "SIU" else mapping.state(control, status)
        if state is None:
            faults.append(f"order control {control[:2]!r} with status {status[:2]!r}, event {event[:3]!r}")
        told = mapping.carried(section, segments, unfit)
        sure, also = _names(told, by_step=code == "OMI")
        place = named.count(sure)
        named.append(sure)
        if place:
            # Further procedures under one number are told apart by their place in the message.
            sure = tuple((kind, f"{value}^#{place}") for kind, value in sure)
        if not sure:
            faults.append("an order without number, accession number or study")
            continue
        is_new = control in ("NW", "SN") or event == "S12"
        if is_new and not told.get(START[0]):
            # The time of receipt, never the clock at reading: a replay gives the same worklist.
            told |= {START[0]: f"{received:%Y%m%d}", START[1]: f"{received:%H%M%S}"}
        orders.append(OrderChange(owner, sure, also, state, is_new, told))
    return tuple(orders), faults


def _order_control(segments: Segments) -> tuple[str, str]:
    order = segments.get("ORC")
    if order is None:
        return "", ""
    return order.field(1).component().strip().upper(), order.field(5).component().strip().upper()


def _groups(message: Message, code: str) -> Iterator[Segments]:
    """Give the segments of each step: those of the message, of its order, and of its procedure."""
    begins = {"OMI": "IPC", "SIU": "AIS"}.get(code, "OBR")
    common: Segments = {}
    group: Segments = {}
    count = 0
    for segment in message.segments:
        if segment.name == "ORC":
            if begins in group or (begins != "OBR" and "ORC" in group):
                yield common | group
                count += 1
            group = {"ORC": segment}
        elif segment.name == begins and begins in group:
            yield common | group
            count += 1
            # A further step of the same order.
            group = {name: kept for name, kept in group.items() if name != begins} | {begins: segment}
        elif segment.name in ("MSH", "PID", "PV1", "SCH"):
            common.setdefault(segment.name, segment)
        else:
            group.setdefault(segment.name, segment)
        if count >= GROUPS_MAX:
            return
    if group or "SCH" in common:
        yield common | group


def _names(told: dict[str, str], *, by_step: bool) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Return by what a step is recognised for sure, and by what else; numbers go with their namespace and step."""
    step = told.get("ScheduledProcedureStepID", "") if by_step else ""
    sure = []
    for kind, name in (("filler", "FillerOrderNumber"), ("placer", "PlacerOrderNumber")):
        number, namespace = told.get(f"{name}ImagingServiceRequest", ""), told.pop(f"{name}Namespace", "")
        if number:
            sure.append((kind, "^".join((number, namespace, step)).rstrip("^")))
    rest = [
        (kind, told[name])
        for kind, name in (("accession", "AccessionNumber"), ("study", "StudyInstanceUID"))
        if told.get(name)
    ]
    return (tuple(sure), tuple(rest)) if sure else (tuple(rest), ())


def report_groups(message: Message) -> list[Segments]:
    """Return the segments of each report of a message, with those that all of them share."""
    common: Segments = {}
    groups: list[Segments] = []
    for segment in message.segments:
        if segment.name in ("OBR", "TXA") and len(groups) < GROUPS_MAX:
            groups.append({})
        (groups[-1] if groups else common).setdefault(segment.name, segment)
    return [common | group for group in groups]


def _reports(message: Message, mapping: SenderMapping, owner: PatientName) -> Iterator[ReportNotice]:
    for group in report_groups(message):
        told = mapping.values("report", group)
        yield ReportNotice(
            owner,
            told.get("AccessionNumber", ""),
            told.get("StudyInstanceUID", ""),
            told.get("FillerOrderNumber", ""),
            told.get("Status", ""),
            told.get("Observed", ""),
            told.get("Title", ""),
        )
