import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.disk import RealDisk
from safelight.core.signing import BadSigningKey
from safelight.vault import keys, recovery_key
from safelight.vault.age import BadKey, Identity
from safelight.vault.recovery_key import BadRecoveryWords

RECOVERY = Identity.generate()


def test_a_home_gets_its_keys_and_never_the_recovery_secret(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    secret, public = keys.make_keys(directory, RealDisk(), RECOVERY.recipient)
    assert sorted(path.name for path in directory.iterdir()) == sorted(keys.FILES)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in directory.iterdir())
    assert directory.stat().st_mode & 0o777 == 0o700
    written = "".join(path.read_text() for path in directory.iterdir())
    assert RECOVERY.text not in written
    assert recovery_key.to_words(RECOVERY)[0] not in written.lower().split()
    assert keys.load_secret_keys(directory) == secret
    assert keys.load_public_keys(directory) == public
    assert public.recipients == (secret.node.recipient, RECOVERY.recipient)
    assert keys.load_identity(directory / "node.key") == secret.node


def test_keys_are_never_written_over(tmp_path: Path) -> None:
    keys.make_keys(tmp_path, RealDisk(), RECOVERY.recipient)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "signing.key").unlink()
    with pytest.raises(keys.KeysExist):
        keys.make_keys(tmp_path, RealDisk(), RECOVERY.recipient)
    assert before.items() >= {path.name: path.read_bytes() for path in tmp_path.iterdir()}.items()


def test_the_node_key_is_a_file_for_the_age_programs(tmp_path: Path) -> None:
    _, public = keys.make_keys(tmp_path, RealDisk(), RECOVERY.recipient)
    told = subprocess.run(["/usr/bin/age-keygen", "-y", tmp_path / "node.key"], capture_output=True, check=True)
    assert told.stdout.decode().strip() == public.node.text
    made = subprocess.run(["/usr/bin/age-keygen"], capture_output=True, check=True).stdout
    (tmp_path / "theirs").write_bytes(made)
    assert keys.load_identity(tmp_path / "theirs").text in made.decode()


@pytest.mark.parametrize("name", keys.FILES)
def test_a_missing_or_broken_key_file_is_named_and_not_guessed(name: str, tmp_path: Path) -> None:
    keys.make_keys(tmp_path, RealDisk(), RECOVERY.recipient)

    def load() -> None:
        keys.load_secret_keys(tmp_path)
        keys.load_public_keys(tmp_path)

    for content in (b"", b"\xff\xfe", b"two\nlines\n", b"zz\n"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises((BadKey, BadSigningKey)):
            load()
    (tmp_path / name).unlink()
    with pytest.raises(keys.KeyFileMissing):
        load()


@given(st.binary(min_size=32, max_size=32))
def test_the_recovery_key_survives_as_words(raw: bytes) -> None:
    key = Identity(raw)
    words = recovery_key.to_words(key)
    assert len(words) == 24
    assert recovery_key.from_words(" ".join(words)) == key
    assert recovery_key.from_words("\n".join(word[:4].upper() for word in words)) == key


def test_words_that_are_not_a_key_are_refused() -> None:
    words = list(recovery_key.to_words(RECOVERY))
    swapped = [words[1], words[0], *words[2:]] if words[0] != words[1] else [*words[:-1], "zoo"]
    for wrong in (
        [],
        words[:23],
        [*words, "zoo"],
        ["film", *words[1:]],
        ["x", *words[1:]],
        [words[0] + "s", *words[1:]],
    ):
        with pytest.raises(BadRecoveryWords):
            recovery_key.from_words(" ".join(wrong))
    for candidate in (swapped, ["zoo"] * 24):
        with contextlib.suppress(BadRecoveryWords):
            assert recovery_key.from_words(" ".join(candidate)) != RECOVERY


def test_whoever_wrote_the_words_down_can_give_those_asked_for() -> None:
    words = recovery_key.to_words(RECOVERY)
    positions = recovery_key.positions_to_ask()
    assert len(set(positions)) == 3
    assert all(1 <= position <= 24 for position in positions)
    answers = [words[position - 1] for position in positions]
    assert recovery_key.check_words(RECOVERY, positions, [f" {answer.upper()} " for answer in answers])
    assert not recovery_key.check_words(RECOVERY, positions, ["wrong", *answers[1:]])
    assert not recovery_key.check_words(RECOVERY, positions, answers[:2])
    assert not recovery_key.check_words(RECOVERY, (), ())


@pytest.mark.parametrize("on_paper", [False, True])
def test_the_sheet_holds_all_words_and_the_key_in_a_terminals_width(on_paper: bool) -> None:
    page = recovery_key.sheet(RECOVERY, "North", on_paper=on_paper)
    assert RECOVERY.text in page
    assert all(f"{number} {word}" in page for number, word in enumerate(recovery_key.to_words(RECOVERY), start=1))
    assert max(len(line) for line in page.splitlines()) <= 100


def test_the_code_on_the_sheet_is_light_on_a_dark_screen_and_dark_on_paper() -> None:
    screen, paper = (recovery_key.sheet(RECOVERY, "North", on_paper=on_paper) for on_paper in (False, True))
    flipped = str.maketrans(" ▀▄█", "█▄▀ ")
    rows = [line for line in screen.splitlines() if line.startswith("██") and set(line) <= set(" ▀▄█")]
    assert len(rows) > 15
    printed = {line.rstrip() for line in paper.splitlines()}
    assert all(line.translate(flipped).rstrip() in printed for line in rows[1:-1])
