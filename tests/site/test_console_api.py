"""The console's API over HTTPS: a downtime by mouse, and whatever else comes through that door."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.console.web_application import HEADERS, PAGES_POLICY, VIEWER_POLICY
from safelight.core.clock import to_text
from safelight.core.progress import silent
from safelight.site.acts import act
from safelight.site.downtime import downtime_document, log_document
from safelight.site.downtime_exams import exams_document
from safelight.site.downtime_numbers import numbers_document
from safelight.site.web_changes import EVERYTHING, RECONCILIATION
from support.console_house import PASSWORD, WHO, Answered, Browser, ConsoleHouse, console_house

ADMINISTRATOR, TECHNOLOGIST, VIEWER = "pacs-administrator", "technologist", "viewer"
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{7*7}}${7*7}",
    "'; DROP TABLE exam; --",
    "Löwe^Zoë=王^小東",
    "a\u202egnp.exe",
)
CT = {"way": "walk-in", "site": "main", "device": "CT1", "modality": "CT"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleHouse]:
    with console_house(tmp_path_factory.mktemp("api")) as house:
        prepare(house)
        yield house


@pytest.fixture(scope="module")
def technologist(house: ConsoleHouse) -> Browser:
    return house.browser(TECHNOLOGIST)


def prepare(house: ConsoleHouse) -> None:
    for of, prefix in (("accession", "DT"), ("patient", "DP")):
        told: dict[str, Any] = {"of": of, "prefix": prefix, "first": 1, "last": 999, **WHO}
        act(house.site, "downtime.numbers.reserve", told, silent)
        told = {"of": of, "count": 200, "site": "main", "device": "CT1", **WHO}
        act(house.site, "downtime.numbers.allot", told, silent)
    act(house.site, "downtime.say", {"event": "declared", "scopes": ["ris"], **WHO}, silent)


def register(browser: Browser, name: str = "DOE^JANE", **told: Any) -> Answered:
    return browser.post("/api/downtime/exam/register", {**CT, "name": name, **told})


def test_an_exam_goes_its_way_and_each_step_is_signed_by_who_is_logged_in(
    house: ConsoleHouse, technologist: Browser
) -> None:
    made = register(technologist)
    assert made.status == 200
    accession = made.json["accession"]
    for step, told in (
        ("arrived", {}),
        ("acquired", {}),
        ("read", {"text": "bleeding", "urgent": True}),
        ("called", {"to": "Dr. Ward", "read_back": True}),
    ):
        answered = technologist.post(f"/api/downtime/exam/{step}", {"accession": accession, **told})
        assert answered.status == 200, answered.body
    told = technologist.get("/api/downtime/exam/list").json
    assert told == {**exams_document(house.site.home, only_open=False), "is_more": False}
    (exam,) = [one for one in told["exams"] if one["accession"] == accession]
    assert [one["by"] for one in exam["steps"]] == ["Person technologist"] * 4
    waiting = technologist.get("/api/downtime/exam/list?open=true").json
    assert waiting == {**exams_document(house.site.home, only_open=True), "is_more": False}


def test_documents_are_those_of_the_command_line(house: ConsoleHouse, technologist: Browser) -> None:
    home = house.site.home
    for name, document in (
        ("downtime/status", downtime_document(home)),
        ("downtime/log", log_document(home)),
        ("downtime/numbers/list", numbers_document(home)),
    ):
        assert technologist.get(f"/api/{name}").json.items() >= document.items()
    status = technologist.get("/api/status").json
    assert (status["phase"], status["site"]) == ("downtime", "Test")


def test_a_refusal_is_that_of_the_command_line_and_records_nothing(house: ConsoleHouse) -> None:
    browser = house.browser(ADMINISTRATOR)
    before = house.site.records.journal.last_position()
    again = browser.post("/api/downtime/declare", {"scopes": ["ris"], "reason": "x"})
    assert (again.status, again.code) == (409, "downtime.outage-open")
    assert again.json["error"]["exit"] == 10
    assert again.json["error"]["hint"]
    unreadable = browser.post("/api/downtime/end", {"scopes": ["ris"], "reason": "x", "since": "yesterday"})
    assert (unreadable.status, unreadable.code) == (400, "site.bad-moment")
    unknown = browser.post("/api/downtime/exam/arrived", {"accession": "NONE"})
    assert (unknown.status, unknown.code) == (409, "downtime.unknown-exam")
    assert house.site.records.journal.last_position() == before


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_travels_as_data(technologist: Browser, name: str) -> None:
    made = register(technologist, name[:64], procedure=name[:64], place=name)
    if not name.isprintable():
        assert (made.status, made.code) == (400, "downtime.bad-registration")
        assert "exe" not in made.body.decode()
        return
    for path in ("/api/downtime/exam/list", "/api/catalog/worklist"):
        listed = technologist.get(path)
        assert listed.headers["content-type"] == "application/json"
        assert listed.headers["x-content-type-options"] == "nosniff"
        (exam,) = [one for one in listed.json["exams"] if one["accession"] == made.json["accession"]]
        assert (exam["name"], exam["procedure"], exam["place"]) == (name, name, name)


def test_hostile_texts_in_reads_calls_and_searches_do_no_harm(technologist: Browser) -> None:
    accession = register(technologist).json["accession"]
    technologist.post("/api/downtime/exam/acquired", {"accession": accession})
    for text in HOSTILE:
        assert technologist.post("/api/downtime/exam/read", {"accession": accession, "text": text}).status == 200
        assert technologist.post("/api/downtime/exam/called", {"accession": accession, "to": text}).status == 200
    (exam,) = [
        one for one in technologist.get("/api/downtime/exam/list").json["exams"] if one["accession"] == accession
    ]
    assert [one["text"] for one in exam["steps"] if one["step"] == "read"] == list(HOSTILE)
    for path in ("/api/catalog/find?name=%25%27%3B--", "/api/catalog/find?patient_id=*&accession=%3Cscript%3E"):
        assert technologist.get(path).json == {"studies": [], "is_more": False, "offset": 0}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "console.bad-request"),
        (b"[]", "console.bad-request"),
        (b"{" * 100_000, "console.bad-request"),
        (b'{"accession": "DT001", "at": 5}', "console.bad-request"),
        (b'{"accession": "DT001", "sinse": "2026-01-01T00:00:00Z"}', "console.bad-request"),
        (b'{"accession": "\\ud800"}', "console.bad-request"),
        (b'{"accession": "\\u0000"}', "console.bad-request"),
        (b'{"accession": "\xff"}', "console.bad-request"),
        (b'{"accession": "DT001", "by": "Somebody Else"}', "console.by-is-you"),
        (b'{"accession": "' + b"x" * 300_000 + b'"}', "console.body-too-long"),
    ],
)
def test_a_body_that_is_not_right_is_refused_with_a_code(technologist: Browser, body: bytes, code: str) -> None:
    answered = technologist.ask("POST", "/api/downtime/exam/arrived", body, {"Content-Type": "application/json"})
    assert answered.code == code
    assert answered.status in (400, 413)


def test_what_cannot_be_understood_of_an_address_or_a_query_is_refused(technologist: Browser) -> None:
    for path, status, code in (
        ("/api/catalog/find?limit=501", 400, "console.bad-request"),
        ("/api/catalog/find?limit=5&limit=6", 400, "console.bad-request"),
        ("/api/catalog/find?nmae=x", 400, "console.bad-request"),
        ("/api/catalog/find?date_from=soon", 400, "catalog.bad-search"),
        ("/api/catalog/worklist?state=late", 400, "console.bad-request"),
        ("/api/downtime/declare", 405, "console.no-such-method"),
        ("/api/../safelight.toml", 404, "console.no-such-address"),
        ("/api/nothing", 404, "console.no-such-address"),
    ):
        answered = technologist.get(path)
        assert (answered.status, answered.code) == (status, code), path
    assert technologist.post("/api/status", {}).code == "console.no-such-method"
    assert technologist.post("/api/downtime/exam/arrived", {}, Content_Type="text/plain").code == "console.not-json"


def test_a_page_from_elsewhere_acts_in_nobodys_name(house: ConsoleHouse, technologist: Browser) -> None:
    before = house.site.records.journal.last_position()
    told = {**CT, "name": "FORGED^NAME"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://localhost:{house.port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        refused = technologist.ask(
            "POST",
            "/api/downtime/exam/register",
            json.dumps(told).encode(),
            {"Content-Type": "application/json", **headers},
        )
        assert (refused.status, refused.code) == (403, "console.foreign-origin")
        assert technologist.ask("POST", "/dicomweb/studies", b"x", headers).code == "console.foreign-origin"
        login = {"account": VIEWER, "password": PASSWORD}
        assert (
            technologist.ask("POST", "/api/login", json.dumps(login).encode(), headers).code == "console.foreign-origin"
        )
    assert house.site.records.journal.last_position() == before
    own = {"Origin": f"https://localhost:{house.port}", "Sec-Fetch-Site": "same-origin"}
    dry = json.dumps({**told, "dry_run": True}).encode()
    accepted = technologist.ask("POST", "/api/downtime/exam/register", dry, {"Content-Type": "application/json", **own})
    assert accepted.status == 200


def test_the_cookie_is_out_of_reach_of_pages_and_of_other_sites(house: ConsoleHouse) -> None:
    answered = house.browser().post("/api/login", {"account": VIEWER, "password": PASSWORD})
    name, *rest = (part.strip() for part in answered.headers["set-cookie"].split(";"))
    assert name.startswith("__Host-safelight=")
    assert {one.lower() for one in rest} == {"httponly", "secure", "samesite=strict", "path=/"}


def test_every_answer_has_the_headers_that_hold_browsers_back(house: ConsoleHouse, technologist: Browser) -> None:
    for path in ("/", "/api/site", "/api/nothing", "/viewer/", "/dicomweb/studies", "/dicomweb/nothing", "/nothing.js"):
        answered = technologist.get(path)
        policy = VIEWER_POLICY if path.startswith("/viewer/") else PAGES_POLICY
        assert answered.headers["content-security-policy"] == policy, path
        assert "http" not in policy
        for name, value in HEADERS.items():
            assert answered.headers[name.lower()] == value, (path, name)
        assert answered.headers["cache-control"] in ("no-store", "no-cache"), path
    assert technologist.get("/dicomweb/nothing").status == 404


def test_logging_out_and_in_again_leaves_no_session_behind(house: ConsoleHouse) -> None:
    browser = house.browser(VIEWER)
    first = browser.cookie
    browser.login(VIEWER)
    second = browser.cookie
    assert first != second
    browser.cookie = first
    assert browser.get("/api/me").status == 401
    browser.cookie = second
    assert browser.post("/api/logout", {}).status == 200
    browser.cookie = second
    assert browser.get("/api/me").code == "console.login-needed"
    browser.cookie = "__Host-safelight=" + "x" * 5000
    assert browser.get("/api/me").code == "console.login-needed"


def test_whoever_leaves_is_logged_out_and_what_a_page_does_by_itself_keeps_nobody_in(house: ConsoleHouse) -> None:
    used, left, board = house.browser(VIEWER), house.browser(VIEWER), house.browser(VIEWER, board=True)
    try:
        house.clock.shift += timedelta(minutes=20)
        assert used.get("/api/me").status == 200
        assert left.get("/api/me", Safelight_Automatic="1").status == 200
        house.clock.shift += timedelta(minutes=11)
        assert used.get("/api/me").status == 200
        assert left.get("/api/me").code == "console.login-needed"
        for _ in range(40):
            house.clock.shift += timedelta(minutes=29)
            answered = used.get("/api/me")
        assert answered.code == "console.login-needed", "a session never outlives its twelve hours"
        assert board.get("/api/downtime/status").status == 200
        house.clock.shift += timedelta(hours=150)
        assert board.get("/api/downtime/status").code == "console.login-needed"
    finally:
        house.clock.shift = timedelta()


def test_a_new_password_or_role_or_no_account_ends_what_was_begun_before(tmp_path: Path) -> None:
    with console_house(tmp_path) as house:
        first, second, technologist = house.browser(VIEWER), house.browser(VIEWER), house.browser(TECHNOLOGIST)
        wrong = first.post("/api/password", {"old": "not the password", "new": "another long password"})
        assert wrong.code == "console.login-refused"
        assert first.post("/api/password", {"old": PASSWORD, "new": "short"}).code == "console.bad-password"
        assert first.post("/api/password", {"old": PASSWORD, "new": "another long password"}).status == 200
        assert first.get("/api/me").status == 200
        assert second.get("/api/me").status == 401
        act(house.site, "console.account.role", {"account": TECHNOLOGIST, "role": VIEWER, **WHO}, silent)
        assert technologist.get("/api/me").status == 401
        act(house.site, "console.account.remove", {"account": VIEWER, **WHO}, silent)
        assert first.get("/api/me").status == 401
        assert house.browser("ct-desk").post("/api/password", {"old": PASSWORD, "new": "x" * 20}).status == 403
        kinds = [entry.kind for entry in house.site.records.journal.entries() if entry.kind.startswith("console-")]
        assert kinds == ["console-password-set", "console-role-changed", "console-account-removed"]
        everything = b"".join(json.dumps(entry.facts).encode() for entry in house.site.records.journal.entries())
        assert b"argon2" not in everything and b"another long password" not in everything


def test_wrong_passwords_make_the_next_try_wait_and_keep_nobody_out_who_is_in(tmp_path: Path) -> None:
    with console_house(tmp_path) as house:
        inside, stranger = house.browser(VIEWER), house.browser()
        asked = {"account": TECHNOLOGIST, "password": "wrong"}
        codes = [stranger.post("/api/login", asked).code for _ in range(5)]
        assert codes == ["console.login-refused"] * 5
        refused = stranger.post("/api/login", {**asked, "password": PASSWORD})
        assert (refused.status, refused.code) == (429, "console.too-many-attempts")
        assert int(refused.headers["retry-after"]) >= 1
        basic = b64encode(f"{TECHNOLOGIST}:{PASSWORD}".encode()).decode()
        assert stranger.get("/dicomweb/studies", Authorization=f"Basic {basic}").status == 429
        assert inside.get("/api/me").status == 200
        # An account that is not there is refused in the same words, and as slowly.
        assert stranger.post("/api/login", {"account": "nobody", "password": "wrong"}).code == "console.login-refused"
        house.clock.shift += timedelta(seconds=70)
        assert stranger.post("/api/login", {**asked, "password": PASSWORD}).status == 200


def test_programs_without_cookies_use_basic_and_pages_are_never_asked_for_it(house: ConsoleHouse) -> None:
    program = house.browser()
    basic = f"Basic {b64encode(f'{VIEWER}:{PASSWORD}'.encode()).decode()}"
    for _ in range(2):
        assert program.get("/dicomweb/studies", Authorization=basic).status == 204
    assert program.ask("POST", "/dicomweb/studies", b"", {"Authorization": basic}).code == "console.not-your-role"
    wrong = f"Basic {b64encode(f'{VIEWER}:wrong'.encode()).decode()}"
    assert "www-authenticate" in program.get("/dicomweb/studies", Authorization=wrong).headers
    for odd in ("Basic", "Basic !!", "Bearer x", f"Basic {b64encode(bytes((0xFF,))).decode()}"):
        assert program.get("/dicomweb/studies", Authorization=odd).code == "console.login-needed"
    page = program.get("/dicomweb/studies", Sec_Fetch_Mode="cors")
    assert page.status == 401
    assert "www-authenticate" not in page.headers
    assert program.get("/api/me", Authorization=basic).status == 401, "acts need a session"


def test_at_a_shared_desk_people_say_who_they_are(house: ConsoleHouse) -> None:
    desk = house.browser("ct-desk")
    assert desk.get("/api/me").json["shared"] is True
    assert register(desk, by="Jane Roe").status == 200
    accession = register(desk).json["accession"]
    signed = [one.facts["by"] for one in house.site.records.journal.entries(kinds=["downtime-exam-registered"])]
    assert signed[-2:] == ["Jane Roe (CT desk)", "CT desk"]
    odd = desk.post("/api/downtime/exam/arrived", {"accession": accession, "by": "a\nb"})
    assert odd.code == "console.bad-request"


def test_an_act_whose_answer_was_lost_is_done_once(house: ConsoleHouse, technologist: Browser) -> None:
    answers: list[Answered] = []
    threads = [
        threading.Thread(target=lambda: answers.append(register_once(technologist, "one press"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.json["accession"] for one in answers}) == 1
    assert register_once(technologist, "another press").json["accession"] != answers[0].json["accession"]
    other = technologist.post("/api/downtime/exam/arrived", {"accession": "DT001"}, Idempotency_Key="one press")
    assert (other.status, other.code) == (400, "console.key-used-otherwise")
    # What was refused may be tried again under the same key.
    for _ in range(2):
        again = technologist.post("/api/downtime/exam/arrived", {"accession": "NONE"}, Idempotency_Key="third")
        assert again.code == "downtime.unknown-exam"


def register_once(browser: Browser, key: str) -> Answered:
    return browser.post("/api/downtime/exam/register", {**CT, "name": "ONCE^ONLY"}, Idempotency_Key=key)


def test_labels_come_as_pdf_and_what_is_not_there_is_refused(technologist: Browser) -> None:
    assert technologist.get("/api/downtime/numbers/labels?block=99").code == "downtime.unknown-block"
    assert technologist.get("/api/downtime/exam/labels?accession=NONE").code == "downtime.unknown-exam"
    accession = register(technologist, HOSTILE[0]).json["accession"]
    pdf = technologist.get(f"/api/downtime/exam/labels?accession={accession}&each=1")
    assert pdf.body.startswith(b"%PDF")


def test_a_screen_hears_what_changed_and_after_a_blip_what_it_missed(
    house: ConsoleHouse, technologist: Browser
) -> None:
    board = house.browser(VIEWER, board=True)
    with board.events() as events:
        mark, name, told = next(events)
        assert (name, told) == ("hello", {})
        accession = register(technologist).json["accession"]
        mark, name, told = next(events)
        assert name == "changed"
        # And whatever changed in the half second before.
        assert {"catalog/worklist", "downtime/exam/list", "downtime/numbers/list"} <= set(told["documents"])
    technologist.post("/api/downtime/exam/arrived", {"accession": accession})
    act(house.site, "downtime.say", {"event": "declared", "scopes": ["viewers"], **WHO}, silent)
    with board.events(mark) as events:
        _, name, told = next(events)
        assert name == "changed"
        assert set(told["documents"]) == {
            "catalog/worklist",
            "downtime/exam/list",
            "downtime/status",
            "downtime/log",
            "status",
            *RECONCILIATION,
        }
    for unknown in ("nonsense", "ffffffff.1.1.1", f"{mark.partition('.')[0]}.999999.0.0", "é"):
        with board.events(unknown) as events:
            assert set(next(events)[2]["documents"]) == set(EVERYTHING)


def test_a_screen_hears_that_the_moment_of_a_plan_has_come_though_nobody_says_so(tmp_path: Path) -> None:
    with console_house(tmp_path) as house, house.browser(VIEWER, board=True).events() as events:
        assert next(events)[1] == "hello"
        start = to_text(house.clock.now() + timedelta(hours=1))
        act(house.site, "downtime.say", {"event": "planned", "scopes": ["pacs"], "since": start, **WHO}, silent)
        assert "downtime/log" in next(events)[2]["documents"]
        house.clock.shift += timedelta(hours=2)
        assert next(events)[1:] == ("changed", {"documents": ["downtime/status", *sorted(RECONCILIATION), "status"]})


def test_a_stream_ends_with_its_session(house: ConsoleHouse, technologist: Browser) -> None:
    viewer = house.browser(VIEWER)
    with viewer.events() as events:
        assert next(events)[1] == "hello"
        viewer.post("/api/logout", {})
        register(technologist)
        assert next(events)[1:] == ("bye", {"because": "session-ended"})
        assert list(events) == []


def test_so_many_screens_and_no_more_listen_for_one_account(house: ConsoleHouse) -> None:
    board = house.browser(ADMINISTRATOR, board=True)
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(board.events())
        refused = board.get("/api/events")
        assert (refused.status, refused.code) == (503, "console.too-busy")
        assert "retry-after" in refused.headers


def test_on_an_open_home_everybody_may_do_everything_and_says_who_they_are(tmp_path: Path) -> None:
    with console_house(tmp_path, is_open=True) as house:
        anybody = house.browser()
        site = anybody.get("/api/site").json
        assert site["login"] == "none"
        assert anybody.get("/api/me").json["login"] == "none"
        told = {"scopes": ["pacs"], "reason": "rehearsal"}
        assert anybody.post("/api/downtime/declare", told).code == "downtime.not-signed"
        assert (
            anybody.post("/api/downtime/declare", {**told, "by": "R. Hearsal"}).json["scopes"][0]["by"] == "R. Hearsal"
        )
        assert anybody.get("/dicomweb/studies").status == 204
        elsewhere = anybody.ask("GET", "/api/site", None, {"Host": "evil.example"})
        assert (elsewhere.status, elsewhere.code) == (421, "console.not-our-name")
        # More screens than the web server takes by itself.
        with ExitStack() as stack:
            for _ in range(140):
                connection = stack.enter_context(closing(anybody.connection(10)))
                connection.request("GET", "/api/site")
                assert connection.getresponse().read()
            assert anybody.get("/api/site").status == 200
        foreign = anybody.post("/api/downtime/end", {**told, "by": "X"}, Origin="http://evil.example")
        assert foreign.code == "console.foreign-origin"
