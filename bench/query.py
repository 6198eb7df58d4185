"""Queries: C-FIND beside Orthanc on the same studies, and alone on a million studies and ten thousand steps.

The asker counts what comes and decodes nothing; each kind of query is asked many times over one association.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bench import corpus, million, peers
from bench.figures import CommandFailed, Figure, Series, cpu_seconds, run, stopped
from bench.peers import WORKER, Running

PART = "query"
INDEX_SECONDS_MAX = 120.0
Request = Mapping[str, Any]
Server = Callable[..., AbstractContextManager[Running]]
GIVEN = ("PatientName", "PatientBirthDate", "StudyTime", "StudyDescription", "ModalitiesInStudy")


def ask(port: int, title: str, requests: Sequence[Request]) -> list[tuple[float, int, int]]:
    """Have requests asked over one association; return seconds, data sets and status of each."""
    command = [sys.executable, "-m", "bench.asking", str(port), title]
    done = subprocess.run(command, input=json.dumps(requests), check=True, text=True, stdout=subprocess.PIPE)
    return [(seconds, came, status) for seconds, came, status in json.loads(done.stdout)]


def study_query(**keys: str) -> Request:
    """Ask for studies, with the attributes that a workstation shows in its list."""
    asked = {"QueryRetrieveLevel": "STUDY", **dict.fromkeys(GIVEN, ""), "NumberOfStudyRelatedInstances": None}
    wanted = {"StudyInstanceUID": "", "PatientID": "", "AccessionNumber": "", "StudyDate": "", **keys}
    return {"ask": "find", "keys": {**asked, **wanted}}


def worklist_query(**step: str) -> Request:
    """Ask for scheduled steps as a modality does."""
    wanted = {
        "ScheduledStationAETitle": "",
        "ScheduledProcedureStepStartDate": "",
        "ScheduledProcedureStepStartTime": "",
        "Modality": "",
        "ScheduledProcedureStepDescription": "",
        "ScheduledProcedureStepID": "",
        **step,
    }
    names = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID")
    keys: dict[str, Any] = dict.fromkeys((*names, "RequestedProcedureID", "RequestedProcedureDescription"), "")
    return {"ask": "worklist", "keys": {**keys, "ScheduledProcedureStepSequence": [wanted]}}


def _kinds(studies: int) -> dict[str, list[Request]]:
    """Return kinds of queries on the small objects of `corpus.studies`: the same for everybody who is asked."""
    some = range(1, studies, max(1, studies // 50))
    return {
        "patient": [study_query(PatientID=f"B05{one:05d}") for one in some],
        "accession number": [study_query(AccessionNumber=f"A05{one:06d}") for one in some],
        "name": [study_query(PatientName=f"Bench^Patient{one // 10:04d}*") for one in some],
        "day": [study_query(StudyDate=f"2026{1 + one % 12:02d}{1 + one % 28:02d}") for one in some][:20],
        "everything": [study_query()],
    }


def _beside(place: Path, *, quick: bool) -> list[Figure]:
    studies = 2_000 if quick else 20_000
    setting = f"{studies:,} studies"
    objects = corpus.studies(studies)
    gathered = {name: Series(PART, setting, name) for name in ("Safelight", "Orthanc")}
    with (
        peers.safelight_serve(place / "safelight") as ours,
        peers.orthanc(place / "orthanc", tuned=True) as theirs,
        # Nothing is packed meanwhile: it would be measured with the queries.
        stopped(ours.pid, WORKER),
    ):
        for one in (theirs, ours):
            folders = corpus.parts(objects, 4, place / f"{one.program}-parts")
            run([sys.executable, "-m", "bench.push", one.title, str(one.port), *folders], watch=False)
            _wait_until_indexed(one, studies)
        for _ in range(1 if quick else 5):
            for measure, requests in _kinds(studies).items():
                found = {one.program: _timed(one, measure, requests, gathered[one.program]) for one in (ours, theirs)}
                if len(set(found.values())) != 1:
                    raise CommandFailed(f"{measure}: answers differ: {found}")
    return [figure for series in gathered.values() for figure in series.figures()]


def _wait_until_indexed(one: Running, studies: int) -> None:
    """Return when everything that was sent is counted: our index may follow the answers by some seconds."""
    deadline = time.monotonic() + INDEX_SECONDS_MAX
    while (held := one.stored()) < studies:
        if time.monotonic() > deadline:
            raise CommandFailed(f"{one.program} holds {held} of {studies}")
        time.sleep(0.5)


def _timed(asked: Running, measure: str, requests: Sequence[Request], series: Series) -> int:
    before = cpu_seconds(asked.pid)
    told = ask(asked.port, asked.title, requests)
    spent = cpu_seconds(asked.pid) - before
    if any(status for _, _, status in told):
        raise CommandFailed(f"{asked.program}: {measure}: {told[:3]}")
    seconds = sum(one for one, _, _ in told)
    series.add(f"by {measure}" if len(requests) > 1 else measure, "1/s", len(requests) / seconds)
    if len(requests) == 1:
        series.add("CPU of everything", "s", spent)
    return sum(came for _, came, _ in told)


def _alone(place: Path, *, quick: bool) -> list[Figure]:
    """Ask a home with a million studies and ten thousand steps: half of the answers come sooner than the median."""
    studies, steps = (20_000, 1_000) if quick else (1_000_000, 10_000)
    requests = {
        f"{studies:,} studies": {
            "by patient": [study_query(PatientID=f"P{one * 37 % (studies // 2):06d}") for one in range(1, 100)],
            "by name": [study_query(PatientName=f"BERG^ANA{100 + one % 20}*") for one in range(1, 100)],
            "by accession number": [
                study_query(AccessionNumber=f"A{one * 977 % studies:07d}") for one in range(1, 100)
            ],
            "by day and modality": [
                study_query(StudyDate=f"2022{1 + one % 12:02d}{1 + one % 28:02d}", ModalitiesInStudy="MR")
                for one in range(20)
            ],
        },
        f"{steps:,} steps": {
            "by day and modality": [
                worklist_query(ScheduledProcedureStepStartDate=f"202603{1 + one % 28:02d}", Modality="CT")
                for one in range(50)
            ],
            "by station and day": [
                worklist_query(
                    ScheduledProcedureStepStartDate=f"202603{1 + one % 28:02d}", ScheduledStationAETitle="STATION1"
                )
                for one in range(50)
            ],
        },
    }
    figures: list[Figure] = []
    with million.opened(place / "million", studies, steps) as (port, title):
        for setting, kinds in requests.items():
            for measure, asked in kinds.items():
                told = ask(port, title, asked)
                if any(status for _, _, status in told) or not all(came for _, came, _ in told):
                    # Finding nothing is quick, and nobody's question.
                    raise CommandFailed(f"{setting}: {measure}: {told}")
                runs = tuple(seconds * 1000 for seconds, _, _ in told)
                answers = statistics.median(came for _, came, _ in told)
                figures.append(Figure(PART, setting, "Safelight", measure, "ms", runs, f"{answers:.0f} answers"))
    return figures


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Measure queries beside Orthanc, then alone at scale."""
    place.mkdir(parents=True)
    return [*_beside(place, quick=quick), *_alone(place, quick=quick)]
