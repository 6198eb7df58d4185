from dataclasses import fields
from pathlib import Path

import pytest

from safelight.core.names import AETitle
from safelight.site.founding import settings_text
from safelight.site.settings import BadSettings, Settings, read_settings


def settings_of(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "safelight.toml"
    file.write_text(text, encoding="utf-8")
    return read_settings(file)


def test_an_empty_file_means_the_safe_defaults(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "")
    assert settings == Settings()
    assert not settings.dicom.accept_any_ae
    assert settings.vault.copies_min == 2


def test_what_init_writes_is_read_back(tmp_path: Path) -> None:
    text = settings_text(site='St. "Quote" \\ Löw', title=AETitle("HERE"), port=11112, second="/mnt/b", accept_any=True)
    settings = settings_of(tmp_path, text)
    assert settings.site.name == 'St. "Quote" \\ Löw'
    assert settings.dicom.ae_title == AETitle("HERE")
    assert settings.dicom.accept_any_ae
    assert settings.dicom.bind == "127.0.0.1"
    assert settings.vault.second == "/mnt/b"


def test_the_template_names_only_settings_that_exist_with_the_defaults_in_force(tmp_path: Path) -> None:
    text = settings_text(site="x", title=AETitle("SAFELIGHT"), port=11112, second="/mnt/b", accept_any=False)
    settings = settings_of(tmp_path, text)
    for section in fields(Settings):
        if section.name in ("dicom", "protection", "recovery", "plan"):
            assert getattr(settings, section.name) == getattr(Settings(), section.name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sit]\nname='x'", "sit"),
        ("[gateway.dicm]\n", "gateway.dicm"),
        ("[gateway.dicom]\nprot = 1", "gateway.dicom.prot"),
        ("[gateway.dicom]\nport = '1'", "gateway.dicom.port"),
        ("[gateway.dicom]\nport = true", "gateway.dicom.port"),
        ("[gateway.dicom]\nport = 0", "gateway.dicom.port"),
        ("[vault]\nprofile = 'best'", "vault.profile"),
        ("[vault]\ncopies_min = 0", "copies_min"),
        ("[vault]\npackers = -1", "vault.packers"),
        ("site = 3", "site"),
        ("gateway = 3", "gateway"),
        ("[site", "TOML"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadSettings) as caught:
        settings_of(tmp_path, text)
    assert told in str(caught.value) or told == "TOML"


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "safelight.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings):
        read_settings(file)
