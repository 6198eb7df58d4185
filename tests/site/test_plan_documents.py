"""The plan and the downtime pack on paper, read back: every section, embedded fonts, nothing from elsewhere."""

import json
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from playwright.sync_api import sync_playwright

from safelight.catalog.catalog import Catalog
from safelight.cli.main import program
from safelight.downtime.number import RangeUsedUp
from safelight.findings.rules_downtime import r36
from safelight.plan.practice import Pack
from safelight.plan.signature import agreement
from safelight.plan.words import PackForm
from safelight.site.pack_look import ScheduleTooLong
from safelight.site.plan_assessment import facts_of
from safelight.site.plan_documents import NoSuchPlace, PackAsked, make_pack, print_plan, stale_packs
from safelight.site.plan_folder import PlanFolder, example_texts, write_plan
from support.browser import CHROMIUM, FLAGS
from support.hl7_house import make_home

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PRINTED = PackAsked("main", "paula", PackForm.PRINTED, None)
IN_ORDER = (
    "Plan approval",
    "1 Introduction",
    "1.1 Background",
    "1.2 Scope",
    "1.3 Assumptions",
    "2 Concept of operations",
    "2.1 System description",
    "2.2 Overview of three phases",
    "2.3 Roles",
    "3 Activation and notification",
    "3.1 Activation criteria",
    "3.2 Notification",
    "3.3 Outage assessment",
    "4 Recovery",
    "4.1 Sequence",
    "4.2 Recovery procedures",
    "4.3 Escalation",
    "5 Reconstitution",
    "5.1 Concurrent",
    "5.2 Validation data",
    "5.3 Validation functionality",
    "5.4 Recovery declaration",
    "5.5 Notifications",
    "5.6 Cleanup",
    "5.7 Offsite",
    "5.8 Data backup",
    "5.9 Event",
    "5.10 Deactivation",
    "Appendix A",
    "Appendix B",
    "Appendix C",
    "Appendix D",
    "Appendix E",
    "Appendix F",
    "Appendix G",
    "Appendix H",
    "Appendix I",
    "Appendix J",
    "Appendix K",
    "Appendix L: Business impact analysis",
    "Four values of each objective",
    "What each estimate adds up",
    "Appendix M",
    "Appendix N: Laws and standards",
)
IN_PACK = (
    "Call tree",
    "When a downtime is declared",
    "Contacts",
    "Vendors",
    "Reserved numbers",
    "Role cards",
    "Procedures by phase",
    "What is restored when",
    "Form: request for imaging",
    "Form: log of exams",
    "Form: reading, and call with read-back",
    "Form: outage assessment",
    "Form: custody of a medium",
    "Form: log of exported images",
)


@pytest.fixture
def folder(tmp_path: Path) -> PlanFolder:
    texts = example_texts("400-bed", NOW.date())
    texts["plan.yaml"] = texts["plan.yaml"].replace("Ines Albrecht", "Ines <Albrecht>")
    write_plan(tmp_path / "plan", texts)
    return PlanFolder(tmp_path / "plan")


def pages(file: Path) -> list[str]:
    told = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True).stdout
    # A space that keeps a number with its unit is a space to whoever looks for words.
    return told.replace("\u00a0", " ").split("\f")[:-1]


def assert_stands_alone(pdf: Path, html: Path, heads: Sequence[str]) -> None:
    fonts = subprocess.run(["pdffonts", pdf], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert fonts
    assert all("DejaVu" in line and re.search(r"\byes +yes +yes\b", line) for line in fonts), fonts
    text, at = "\n".join(pages(pdf)), 0
    for head in heads:
        found = re.search(rf"^ *{re.escape(head)}", text[at:], re.MULTILINE)
        assert found, head
        at += found.end()
    page = html.read_text("utf-8")
    assert not re.search(r"<(script|link|img|iframe|object|base)\b|@import|@font-face|\bsrc=|href=\"(?!#)", page)
    assert not re.search(r"url\((?!#)", page)
    assert "Ines &lt;Albrecht&gt;" in page
    assert "Ines <Albrecht>" in text


def test_the_plan_stands_in_the_order_of_the_standard_and_page_one_says_what_is_unsigned(
    folder: PlanFolder, tmp_path: Path
) -> None:
    print_plan(folder, tmp_path / "paper", NOW)
    assert_stands_alone(tmp_path / "paper/plan.pdf", tmp_path / "paper/plan.html", IN_ORDER)
    first = pages(tmp_path / "paper/plan.pdf")[0]
    count = len(agreement(folder.read().plan, ()).signed)
    assert f"IT has {count} parts to sign" in " ".join(first.split())
    assert "actions" in first
    assert "1 Introduction" not in first
    whole = " ".join("\n".join(pages(tmp_path / "paper/plan.pdf")).split())
    assert "How much is lost, and which copy says so" in whole
    assert "ris-backup is made every 1 h, as the plan says" in whole


def test_a_pack_says_its_serial_on_every_page_and_is_registered_unsigns_nothing_and_grows_stale(
    folder: PlanFolder, tmp_path: Path
) -> None:
    before = agreement(folder.read().plan, ()).signed
    told = make_pack(folder, tmp_path / "usb", NOW, PRINTED)
    assert_stands_alone(tmp_path / "usb/downtime-pack.pdf", tmp_path / "usb/downtime-pack.html", IN_PACK)
    for page in pages(tmp_path / "usb/downtime-pack.pdf"):
        assert "Pack P-003 · made 2026-11-24 · plan version 1.0" in page
    assert "Form: log of exported images" in pages(tmp_path / "usb/downtime-pack.pdf")[-1], "a form is one sheet"
    plan = folder.read().plan
    known = {one.id: one for one in plan.packs}
    form, made_on = PackForm.PRINTED, NOW.date()
    assert known["P-003"] == Pack(id="P-003", site="main", form=form, version="1.0", holder="paula", made_on=made_on)
    assert agreement(plan, ()).signed == before
    assert told["registered_in"] == "pack-P-003.yaml"
    assert (tmp_path / "usb/downtime-pack.html").stat().st_mode & 0o077 == 0
    # Stale as soon as the plan has another version.
    assert stale_packs(folder.read().plan) == []
    file = folder.path / "plan.yaml"
    file.write_text(file.read_text().replace('version: "1.0"', 'version: "1.1"'))
    plan = folder.read().plan
    assert {one["pack"] for one in stale_packs(plan)} == {"P-001", "P-002", "P-003"}
    assert "packs/P-003" in {hit.subject for hit in r36(facts_of(plan, NOW.date()))}
    assert make_pack(folder, tmp_path / "usb", NOW, PRINTED, dry_run=True)["serial"] == "P-004"
    assert "P-004" not in {one.id for one in folder.read().plan.packs}


def test_a_pack_for_nobody_the_plan_knows_is_not_made(folder: PlanFolder, tmp_path: Path) -> None:
    for asked in (
        PackAsked("moon", "paula", PackForm.PRINTED, None),
        PackAsked("main", "nobody", PackForm.PRINTED, None),
    ):
        with pytest.raises(NoSuchPlace):
            make_pack(folder, tmp_path / "usb", NOW, asked)
    assert not (tmp_path / "usb").exists()


LONG = "Donaudampfschifffahrtsgesellschaftsbefundungsarbeitsplatz"


def assert_all_of_it_is_on_the_page(pdf: Path) -> None:
    told = subprocess.run(["pdftotext", "-bbox", pdf, "-"], capture_output=True, text=True, check=True).stdout
    sheets = re.split(r"<page ", told)[1:]
    assert sheets
    for sheet in sheets:
        wide = float(re.findall(r'width="([\d.]+)"', sheet)[0])
        ends = [(float(end), word) for end, word in re.findall(r'xMax="([\d.]+)" yMax="[\d.]+">([^<]*)<', sheet)]
        assert [word for end, word in ends if end > wide - 35] == []


@pytest.mark.parametrize("name", ["400-bed", "100-bed", "long words"])
def test_no_word_leaves_the_page(name: str, tmp_path: Path) -> None:
    texts = example_texts("400-bed" if name == "long words" else name, NOW.date())
    if name == "long words":
        texts["systems.yaml"] = texts["systems.yaml"].replace("name: Diagnostic viewer", f"name: {LONG}")
        texts["plan.yaml"] = texts["plan.yaml"].replace("Riverside General (invented)", f"Riverside {LONG * 2}")
    write_plan(tmp_path / "plan", texts)
    folder = PlanFolder(tmp_path / "plan")
    print_plan(folder, tmp_path / "paper", NOW)
    make_pack(folder, tmp_path / "paper", NOW, PackAsked(None, None, PackForm.PRINTED, None))
    for file in ("plan.pdf", "downtime-pack.pdf"):
        assert_all_of_it_is_on_the_page(tmp_path / "paper" / file)


def test_a_number_stays_with_its_unit_and_a_plan_without_procedures_has_no_page_for_them(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", example_texts("100-bed", NOW.date()))
    make_pack(PlanFolder(tmp_path / "plan"), tmp_path, NOW, PackAsked(None, None, PackForm.PRINTED, None))
    html = (tmp_path / "downtime-pack.html").read_text("utf-8")
    assert "<td>4\u00a0h</td>" in html
    assert not re.search(
        r"\d (h|d|min)\b", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL).split('id="forms"')[0]
    )
    (sheet,) = [one for one in pages(tmp_path / "downtime-pack.pdf") if "Procedures by phase" in one]
    assert "Role cards" in sheet


def test_a_home_is_opened_once_for_its_pack(
    folder: PlanFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, catalog_open = list[Path](), Catalog.open

    def counted(path: Path, *, read_only: bool = False) -> Catalog:
        opened.append(path)
        return catalog_open(path, read_only=read_only)

    home = make_home(tmp_path)
    monkeypatch.setattr(Catalog, "open", counted)
    asked = PackAsked("main", None, PackForm.PRINTED, home)
    assert make_pack(folder, tmp_path / "usb", NOW, asked, dry_run=True)["exams"] == 0
    assert make_pack(folder, tmp_path / "usb", NOW, asked)["numbers"] == 0
    assert opened == [home.catalog, home.catalog], "once each time"


def test_a_pack_from_a_home_has_its_labels_and_all_of_today_and_says_so_at_the_command_line(
    folder: PlanFolder, tmp_path: Path
) -> None:
    home = str(make_home(tmp_path).directory)

    def run(*words: str) -> dict[str, object]:
        told = CliRunner().invoke(program, [*words, "--home", home, "--json"], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return dict(json.loads(told.stdout))

    who = ("--reason", "test", "--by", "A. Admin")
    run("downtime", "numbers", "reserve", "--for", "accession", "--prefix", "DT", "--first", "1", "--last", "999", *who)
    run(
        *("downtime", "numbers", "allot", "--for", "accession", "--count", "70", "--site", "main", "--device", "CT1"),
        *who,
    )
    today = f"{datetime.now().astimezone():%Y-%m-%d}"
    lines = [f"P{n},Berg^Ana,A{n:03},CT,{today},08:00\n" for n in range(210)]
    (tmp_path / "extract.csv").write_text("MRN,Name,Accession,Modality,Date,Time\n" + "".join(lines))
    run("gateway", "worklist", "import", str(tmp_path / "extract.csv"))
    told = run("plan", "pack", str(folder.path), "--to", str(tmp_path / "usb"), "--form", "isolated-laptop")
    assert (told["numbers"], told["exams"], told["form"]) == (60, 210, "isolated-laptop")
    text = "\n".join(pages(tmp_path / "usb/downtime-pack.pdf"))
    assert any("Reserved numbers" in page and "DT001" in page for page in pages(tmp_path / "usb/downtime-pack.pdf"))
    assert "DT060" in text
    assert "DT061" not in text
    assert "10 more in this block: up to DT070" in text
    assert all(f"A{n:03}" in text for n in range(210))
    assert "Berg" not in json.dumps(told)


def test_a_pack_with_numbers_of_its_own_shares_none_with_another_and_the_register_names_them(
    folder: PlanFolder, tmp_path: Path
) -> None:
    home = str(make_home(tmp_path).directory)
    who = ("--reason", "test", "--by", "A. Admin", "--home", home)
    packed = ("plan", "pack", str(folder.path), "--home", home, "--labels", "30", "--by", "A. Admin")

    def run(*words: str) -> Result:
        return CliRunner().invoke(program, [*words, "--json"])

    def reserve(of: str, prefix: str) -> None:
        reserved = run(
            "downtime", "numbers", "reserve", "--for", of, "--prefix", prefix, "--first", "1", "--last", "99", *who
        )
        assert reserved.exit_code == 0

    reserve("accession", "DA")
    # Nothing is allotted, written or registered when one of the two kinds is not reserved.
    refused = run(*packed, "--to", str(tmp_path / "none"))
    assert isinstance(refused.exception, RangeUsedUp)
    assert not (tmp_path / "none").exists()
    reserve("patient", "DP")
    tried = json.loads(run(*packed, "--to", str(tmp_path / "none"), "--dry-run").stdout)
    assert (tried["numbers"], tried["files"]) == (60, [])
    # Cut off after the numbers were allotted: nothing is registered, and nobody gets those numbers again.
    (tmp_path / "taken").touch()
    assert run(*packed, "--to", str(tmp_path / "taken" / "usb")).exception is not None
    assert "P-003" not in {one.id for one in folder.read().plan.packs}
    seen: list[set[str]] = []
    for number, first in ((3, "31"), (4, "61")):
        to = tmp_path / f"usb{number}"
        told = json.loads(run(*packed, "--to", str(to)).stdout)
        assert (told["serial"], told["numbers"]) == (f"P-00{number}", 60)
        text = "\n".join(pages(to / "downtime-pack.pdf"))
        seen.append(set(re.findall(r"D[AP]\d\d", text)))
        assert f"DA{first}" in text and "allotted to this pack alone" in text
    assert len(seen[0]) == len(seen[1]) == 60
    assert not seen[0] & seen[1]
    known = {one.id: one.numbers for one in folder.read().plan.packs}
    assert set(known["P-003"]) == {"DP31 to DP60", "DA31 to DA60"}
    assert run("plan", "pack", str(folder.path), "--to", str(tmp_path / "x"), "--labels", "5").exit_code == 2


def test_a_schedule_that_is_too_long_is_refused_before_numbers_are_allotted(
    folder: PlanFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, allotted = make_home(tmp_path), list[str]()
    lines = [f"P{n},Berg^Ana,A{n:03},CT,{NOW:%Y-%m-%d},08:00\n" for n in range(3)]
    (tmp_path / "extract.csv").write_text("MRN,Name,Accession,Modality,Date,Time\n" + "".join(lines))
    words = ["gateway", "worklist", "import", str(tmp_path / "extract.csv"), "--home", str(home.directory)]
    assert CliRunner().invoke(program, words, catch_exceptions=False).exit_code == 0

    def allot(serial: str, site: str, dry_run: bool) -> list[dict[str, object]]:
        allotted.append(serial)
        return []

    asked = PackAsked("main", "paula", PackForm.PRINTED, home, allot)
    monkeypatch.setattr("safelight.site.pack_look.EXAMS_MAX", 2)
    with pytest.raises(ScheduleTooLong):
        make_pack(folder, tmp_path / "usb", NOW, asked)
    assert not allotted and not (tmp_path / "usb").exists()
    monkeypatch.setattr("safelight.site.pack_look.EXAMS_MAX", 3)
    assert make_pack(folder, tmp_path / "usb", NOW, asked)["exams"] == 3
    assert allotted == ["P-003"]


@pytest.mark.peer
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_a_pack_opens_from_a_file_with_the_network_off(folder: PlanFolder, tmp_path: Path) -> None:
    make_pack(folder, tmp_path / "usb", NOW, PRINTED)
    file = (tmp_path / "usb/downtime-pack.html").as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = browser.new_context(offline=True)
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(file)
        assert page.locator("h1").inner_text() == "Downtime pack P-003"
        links = page.locator("nav a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        assert links and all(page.locator(link).count() == 1 for link in links)
        page.get_by_role("link", name="Forms").click()
        assert page.locator("#forms").is_visible()
        assert {url.partition("#")[0] for url in asked} == {file}
        browser.close()
