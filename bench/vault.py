"""Keeping: size, backup, restore and verify beside restic and borg, on the same files in the same run.

Every backup and restore ends with a flush of the target's file system inside the measured time. Safelight seeds from
the folder, exports everything again, and verifies without a key (shallow) and with decoding (deep); restic and borg
have one command for both.
"""

import filecmp
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from bench import corpus
from bench.corpus import Corpus
from bench.figures import MB, CommandFailed, Cost, Figure, Series, folder_bytes, run
from bench.peers import SAFELIGHT, environment, make_home, safelight_status, version_of
from safelight.site.rehearsal.ports import free_port

PART = "vault"
PEERS = Path(".build/peers").absolute()


def restic_program() -> str:
    """Return the newest restic that was fetched, else the installed one."""
    return str(PEERS / "restic") if (PEERS / "restic").exists() else "/usr/bin/restic"


def borg_program() -> str:
    """Return the newest borg that was built, else the installed one."""
    return str(PEERS / "borg/bin/borg") if (PEERS / "borg/bin/borg").exists() else "/usr/bin/borg"


def versions() -> dict[str, str]:
    """Return which restic and borg are measured."""
    return {
        "restic": version_of([restic_program(), "version"], r"restic (\S+)"),
        "borg": version_of([borg_program(), "--version"], r"borg (\S+)"),
    }


class NotRestored(Exception):
    """What came back is not what was kept: every other figure is worthless."""


def require_same_files(source: Path, restored: Path) -> None:
    """Compare two trees byte for byte.

    Raises:
        NotRestored: a file is missing or differs.
    """
    for file in source.rglob("*"):
        if file.is_file() and not filecmp.cmp(file, restored / file.relative_to(source), shallow=False):
            raise NotRestored(str(file))


def require_same_content(source: Path, restored: Path) -> None:
    """Compare two sets of files by digest, whatever their names.

    Raises:
        NotRestored: some content is missing.
    """

    def digests(folder: Path) -> set[str]:
        return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}

    missing = digests(source) - digests(restored)
    if missing:
        raise NotRestored(f"{len(missing)} files did not come back")


def _timed(series: Series, measure: str, size: int, cost: Cost) -> None:
    series.add(measure, "MB/s", size / MB / cost.seconds)
    if measure == "backup":
        series.add("backup CPU", "s/GB", cost.cpu_seconds / (size / 1e9))
        series.add("backup memory", "MB", cost.peak_bytes / MB)


def _restic(images: Corpus, place: Path, series: Series) -> None:
    program, repository, out = restic_program(), place / "repository", place / "out"
    env = {
        **environment(tuned=False),
        "RESTIC_PASSWORD": "bench",
        "RESTIC_REPOSITORY": str(repository),
        "RESTIC_CACHE_DIR": str(place / "cache"),
    }
    run([program, "init", "-q"], env=env)
    _timed(series, "backup", images.size, run([program, "backup", "-q", "."], env=env, cwd=images.folder, sync=place))
    series.add("size", "MB", folder_bytes(repository) / MB)
    out.mkdir()
    _timed(
        series, "restore", images.size, run([program, "restore", "-q", "latest", "--target", out], env=env, sync=place)
    )
    require_same_files(images.folder, out)
    check = run([program, "check", "-q", "--read-data"], env=env)
    _timed(series, "verify, all read", images.size, check)
    _timed(series, "verify, decoded", images.size, check)


def _borg(images: Corpus, place: Path, series: Series) -> None:
    program, repository, out = borg_program(), place / "repository", place / "out"
    env = {
        **environment(tuned=False),
        "BORG_PASSPHRASE": "bench",
        "BORG_REPO": str(repository),
        "BORG_BASE_DIR": str(place / "base"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
    run([program, "init", "-e", "repokey-blake2"], env=env)
    create = [program, "create", "--compression", "zstd,3", "::one", "."]
    _timed(series, "backup", images.size, run(create, env=env, cwd=images.folder, sync=place))
    series.add("size", "MB", folder_bytes(repository) / MB)
    out.mkdir()
    _timed(series, "restore", images.size, run([program, "extract", "::one"], env=env, cwd=out, sync=place))
    require_same_files(images.folder, out)
    check = run([program, "check", "--verify-data"], env=env)
    _timed(series, "verify, all read", images.size, check)
    _timed(series, "verify, decoded", images.size, check)


def _safelight(images: Corpus, place: Path, series: Series) -> None:
    home, out = place / "home", place / "out"
    env = environment(tuned=False)
    make_home(home, free_port())

    def command(*arguments: str | Path) -> list[str | Path]:
        return [SAFELIGHT, *arguments, "--home", home]

    _timed(series, "backup", images.size, run(command("protection", "seed", images.folder), env=env, sync=place))
    packed = int(str(safelight_status(home)["instances_packed"]))
    if packed < images.instances:
        raise CommandFailed(f"Safelight packed {packed} of {images.instances}")
    series.add("size", "MB", folder_bytes(home / "vault") / MB)
    _timed(series, "restore", images.size, run(command("vault", "export", "--all", "--to", out), env=env, sync=place))
    require_same_content(images.folder, out)
    _timed(series, "verify, all read", images.size, run(command("vault", "verify"), env=env))
    deep = run(command("vault", "verify", "--deep", "--json"), env=env)
    if not json.loads(deep.output[deep.output.index("{") :])["whole"]:
        raise NotRestored("deep verify")
    _timed(series, "verify, decoded", images.size, deep)


KEEPERS: dict[str, Callable[[Corpus, Path, Series], None]] = {"Safelight": _safelight, "restic": _restic, "borg": _borg}


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Measure each keeper on generated images and, where they are present, on real ones."""
    rounds = 1 if quick else 3
    corpora = {"generated images": corpus.mixed(100 if quick else 600)}
    images = corpus.real()
    if images is not None:
        corpora["real images"] = images
    gathered: dict[tuple[str, str], Series] = {}
    for number in range(rounds):
        for setting, images in corpora.items():
            for name, keeper in KEEPERS.items():
                folder = place / f"{number}-{setting.split()[0]}-{name}"
                folder.mkdir(parents=True)
                keeper(images, folder, gathered.setdefault((setting, name), Series(PART, setting, name)))
                shutil.rmtree(folder)
    os.sync()
    return [figure for series in gathered.values() for figure in series.figures()]
