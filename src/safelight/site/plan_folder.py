"""A plan's folder: its YAML files, the signatures beside them, the rules of the site, and what was signed before."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Final

from safelight.core.disk import Disk, RealDisk
from safelight.core.errors import IntegrityError, StateError, UsageError
from safelight.core.signing import BadSigningKey
from safelight.findings.rule import SiteRules, site_rules
from safelight.plan.model import Plan
from safelight.plan.reading import Read, read_plan
from safelight.plan.schema import schema
from safelight.plan.signature import Signature
from safelight.plan.source import Limits

SIGNATURES: Final = "signatures.json"
SIGNED: Final = "signed"
RULES: Final = "rules"


class NoPlan(UsageError):
    """There is no plan in this folder."""

    code: ClassVar[str] = "site.no-plan"
    hint: ClassVar[str] = "Name a folder with YAML files, or begin one: safelight plan init FOLDER --from 400-bed"


class PlanExists(StateError):
    """Something lies there already; nothing was written."""

    code: ClassVar[str] = "site.plan-exists"
    hint: ClassVar[str] = "Name a folder that is empty or does not exist."


class NeverSigned(StateError):
    """Nobody has signed this plan yet, so there is nothing to compare it with."""

    code: ClassVar[str] = "site.plan-never-signed"
    hint: ClassVar[str] = "Name a second folder: safelight plan diff FOLDER OTHER"


class VersionNeverSigned(StateError):
    """Nobody signed this version of the plan, so it is not kept."""

    code: ClassVar[str] = "site.plan-version-never-signed"
    hint: ClassVar[str] = "Name one of `signed`, or another folder: safelight plan diff FOLDER OTHER"


class BadSignatureFile(IntegrityError):
    """The file of signatures cannot be read."""

    code: ClassVar[str] = "site.bad-signature-file"
    hint: ClassVar[str] = "Restore signatures.json from a copy; without it, both sides sign again."


@dataclass(frozen=True, slots=True)
class PlanFolder:
    """One plan on disk."""

    path: Path
    disk: Disk = field(default_factory=RealDisk, compare=False)

    def texts(self) -> dict[str, str]:
        """Return the text of each file of the plan.

        Raises:
            NoPlan: there is none.
        """
        found = sorted([*self.path.glob("*.yaml"), *self.path.glob("*.yml")])
        if not found:
            raise NoPlan(folder=str(self.path))
        return {one.name: text_of(one, Limits()) for one in found}

    def read(self) -> Read:
        """Read the plan."""
        return read_plan(self.texts())

    def signatures(self) -> tuple[Signature, ...]:
        """Return what was signed so far.

        Raises:
            BadSignatureFile: the file is not what we wrote.
        """
        file = self.path / SIGNATURES
        if not file.exists():
            return ()
        try:
            return tuple(Signature.load(one) for one in json.loads(file.read_text("utf-8"))["signatures"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadSignatureFile(file=str(file), trouble=f"{type(error).__name__}: {error}") from error

    def last_signature(self, version: str | None = None) -> Signature:
        """Return the last signature, of this version if one is named.

        Raises:
            NeverSigned: there is none at all.
            VersionNeverSigned: there is none of this version.
        """
        signatures = self.signatures()
        if not signatures:
            raise NeverSigned(folder=str(self.path))
        found = [one for one in signatures if version in (None, one.version)]
        if not found:
            signed = dict.fromkeys(one.version for one in signatures)
            raise VersionNeverSigned(version=version, signed=", ".join(signed))
        return found[-1]

    def add_signature(self, signature: Signature, parts: Mapping[str, Any]) -> None:
        """Keep what was signed, then the signature."""
        before = self.signatures()
        (self.path / SIGNED).mkdir(exist_ok=True)
        _replace(self.disk, self._signed_file(signature), dict(parts))
        told = {"signatures": [one.document() for one in (*before, signature)]}
        _replace(self.disk, self.path / SIGNATURES, told)

    def signed_parts(self, signature: Signature) -> dict[str, Any]:
        """Return the plan as it was when somebody signed it.

        Raises:
            BadSignatureFile: what was signed is not kept.
        """
        file = self._signed_file(signature)
        try:
            return dict(json.loads(file.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise BadSignatureFile(file=str(file), trouble=type(error).__name__) from error

    def keeps(self, signature: Signature) -> bool:
        """Return whether the plan as it was when somebody signed it still lies here."""
        return self._signed_file(signature).is_file()

    def _signed_file(self, signature: Signature) -> Path:
        return self.path / SIGNED / f"{signature.signature[:16]}.json"

    def check_with(self, text: str) -> None:
        """Read the plan as it would be with one more file.

        Raises:
            BadPlan: it would not be sound.
        """
        read_plan({**self.texts(), "new.yaml": text})

    def add_file(self, name: str, text: str) -> str:
        """Write one more file of the plan, and return its name; nothing that lies there is written over.

        Raises:
            BadPlan: the plan would not be sound with it.
        """
        self.check_with(text)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "added"
        taken = {one.name for one in self.path.iterdir()}
        number = next(n for n in range(1, len(taken) + 2) if _numbered(stem, n) not in taken)
        file = self.path / _numbered(stem, number)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(f"# yaml-language-server: $schema=plan.schema.json\n{text}")
            stream.flush()
            self.disk.sync(stream.fileno())
        self.disk.sync_directory(self.path)
        return file.name

    def rules(self) -> SiteRules:
        """Return the rules that the site added, and what of them cannot be used."""
        found = sorted((self.path / RULES).glob("*.toml"))
        return site_rules({f"{RULES}/{file.name}": file.read_bytes() for file in found})


def text_of(file: Path, limits: Limits) -> str:
    """Return the text of a file for `safelight.plan.source.compose`, which refuses what is no UTF-8 or too long."""
    with file.open("rb") as stream:
        # One byte more than is allowed is enough to refuse it.
        return stream.read(limits.file_bytes_max + 1).decode("utf-8-sig", "surrogateescape")


def example_texts(name: str, today: date) -> dict[str, str]:
    """Return a plan that ships with Safelight, with its days counted from today."""
    folder = files("safelight.plan") / "examples" / name
    return {one.name: _dated(one.read_text("utf-8"), today) for one in folder.iterdir() if one.name.endswith(".yaml")}


def example_beside(name: str) -> dict[str, str]:
    """Return what lies beside an example in folders of its own: a department to simulate, where it has one."""
    folder = files("safelight.plan") / "examples" / name / "impact"
    return {f"impact/{one.name}": one.read_text("utf-8") for one in folder.iterdir()} if folder.is_dir() else {}


def refuse_if_taken(path: Path) -> None:
    """Return when a plan may be written to this folder.

    Raises:
        PlanExists: something lies there.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise PlanExists(folder=str(path))


def read_key(file: Path) -> bytes:
    """Return the bytes of a signer's secret key.

    Raises:
        BadSigningKey: the file holds none.
    """
    try:
        return bytes.fromhex(file.read_text("ascii").strip())
    except ValueError as error:
        raise BadSigningKey(file=str(file)) from error


def write_plan(path: Path, texts: Mapping[str, str]) -> None:
    """Write a new plan, with its schema beside it.

    Raises:
        PlanExists: the folder is not empty.
    """
    refuse_if_taken(path)
    path.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text, "utf-8")
    _replace(RealDisk(), path / "plan.schema.json", schema())


def example_plan(name: str, today: date) -> Plan:
    """Return a plan that ships with Safelight, read."""
    return read_plan(example_texts(name, today)).plan


def _numbered(stem: str, number: int) -> str:
    return f"{stem}.yaml" if number == 1 else f"{stem}-{number}.yaml"


def _dated(text: str, today: date) -> str:
    return re.sub(r"TODAY([+-]\d+)", lambda found: (today + timedelta(days=int(found[1]))).isoformat(), text)


def _replace(disk: Disk, file: Path, document: Mapping[str, Any]) -> None:
    # Not `write_file`: what lies in a plan's folder is for both sides, and not for the owner alone.
    draft = file.with_name(f"{file.name}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=1, ensure_ascii=True)
        stream.write("\n")
        stream.flush()
        disk.sync(stream.fileno())
    disk.rename(draft, file)
    disk.sync_directory(file.parent)
