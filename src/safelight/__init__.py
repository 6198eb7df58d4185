"""Safelight: disaster recovery for a PACS, from the proven copy to the signed evidence."""

from typing import Final

VERSION: Final = "0.1.0"
