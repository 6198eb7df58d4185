"""The one table: what was measured beside whom, the ratio first, and whether it is what we aim at."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.figures import Figure

OURS = "Safelight"


@dataclass(frozen=True, slots=True)
class Aim:
    """What we want of one measure: a ratio to one peer (of ours to theirs), or a limit on our own value."""

    part: str
    setting: str
    measure: str
    peer: str | None
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        """Tell whether a ratio or a value is as wanted."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        bounds = [
            f">= {self.at_least:g}" if self.at_least is not None else "",
            f"<= {self.at_most:g}" if self.at_most else "",
        ]
        return " ".join(bound for bound in bounds if bound)


AIMS = (
    Aim("receive", "tuned, 1 association", "speed", "Orthanc", at_least=2.5),
    Aim("receive", "tuned, 1 association", "speed", "pynetdicom", at_least=2.5),
    Aim("receive", "tuned, 1 association", "receiver CPU", "Orthanc", at_most=0.4),
    Aim("receive", "tuned, 4 associations", "speed", "Orthanc", at_least=2.5),
    Aim("receive", "tuned, 4 associations", "speed", "pynetdicom", at_least=2.5),
    Aim("receive", "sustained", "speed", "Orthanc", at_least=1.2),
    Aim("receive", "as installed, 1 association", "speed", "Orthanc", at_least=10),
    Aim("receive", "as installed, 1 association", "speed", "storescp", at_least=10),
    Aim("receive", "small objects", "objects", "Orthanc", at_least=3),
    Aim("send", "to a fast sink", "speed", "dcmsend", at_least=1.5),
    Aim("send", "to storescp, tuned", "speed", "dcmsend", at_least=1),
    Aim("send", "to storescp, as installed", "speed", "dcmsend", at_least=1),
    Aim("send", "to Orthanc, tuned", "speed", "dcmsend", at_least=1),
    Aim("send", "to Orthanc, as installed", "speed", "dcmsend", at_least=1),
    Aim("vault", "real images", "size", "restic", at_most=0.65),
    Aim("vault", "real images", "backup", "restic", at_least=1.3),
    Aim("vault", "real images", "restore", "restic", at_least=1.0),
    Aim("vault", "generated images", "backup", "restic", at_least=1.3),
    Aim("vault", "generated images", "restore", "restic", at_least=1.0),
    Aim("memory", "1 GB multi-frame", "received", None, at_most=512),
    Aim("memory", "1 GB multi-frame", "packed", None, at_most=512),
    Aim("memory", "1 GB multi-frame", "exported", None, at_most=512),
    Aim("scale", "1,000,000 instances", "status", None, at_most=1),
    Aim("scale", "1,000,000 instances", "find", None, at_most=1),
    Aim("scale", "1,000,000 instances", "census", None, at_most=1),
    Aim("scale", "1,000,000 to 10,000", "status", None, at_most=1.5),
    Aim("scale", "1,000,000 to 10,000", "find", None, at_most=1.5),
    Aim("scale", "1,000,000 to 10,000", "census", None, at_most=1.5),
    Aim("scale", "program", "help", None, at_most=0.3),
    Aim("hl7", "10 connections", "answered", None, at_least=1000),
    *(
        Aim("query", "20,000 studies", measure, "Orthanc", at_least=3)
        for measure in ("by patient", "by accession number", "by name", "by day", "everything")
    ),
    *(
        Aim("query", "1,000,000 studies", measure, None, at_most=100)
        for measure in ("by patient", "by accession number", "by name", "by day and modality")
    ),
    *(
        Aim("query", "10,000 steps", measure, None, at_most=100)
        for measure in ("by day and modality", "by station and day")
    ),
    *(
        Aim("retrieve", setting, way, "Orthanc", at_least=least)
        for setting, least in (("landed", 1), ("packed, as stored", 1), ("packed, decoded", 0.5))
        for way in ("C-GET", "C-MOVE", "WADO-RS")
    ),
)


def _aim(figure: Figure, peer: str | None) -> Aim | None:
    return next((aim for aim in AIMS if (*figure.key, peer) == (aim.part, aim.setting, aim.measure, aim.peer)), None)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _spread(figure: Figure) -> str:
    if len(figure.runs) == 1:
        return _amount(figure.value)
    return f"{_amount(figure.value)} ({_amount(min(figure.runs))}-{_amount(max(figure.runs))})"


def _verdict(aim: Aim | None, value: float) -> tuple[str, str]:
    if aim is None:
        return "", ""
    return str(aim), "yes" if aim.met(value) else "NO"


def rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Return the table's rows: each of our figures beside each peer that has the same measure."""
    made: list[tuple[str, ...]] = []
    for ours in (figure for figure in figures if figure.program == OURS):
        aim = _aim(ours, None)
        peers = [figure for figure in figures if figure.key == ours.key and figure.program != OURS]
        if not peers or aim is not None:
            made.append(
                (
                    ours.part,
                    ours.setting,
                    ours.measure,
                    "",
                    "",
                    *_verdict(aim, ours.value),
                    _spread(ours),
                    "",
                    ours.unit,
                )
            )
        for peer in peers:
            ratio = ours.value / peer.value if peer.value else float("nan")
            verdict = _verdict(_aim(ours, peer.program), ratio)
            made.append(
                (
                    ours.part,
                    ours.setting,
                    ours.measure,
                    peer.program,
                    f"{ratio:.2f}",
                    *verdict,
                    _spread(ours),
                    _spread(peer),
                    ours.unit,
                )
            )
    lonely = {figure.key for figure in figures} - {figure.key for figure in figures if figure.program == OURS}
    for theirs in (figure for figure in figures if figure.key in lonely):
        made.append(
            (theirs.part, theirs.setting, theirs.measure, theirs.program, "", "", "", "", _spread(theirs), theirs.unit)
        )
    return made


def missed(figures: Sequence[Figure]) -> int:
    """Count the aims that were measured and not met."""
    return sum(1 for row in rows(figures) if row[6] == "NO")


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    table = Table(title="Safelight beside its peers: medians of one run", title_justify="left")
    for name in ("part", "setting", "measure", "beside", "ratio", "aim", "met", "Safelight", "peer", "unit"):
        table.add_column(name, justify="right" if name in ("ratio", "Safelight", "peer") else "left", no_wrap=True)
    last = ""
    for row in rows(figures):
        if last not in ("", row[0]):
            table.add_section()
        last = row[0]
        table.add_row(*row, style="red" if row[6] == "NO" else None)
    Console(width=170).print(table)
