"""Keep the tables of docs/conformance-dicom.md and docs/hl7.md as the code has it. Run by `make docs`.

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; everything else in these pages is written by hand.
"""

import dataclasses
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

from errors_page import error_classes
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.uid import UID

from safelight.catalog.levels import given_at, matched_at
from safelight.core.query import QueryLevel
from safelight.gateway.dicom.association import IDENTIFIER_SYNTAXES
from safelight.gateway.dicom.ports import Refusal
from safelight.gateway.dicom.storage_classes import INSTANCES_NEVERTHELESS, NO_INSTANCES
from safelight.gateway.dicomweb.retrieval import MEDIA_OF_SYNTAX
from safelight.gateway.dicomweb.routes import dicomweb_routes
from safelight.site import dicom_worklist, retrieval
from safelight.site.dicom_queries import INSTANCE_AVAILABILITY, RETRIEVE_AE_TITLE
from safelight.site.dicom_services import SOP_CLASSES
from safelight.site.settings import DicomSettings, Hl7Settings
from safelight.wire.dicom import frames, uids
from safelight.wire.dicom.answer import CHARACTER_SETS
from safelight.wire.dicom.limits import Limits

DOCS: Final = Path(__file__).parents[1] / "docs"
PAGES: Final = (DOCS / "conformance-dicom.md", DOCS / "hl7.md")
_BLOCK: Final = re.compile(r"(<!-- table ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OPERATIONS: Final = {
    uids.VERIFICATION: "C-ECHO",
    uids.WORKLIST_FIND: "C-FIND",
    uids.PROCEDURE_STEP: "N-CREATE, N-SET",
    uids.COMMITMENT_PUSH: "N-ACTION, N-EVENT-REPORT",
    **dict.fromkeys((uids.PATIENT_ROOT_FIND, uids.STUDY_ROOT_FIND), "C-FIND"),
    **dict.fromkeys((uids.PATIENT_ROOT_GET, uids.STUDY_ROOT_GET), "C-GET"),
    **dict.fromkeys((uids.PATIENT_ROOT_MOVE, uids.STUDY_ROOT_MOVE), "C-MOVE"),
}
_LEVEL_NAMES: Final = {QueryLevel.IMAGE: "INSTANCE"}
Rows = Iterable[Sequence[object]]


def table(head: Sequence[str], rows: Rows) -> str:
    """Write a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _uid_rows(listed: Iterable[str]) -> Iterator[tuple[str, str]]:
    for one in listed:
        yield UID(one).name, f"`{one}`"


def _attribute(tag: int) -> tuple[str, str]:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})", dictionary_description(tag)


def identity() -> str:
    """How we name ourselves."""
    rows = [
        ("Application context", f"`{uids.APPLICATION_CONTEXT}`"),
        ("Implementation Class UID", f"`{uids.IMPLEMENTATION_CLASS}`"),
        ("Implementation Version Name", f"`{uids.IMPLEMENTATION_VERSION}`"),
    ]
    return table(("what", "value"), rows)


def services() -> str:
    """SOP classes that are served, beside storage."""
    rows = [(*names, _OPERATIONS[uid]) for uid in (uids.VERIFICATION, *SOP_CLASSES) for names in _uid_rows([uid])]
    return table(("SOP class", "UID", "operations"), rows)


def refused_classes() -> str:
    """What is no instance, and therefore not stored."""
    kept = ", ".join(f"{UID(one).name} (`{one}`)" for one in INSTANCES_NEVERTHELESS)
    rows = [(f"`{one}`" + ("…" if one.endswith(".") else " and what begins so"),) for one in NO_INSTANCES]
    return table(("UIDs beginning with",), rows) + f"\nStored nevertheless: {kept}.\n"


def identifier_syntaxes() -> str:
    """Transfer syntaxes of everything but instances."""
    return table(("transfer syntax", "UID"), _uid_rows(IDENTIFIER_SYNTAXES))


def decoded_syntaxes() -> str:
    """Compressed transfer syntaxes that are decoded for whoever cannot take them."""
    return table(("transfer syntax", "UID"), _uid_rows(frames.DECODABLE))


def offered_syntaxes() -> str:
    """Transfer syntaxes that are offered when instances are fetched by C-GET."""
    return table(("transfer syntax", "UID"), _uid_rows(retrieval.SYNTAXES))


def offered_classes() -> str:
    """Classes that are offered by C-GET where a source does not tell its own."""
    return table(("SOP class", "UID"), _uid_rows(retrieval.USUAL_CLASSES))


def query_keys() -> str:
    """Attributes of C-FIND and QIDO-RS, by level."""
    fixed = {RETRIEVE_AE_TITLE, INSTANCE_AVAILABILITY}
    tags = sorted(set().union(*(given_at(level) | matched_at(level) for level in QueryLevel)) | fixed)

    def cell(level: QueryLevel, tag: int) -> str:
        if tag in matched_at(level):
            return "match, return"
        return "return" if tag in given_at(level) or tag in fixed else ""

    head = ("tag", "attribute", *(_LEVEL_NAMES.get(level, level.value) for level in QueryLevel))
    return table(head, [(*_attribute(tag), *(cell(level, tag) for level in QueryLevel)) for tag in tags])


def worklist_keys() -> str:
    """Attributes of the worklist."""
    document = _mapping()
    sections = ("patient", "order", "imaging-order", "appointment")
    told = {tag_for_keyword(name) for section in sections for name in document[section]}
    given = {tag for tag in told if tag is not None} | dicom_worklist.MATCHED
    rows = [(*_attribute(tag), "match, return" if tag in dicom_worklist.MATCHED else "return") for tag in given]
    codes = [(*_attribute(tag), "return, one code") for tag in dicom_worklist.CODES]
    return table(("tag", "attribute", "use"), sorted([*rows, *codes]))


def statuses() -> str:
    """Statuses that have a meaning of their own here."""
    rows = []
    for error in error_classes():
        status = error.__dict__.get("status")
        # What the hospital of a rehearsal answers is nothing that a peer of ours is ever told.
        if isinstance(status, int) and not error.__module__.startswith("safelight.site.rehearsal"):
            told = (error.__doc__ or "").strip().split("\n\n")[0]
            rows.append((f"{status:04X}H", f"`{error.code}`", " ".join(told.split())))
    return table(("status", "code in (0000,0902) and log", "when"), sorted(rows))


def refusals() -> str:
    """Why an association is rejected."""
    rows = [(*one.value, one.name.lower().replace("_", " ")) for one in Refusal]
    return table(("result", "source", "reason", "when"), rows)


def limits() -> str:
    """Bounds of an association."""
    rows = [(f"`{one.name}`", f"{one.default:,}") for one in dataclasses.fields(Limits)]
    return table(("bound", "value"), rows)


def dicom_settings() -> str:
    """What an administrator may set for DICOM."""
    return _settings(DicomSettings())


def character_sets() -> str:
    """Character sets of answers."""
    return ", ".join(f"`{name}`" for name in CHARACTER_SETS) + "\n"


def web_addresses() -> str:
    """Addresses of DICOMweb."""
    router = dicomweb_routes(cast(Any, None), cast(Any, None), cast(Any, None), cast(Any, None))
    found = {(cast(Any, one).path, method) for one in router.routes for method in cast(Any, one).methods}
    return table(("address below `/dicomweb`", "method"), [(f"`{path}`", method) for path, method in sorted(found)])


def web_media() -> str:
    """Media types of compressed frames."""
    rows = [(UID(uid).name, f"`{uid}`", f"`{media}`") for uid, media in MEDIA_OF_SYNTAX.items()]
    return table(("transfer syntax", "UID", "media type"), rows)


def hl7_settings() -> str:
    """What an administrator may set for HL7."""
    return _settings(Hl7Settings())


def hl7_mapping() -> str:
    """Which field holds which attribute."""
    document = _mapping()
    parts = []
    for section in ("patient", "order", "imaging-order", "appointment", "report"):
        rows = [(name, ", ".join(f"`{path}`" for path in paths)) for name, paths in document[section].items()]
        parts.append(f"**{section}**\n\n" + table(("attribute", "the first of these that has a value"), rows))
    return "\n".join(parts)


def hl7_states() -> str:
    """What order control and order status make of a step."""
    document = _mapping()
    rows = [(*key.split("_"), state) for key, state in document["states"].items()]
    orders = table(("ORC-1", "ORC-5", "the step is"), rows)
    return orders + "\n" + table(("SIU event", "the step is"), document["appointment-states"].items())


TABLES: Final[dict[str, Callable[[], str]]] = {
    "identity": identity,
    "services": services,
    "refused-classes": refused_classes,
    "identifier-syntaxes": identifier_syntaxes,
    "decoded-syntaxes": decoded_syntaxes,
    "offered-syntaxes": offered_syntaxes,
    "offered-classes": offered_classes,
    "query-keys": query_keys,
    "worklist-keys": worklist_keys,
    "statuses": statuses,
    "refusals": refusals,
    "limits": limits,
    "dicom-settings": dicom_settings,
    "character-sets": character_sets,
    "web-addresses": web_addresses,
    "web-media": web_media,
    "hl7-settings": hl7_settings,
    "hl7-mapping": hl7_mapping,
    "hl7-states": hl7_states,
}


def page(text: str) -> str:
    """Return a page with its tables as they are now."""
    return _BLOCK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def _settings(defaults: DicomSettings | Hl7Settings) -> str:
    rows = [(f"`{one.name}`", f"`{getattr(defaults, one.name)}`") for one in dataclasses.fields(defaults)]
    return table(("setting", "default"), rows)


def _mapping() -> dict[str, Any]:
    text = (files("safelight.gateway.hl7") / "order_mapping.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{len(TABLES)} tables", file=sys.stderr)
