import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.signing import SigningKey
from safelight.evidence import verify_bundle
from safelight.evidence.bundle import all_confirmed, write_bundle
from safelight.evidence.record import Outcome, RecoveryRecord
from safelight.evidence.verification import check_bundle
from support.bundle_forged import resealed_with
from support.evidence_record import STUDY_ROOT, journal, record, study

KEY = SigningKey.generate()
PUBLIC = KEY.verify_key.raw
Members = list[tuple[str, bytes]]


def write(told: RecoveryRecord, *, with_identity: bool = False, key: SigningKey = KEY) -> bytes:
    return write_bundle(told, key, key.verify_key.raw, with_identity=with_identity)


@pytest.fixture(scope="module")
def bundle() -> bytes:
    return write(record())


@pytest.fixture(scope="module")
def unpacked(bundle: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(BytesIO(bundle)) as archive:
        archive.extractall(folder)
    return folder


def broken(data: bytes, public_key: bytes | None = PUBLIC) -> list[str]:
    return [check.what for check in check_bundle(data, public_key) if not check.holds]


def resealed(data: bytes, change: Callable[[dict[str, bytes]], None], key: SigningKey = KEY) -> bytes:
    return resealed_with(key, data, change)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the verifier as an auditor does: another process that sees nothing but the standard library."""
    command = [sys.executable, "-I", "-S", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_bundle_holds_for_us_and_for_an_auditor_without_us(bundle: bytes, unpacked: Path) -> None:
    assert broken(bundle) == []
    assert broken(bundle, None) == []
    file = unpacked.parent / "evidence.zip"
    file.write_bytes(bundle)
    told = run(unpacked / "verify_bundle.py", file, "--public-key", PUBLIC.hex())
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.endswith("Everything holds.\n")
    assert "BAD" not in told.stdout
    (unpacked.parent / "key.txt").write_text(PUBLIC.hex() + "\n")
    assert run(unpacked / "verify_bundle.py", "--public-key", unpacked.parent / "key.txt").returncode == 0
    assert "not who made it" in run(unpacked / "verify_bundle.py").stdout


def test_other_programs_can_unpack_it(bundle: bytes) -> None:
    with zipfile.ZipFile(BytesIO(bundle)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[:2] == ["manifest.json", "signature.json"]
        assert archive.read("report.pdf").startswith(b"%PDF-")


def test_any_changed_bit_anywhere_is_found(bundle: bytes) -> None:
    random = Random(20260310)
    places = set(random.sample(range(len(bundle)), 150))
    # Every byte of the signature, which the manifest does not cover, and of the archive's own structure at both ends.
    start = bundle.index(b'{"algorithm"')
    places |= set(range(start, start + 330)) | set(range(60)) | set(range(len(bundle) - 120, len(bundle)))
    for place in sorted(places):
        changed = bytearray(bundle)
        changed[place] ^= 1 << random.randrange(8)
        assert broken(bytes(changed)), f"byte {place}"


@pytest.mark.parametrize("name", ["manifest.json", "studies.csv", "journal.jsonl", "report.pdf", "verify_bundle.py"])
def test_a_changed_member_of_an_unpacked_bundle_is_found_and_named(name: str, unpacked: Path) -> None:
    raw = (unpacked / name).read_bytes()
    try:
        (unpacked / name).write_bytes(raw.replace(b"e", b"f", 1) if name != "verify_bundle.py" else raw + b"\n# x\n")
        told = run(unpacked / "verify_bundle.py", unpacked, "--public-key", PUBLIC.hex())
    finally:
        (unpacked / name).write_bytes(raw)
    assert told.returncode in (1, 2)
    if name != "manifest.json":
        assert f"BAD  {name} is unchanged" in told.stdout


def test_members_added_left_out_or_swapped_are_found(bundle: bytes) -> None:
    members: Members = verify_bundle.read_archive(bundle)
    for other in (
        [*members, ("extra.txt", b"x")],
        members[:-1],
        [*members[:2], *reversed(members[2:])],
        members[1:],
        [*members, members[-1]],
    ):
        assert broken(bytes(verify_bundle.archive_bytes(other)))


def test_another_key_than_the_sites_is_found_when_the_sites_key_is_given(bundle: bytes) -> None:
    forged = resealed(bundle, lambda members: None, SigningKey.generate())
    assert broken(forged, None) == []
    assert broken(forged)[0] == "the key in the bundle is the key you gave"
    assert broken(bundle, SigningKey.generate().verify_key.raw)


def test_figures_that_do_not_add_up_are_found_though_signed(bundle: bytes) -> None:
    def call_it_confirmed(members: dict[str, bytes]) -> None:
        members["studies.csv"] = members["studies.csv"].replace(b"differs,pixels", b"confirmed,pixels")
        manifest = json.loads(members["manifest.json"])
        manifest["totals"]["outcomes"] |= {"confirmed": 22}
        del manifest["totals"]["outcomes"]["differs"]
        members["manifest.json"] = json.dumps(manifest).encode()

    assert broken(resealed(bundle, call_it_confirmed)) == ["every study called confirmed reached level attributes"]

    def drop_a_study(members: dict[str, bytes]) -> None:
        members["studies.csv"] = members["studies.csv"].rsplit(b"\r\n", 2)[0] + b"\r\n"

    assert "the totals are the sums of the studies" in broken(resealed(bundle, drop_a_study))

    def claim_all(members: dict[str, bytes]) -> None:
        members["manifest.json"] = members["manifest.json"].replace(b'"all_confirmed":false', b'"all_confirmed":true')

    assert broken(resealed(bundle, claim_all)) == ["21 of 24 studies are confirmed"]

    def lose_a_pack(members: dict[str, bytes]) -> None:
        members["packs.csv"] = members["packs.csv"].rsplit(b"\r\n", 2)[0] + b"\r\n"

    assert broken(resealed(bundle, lose_a_pack)) == ["the packs add up"]


def test_a_journal_line_that_was_changed_is_found_though_signed(bundle: bytes) -> None:
    def reword(members: dict[str, bytes]) -> None:
        members["journal.jsonl"] = members["journal.jsonl"].replace(b"R1", b"R2")

    assert broken(resealed(bundle, reword)) == ["2 of 3 journal entries are shown and hash to their place in the chain"]

    def part(members: dict[str, bytes]) -> None:
        lines = [json.loads(line) for line in members["journal.jsonl"].splitlines()]
        lines[1]["previous"] = "00" * 32
        members["journal.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    assert broken(resealed(bundle, part)) == ["2 neighbouring journal entries are chained to each other"]


def test_a_gap_in_the_excerpt_is_no_damage() -> None:
    excerpt = journal(["recovery-started", "pack-sealed", "recovery-finished"])
    assert broken(write(replace(record(), journal=[excerpt[0], excerpt[2]]))) == []


def test_no_study_is_named_unless_that_was_asked_for(bundle: bytes) -> None:
    for name, data in verify_bundle.read_archive(bundle):
        assert STUDY_ROOT.encode() not in data, name
    told = dict(verify_bundle.read_archive(bundle))
    assert [json.loads(line)["line"] is None for line in told["journal.jsonl"].splitlines()] == [False, True, False]
    named = write(record(), with_identity=True)
    assert broken(named) == []
    members = dict(verify_bundle.read_archive(named))
    assert all(STUDY_ROOT.encode() in members[name] for name in ("studies.csv", "journal.jsonl", "report.html"))


def test_whoever_knows_a_study_uid_finds_what_became_of_it(bundle: bytes, unpacked: Path) -> None:
    told = run(unpacked / "verify_bundle.py", unpacked, "--study", f"{STUDY_ROOT}4")
    assert '"outcome": "differs"' in told.stdout
    assert '"why": "equal-only-at-pixels"' in told.stdout
    assert "not part of the bundle" in run(unpacked / "verify_bundle.py", unpacked, "--study", "1.2.3").stdout
    row = verify_bundle.study_row(verify_bundle.read_archive(bundle), f"{STUDY_ROOT}4")
    assert row["study"] == verify_bundle.pseudonym("R1", f"{STUDY_ROOT}4")


def test_the_manifest_keeps_transfer_confirmation_and_recovery_time_apart(bundle: bytes) -> None:
    manifest = json.loads(dict(verify_bundle.read_archive(bundle))["manifest.json"])
    times = manifest["times"]
    assert (times["transfer_seconds"], times["confirmed_seconds"]) == (93.0, 98.0)
    assert times["rto_seconds"] == 5 * 3600 + 12 * 60 + 101
    assert manifest["totals"]["outcomes"] == {"confirmed": 21, "differs": 1, "failed": 1, "withheld": 1}
    assert replace(record().times, broke_at=None).recovery_time is None


def test_an_unsettled_study_keeps_a_recovery_from_being_confirmed() -> None:
    assert all_confirmed(record(troubled=False))
    assert not all_confirmed(replace(record(), studies=[study(0), study(1, outcome=Outcome.OPEN, level="")]))


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_garbage_is_not_a_bundle_and_breaks_nothing(data: bytes) -> None:
    assert broken(data)


@given(st.data())
@settings(max_examples=40)
def test_a_signed_manifest_of_any_shape_breaks_nothing(bundle: bytes, data: st.DataObject) -> None:
    members = dict(verify_bundle.read_archive(bundle))
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
    manifest = json.loads(members["manifest.json"])
    if data.draw(st.booleans()):
        manifest[data.draw(st.sampled_from(sorted(manifest)))] = data.draw(json_values)
    else:
        manifest = data.draw(json_values)
    members["manifest.json"] = json.dumps(manifest).encode()
    members["signature.json"] = json.dumps(
        json.loads(members["signature.json"]) | {"signature": KEY.sign(members["manifest.json"]).hex()},
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    check_bundle(bytes(verify_bundle.archive_bytes(list(members.items()))), PUBLIC)


def test_a_manifest_nested_without_end_is_refused(bundle: bytes) -> None:
    members = dict(verify_bundle.read_archive(bundle)) | {"manifest.json": b"[" * 200_000}
    assert broken(bytes(verify_bundle.archive_bytes(list(members.items()))))


def test_a_truncated_bundle_is_refused_wherever_it_was_cut(bundle: bytes) -> None:
    for size in range(0, len(bundle), len(bundle) // 40):
        assert broken(bundle[:size])
    assert broken(bundle + b"\0")


def test_something_else_than_a_bundle_is_a_usage_error(tmp_path: Path) -> None:
    program = Path(verify_bundle.__file__)
    assert run(program, tmp_path / "absent.zip").returncode == 2
    assert run(program, tmp_path).returncode == 2
    assert run(program, tmp_path, "--public-key", "no key").returncode == 2
    (tmp_path / "x.zip").write_bytes(b"PK")
    assert run(program, tmp_path / "x.zip").returncode == 1


@pytest.mark.parametrize(
    ("public_key", "signature", "message"),
    [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b",
            "",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00",
            "72",
        ),
    ],
)
def test_the_offline_signature_check_agrees_with_the_standards_vectors(
    public_key: str, signature: str, message: str
) -> None:
    key, signed, said = bytes.fromhex(public_key), bytes.fromhex(signature), bytes.fromhex(message)
    assert verify_bundle.ed25519_holds(key, signed, said)
    assert not verify_bundle.ed25519_holds(key, signed, said + b"x")
    # The same signature with the group order added to its scalar is another text and must not hold.
    scalar = int.from_bytes(signed[32:], "little") + verify_bundle.ORDER
    assert not verify_bundle.ed25519_holds(key, signed[:32] + scalar.to_bytes(32, "little"), said)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.integers(0, 96 * 8 - 1))
@settings(max_examples=15)
def test_the_offline_signature_check_agrees_with_the_library(seed: bytes, message: bytes, bit: int) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    both = bytearray(secret.public_key().public_bytes_raw() + secret.sign(message))
    assert verify_bundle.ed25519_holds(bytes(both[:32]), bytes(both[32:]), message)
    both[bit // 8] ^= 1 << bit % 8
    assert not verify_bundle.ed25519_holds(bytes(both[:32]), bytes(both[32:]), message)


@pytest.mark.parametrize("point", [b"\xff" * 32, b"\0" * 31, b"\x02" + b"\0" * 31, b"\x01" + b"\0" * 30 + b"\x80"])
def test_what_is_no_point_of_the_curve_is_no_key(point: bytes) -> None:
    assert not verify_bundle.ed25519_holds(point, b"\0" * 64, b"")
