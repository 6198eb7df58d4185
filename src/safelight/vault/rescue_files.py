"""What lies in plain beside the packs in every copy of the vault, for whoever has lost Safelight."""

from importlib.resources import files
from typing import Final

NAMES: Final = ("README.txt", "rescue.py")


def rescue_files() -> dict[str, bytes]:
    """Return the files by name: the format in words, and a program that recovers with Debian's own tools."""
    return {name: files("safelight.vault").joinpath(name).read_bytes() for name in NAMES}
