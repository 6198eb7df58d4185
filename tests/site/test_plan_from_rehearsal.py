"""The rehearsal hospital as a plan names what the rehearsal really runs."""

import json
from inspect import signature
from pathlib import Path

from click.testing import CliRunner

from safelight.cli.main import program
from safelight.site.plan_folder import PlanFolder
from safelight.site.plan_surge import surge_of
from safelight.site.rehearsal.day import EXAMS
from safelight.site.rehearsal.pacs import pacs_in


def test_the_rehearsals_plan_names_what_the_rehearsal_runs(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    told = CliRunner().invoke(program, ["plan", "init", str(folder), "--from", "rehearsal", "--json"])
    assert "impact/department.yaml" in json.loads(told.output)["files"]
    assert CliRunner().invoke(program, ["plan", "lint", str(folder)]).exit_code == 0
    plan = PlanFolder(folder).read().plan
    assert {one.order.station for one in EXAMS} == {one.name for one in plan.systems if one.kind == "modality"}
    called = {one.target: one.ae_title for one in plan.flows if one.ae_title}
    assert called == {"pacs": signature(pacs_in).parameters["title"].default, "safelight": "SAFELIGHT"}
    wards = " ".join(one.name for one in plan.services)
    # Outpatients have no ward.
    assert all(one.order.patient.ward.split("-")[0].split(" ")[0] in wards for one in EXAMS if one.order.patient.ward)
    surge = surge_of(folder, plan)
    assert surge is not None and not surge.trouble
    assert surge.services
