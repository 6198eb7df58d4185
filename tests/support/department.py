"""A department an hour into an outage: orders from before, exams of every kind, reads, and calls still to be made."""

import socket
from datetime import UTC, datetime, timedelta

from support.pages_house import ApiCaller, Ordered, PagesHouse, ct_study

CT_STUDY = "2.25.112233445566778899"
CT_SLICES = 20

ORDERS = (
    Ordered(1, "Müßig^Jürgen", "CT thorax with contrast", "CT1", "CT", 8),
    Ordered(2, "Núñez^Zoë", "CT abdomen", "CT1", "CT", 9),
    Ordered(3, "Образцов^Фёдор", "CT head", "CT1", "CT", 10),
    Ordered(4, "Nguyễn^Thảo", "Chest two views", "DX1", "DX", 8),
    Ordered(5, "Sørensen^Renée", "Wrist left", "DX1", "DX", 9),
    Ordered(6, "Example^Anna", "MR knee right", "MR1", "MR", 11),
)


def fill(house: PagesHouse) -> None:
    """Let the morning happen."""
    send(house, *ORDERS)
    api = ApiCaller(house)
    api.post("downtime/declare", scopes=["pacs", "ris"], reason="storage array failed, ticket 4711", since=ago(70))
    api.store(ct_study(1, CT_SLICES, 128, "Müßig^Jürgen", CT_STUDY))
    _trauma(api)
    _walk_ins(api)
    _ordered(api)


def send(house: PagesHouse, *orders: Ordered) -> None:
    """Send orders as the RIS did before it went away."""
    with socket.create_connection(("127.0.0.1", house.hl7_port), timeout=30) as line:
        for order in orders:
            line.sendall(b"\x0b" + order.message() + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += line.recv(65536)
            assert b"MSA|AA" in answer, answer


def ago(minutes: float) -> str:
    """Return the moment so many minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="seconds")


def register(api: ApiCaller, way: str, device: str, modality: str, **told: str) -> str:
    """Register an exam, and return its accession number."""
    told = {"site": "main", "place": "ED 12, ext. 4411", "procedure": "CT head", **told}
    return str(api.post("downtime/exam/register", way=way, device=device, modality=modality, **told)["accession"])


def step(api: ApiCaller, what: str, accession: str, **told: object) -> None:
    """Say what happened to an exam."""
    api.post(f"downtime/exam/{what}", accession=accession, **told)


def _trauma(api: ApiCaller) -> None:
    accession = register(
        api, "unidentified", "CT1", "CT", place="Trauma 2, ext. 4402", procedure="CT polytrauma", at=ago(55)
    )
    step(api, "arrived", accession, at=ago(52))
    step(api, "acquired", accession, at=ago(40))
    text = "Acute epidural haematoma on the left, 18 mm, midline shift 7 mm.\nNo free air. Fracture of ribs 4 to 7."
    step(api, "read", accession, text=text, urgent=True, at=ago(22))


def _walk_ins(api: ApiCaller) -> None:
    names = ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Łukasik^Bożena", "Doe^Jane", "O'Brien^Seán")
    stages = ("read", "acquired", "arrived", "registered")
    for place, (name, stage) in enumerate(zip(names, stages, strict=True)):
        accession = register(
            api,
            "walk-in",
            "DX1",
            "DX",
            name=name,
            procedure="Chest",
            birth_date="19720315",
            sex="M",
            at=ago(50 - place * 9),
        )
        if stage != "registered":
            step(api, "arrived", accession, at=ago(45 - place * 9))
        if stage in ("acquired", "read"):
            step(api, "acquired", accession, at=ago(40 - place * 9))
        if stage == "read":
            step(api, "read", accession, text="Pneumothorax on the right, 3 cm.", urgent=True, at=ago(30))
            step(api, "called", accession, to="Dr. Ward, ext. 4711", read_back=False, at=ago(26))


def _ordered(api: ApiCaller) -> None:
    told = {"name": "Müßig^Jürgen", "patient_id": "P0001", "accession": "A0001", "procedure": "CT thorax with contrast"}
    accession = register(api, "ordered", "CT1", "CT", at=ago(35), **told)
    step(api, "acquired", accession, at=ago(28))
    step(api, "read", accession, text="No pulmonary embolism. Small effusion on the right.", at=ago(12))
