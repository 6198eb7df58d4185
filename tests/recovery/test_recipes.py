import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from safelight.core.names import AETitle
from safelight.recovery.facts import Level
from safelight.recovery.orthanc import BadRestAnswer, OrthancKeeper
from safelight.recovery.recipes import (
    CALLING_TITLE,
    QUESTIONS,
    RECIPES,
    CallingTitleShared,
    SideEffectsNotAccepted,
    UnknownRecipe,
    may_hide_orthanc,
    open_questions,
    preflight,
    recipe_for,
    recipe_named,
)
from safelight.site.rehearsal.ports import free_port

ENTRY = "f689ddd2-662f8fe1-8b18180d-ec2a2cee-937917af"


@pytest.mark.parametrize(
    ("implementation_class", "version", "name"),
    [
        ("1.2.40.0.13.1.3", "dcm4che-5.33.1", "dcm4chee"),
        ("1.2.276.0.7230010.3.0.3.6.7", "OFFIS_DCMTK_367", "generic"),
        ("1.2.276.0.7230010.3.0.3.6.7", "Orthanc 1.13", "orthanc"),
        ("1.2.826.0.1.3680043.9.3811.3.0.4", "PYNETDICOM_304", "generic"),
        ("", "", "generic"),
    ],
)
def test_a_recipe_is_chosen_by_what_the_target_says_of_itself(
    implementation_class: str, version: str, name: str
) -> None:
    assert recipe_for(implementation_class, version) is RECIPES[name]


def test_an_orthanc_that_hides_behind_its_library_is_suspected() -> None:
    assert may_hide_orthanc("OFFIS_DCMTK_367")
    assert not may_hide_orthanc("PYNETDICOM_304")


def test_a_folder_must_give_back_every_byte_and_an_archive_the_same_attributes_and_pixels() -> None:
    assert {name: recipe.required for name, recipe in RECIPES.items()} == {
        "orthanc": Level.ATTRIBUTES,
        "dcm4chee": Level.ATTRIBUTES,
        "generic": Level.ATTRIBUTES,
        "folder": Level.BYTES,
    }
    with pytest.raises(UnknownRecipe):
        recipe_named("magic")


def test_a_refill_begins_only_when_every_side_effect_was_looked_at() -> None:
    generic = recipe_named("generic")
    with pytest.raises(SideEffectsNotAccepted) as caught:
        preflight(generic, ["routing", "billing"], CALLING_TITLE, [])
    assert caught.value.facts["questions"] == "processing,notification,retention"
    preflight(generic, [question.code for question in QUESTIONS], CALLING_TITLE, [AETitle("SAFELIGHT")])
    preflight(generic, ["all"], CALLING_TITLE, [])
    assert open_questions(recipe_named("folder"), []) == ()
    preflight(recipe_named("folder"), [], CALLING_TITLE, [CALLING_TITLE])


def test_a_refill_does_not_call_with_a_title_that_something_else_uses() -> None:
    with pytest.raises(CallingTitleShared):
        preflight(recipe_named("generic"), ["all"], AETitle("SAFELIGHT"), [AETitle("SAFELIGHT")])


class ScriptedRest:
    def __init__(self, verify: tuple[int, object]) -> None:
        self.verify = verify
        self.deleted: list[str] = []

    def __call__(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        if (method, path) == ("POST", "/tools/lookup"):
            found = [{"ID": ENTRY, "Type": "Instance"}, {"ID": "../../tools/reset", "Type": "Instance"}]
            return 200, json.dumps(found if body == b"1.2.3" else []).encode()
        if method == "POST" and path == f"/instances/{ENTRY}/attachments/dicom/verify-md5":
            return self.verify[0], json.dumps(self.verify[1]).encode()
        assert method == "DELETE"
        self.deleted.append(path)
        return 200, b"{}"


@pytest.mark.parametrize("code", [13, 2006])
def test_an_entry_without_its_file_is_deleted(code: int) -> None:
    rest = ScriptedRest((500, {"OrthancStatus": code}))
    assert OrthancKeeper(rest).remove_unreadable(["1.2.3", "1.2.4"]) == ["1.2.3"]
    assert rest.deleted == [f"/instances/{ENTRY}"]


@pytest.mark.parametrize("verify", [(200, {}), (500, {"OrthancStatus": 11}), (500, []), (503, {"OrthancStatus": 2006})])
def test_an_entry_that_fails_in_any_other_way_is_left_alone(verify: tuple[int, object]) -> None:
    rest = ScriptedRest(verify)
    assert OrthancKeeper(rest).remove_unreadable(["1.2.3"]) == []
    assert rest.deleted == []


@pytest.mark.parametrize("answer", [(404, b""), (200, b"<html>"), (200, b"{}")])
def test_an_answer_that_is_not_orthancs_is_an_error_of_the_peer(answer: tuple[int, bytes]) -> None:
    with pytest.raises(BadRestAnswer):
        OrthancKeeper(lambda *_: answer).remove_unreadable(["1.2.3"])


@pytest.mark.parametrize(
    ("answer", "overwrites"),
    [
        ((200, b'{"OverwriteInstances": true}'), True),
        ((200, b'{"OverwriteInstances": false}'), False),
        ((200, b'{"OverwriteInstances": "Always"}'), True),
        ((200, b'{"OverwriteInstances": "IfChanged"}'), False),
        ((200, b'{"DicomAet": "ORTHANC"}'), None),
        ((200, b"[]"), None),
        ((401, b""), None),
    ],
)
def test_the_system_page_may_tell_whether_a_resend_is_stored(
    answer: tuple[int, bytes], overwrites: bool | None
) -> None:
    assert OrthancKeeper(lambda *_: answer).overwrites() is overwrites


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[tuple[int, int, Path]]:
    """An Orthanc that reads its files from the disk each time: its DICOM port, HTTP port and storage."""
    import subprocess
    import time
    import urllib.request

    dicom, http = free_port(), free_port()
    storage = tmp_path / "orthanc"
    settings = {
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "DicomPort": dicom,
        "HttpPort": http,
        "HttpBindAddresses": ["127.0.0.1"],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "MaximumStorageCacheSize": 0,
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen(["Orthanc", str(tmp_path / "orthanc.json")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{http}/system", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield dicom, http, storage
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.peer
def test_a_real_orthanc_that_lost_a_file_takes_it_again_after_the_repair(orthanc: tuple[int, int, Path]) -> None:
    import subprocess
    import urllib.error
    import urllib.request

    import pydicom

    dicom, http, storage = orthanc

    def rest(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{http}{path}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    image = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
    uid = str(pydicom.dcmread(image).SOPInstanceUID)
    keeper = OrthancKeeper(rest)
    assert keeper.is_orthanc()

    def files() -> list[Path]:
        return [one for one in storage.rglob("*-*-*-*-*") if one.is_file()]

    def send() -> None:
        subprocess.run(["/usr/bin/storescu", "127.0.0.1", str(dicom), str(image)], check=True, capture_output=True)

    send()
    assert keeper.remove_unreadable([uid]) == []
    for file in files():
        file.unlink()
    send()
    assert files() == [], "this Orthanc stores a resend: the trap is gone"
    assert keeper.remove_unreadable([uid, "1.2.3"]) == [uid]
    send()
    assert len(files()) == 1
