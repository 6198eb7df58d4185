"""What can be wrong with a catalog. It can always be rebuilt from vault and journal."""

from typing import ClassVar

from safelight.core.errors import IntegrityError, StateError, UsageError


class CatalogMissing(IntegrityError):
    """There is no catalog in this home."""

    code: ClassVar[str] = "catalog.missing"
    hint: ClassVar[str] = "Nothing held is lost. Run: safelight catalog rebuild."


class CatalogDamaged(IntegrityError):
    """The catalog's file cannot be read as one."""

    code: ClassVar[str] = "catalog.damaged"
    hint: ClassVar[str] = "Nothing held is lost. Run: safelight catalog rebuild."


class CatalogThere(StateError):
    """A catalog is there already, and is never made anew over it."""

    code: ClassVar[str] = "catalog.there"
    hint: ClassVar[str] = "Move catalog.db and its -wal and -shm files aside first."


class PackUnknown(StateError):
    """No pack of that name was recorded."""

    code: ClassVar[str] = "catalog.pack-unknown"
    hint: ClassVar[str] = "Record the pack first, or rebuild the catalog: safelight catalog rebuild."


class BadSearch(UsageError):
    """A search asks for what cannot be: a limit below one, a date that is none."""

    code: ClassVar[str] = "catalog.bad-search"
    hint: ClassVar[str] = "Write dates as YYYYMMDD or YYYY-MM-DD and limits as 1 or more."
