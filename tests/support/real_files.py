"""The real and malformed DICOM files that come with the pydicom and pydicom-data packages."""

from functools import cache
from pathlib import Path

import data_store
import pydicom

_ROOTS = (
    Path(pydicom.__file__).parent / "data" / "test_files",
    Path(pydicom.__file__).parent / "data" / "charset_files",
    Path(data_store.__file__).parent / "data",
)


@cache
def all_files() -> tuple[Path, ...]:
    """Every file, DICOM or not, in a fixed order."""
    return tuple(sorted(path for root in _ROOTS for path in root.rglob("*") if path.is_file()))


def real_file(name: str) -> Path:
    """The one file of that name."""
    (path,) = [path for path in all_files() if path.name == name]
    return path
