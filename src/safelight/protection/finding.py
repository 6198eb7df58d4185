"""What protection tells people about: a code, a subject, and facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from safelight.core.errors import FactValue


class FindingCode(StrEnum):
    """Every finding that protection raises; the value is the code that people see."""

    SOURCE_UNKNOWN = "protection.source-unknown"
    CENSUS_MISSING = "protection.census-missing"
    CENSUS_STALE = "protection.census-stale"
    CENSUS_INCOMPLETE = "protection.census-incomplete"
    FEED_SILENT = "protection.feed-silent"
    CLOCK_JUMPED = "protection.clock-jumped"
    VERSION_CONFLICT = "protection.version-conflict"
    MASS_CHANGE = "protection.mass-change"
    MASS_DELETION = "protection.mass-deletion"
    PULL_UNFINISHED = "protection.pull-unfinished"
    SCRUB_BEHIND = "protection.scrub-behind"


HINTS: Final[Mapping[FindingCode, str]] = {
    FindingCode.SOURCE_UNKNOWN: "Set protection.source in safelight.toml, then run: safelight protection census.",
    FindingCode.CENSUS_MISSING: "Run: safelight protection census. Until then nobody knows what the source holds.",
    FindingCode.CENSUS_STALE: "Run: safelight protection census. Let a timer do so daily: it asks only what changed.",
    FindingCode.CENSUS_INCOMPLETE: "Read which ranges are unknown; ask the source's owner to raise its row limit.",
    FindingCode.FEED_SILENT: "Ask the owner of the feed whether it still sends; a quiet department is no proof.",
    FindingCode.CLOCK_JUMPED: "Compare this machine's clock with the hospital's time server before you trust any age.",
    FindingCode.VERSION_CONFLICT: "All are kept; a recovery sends the first. Compare: safelight vault export --study",
    FindingCode.MASS_CHANGE: "Treat as ransomware or a runaway job until disproved; nothing held expires meanwhile.",
    FindingCode.MASS_DELETION: "Ask the source's owner at once who deleted; nothing held expires meanwhile.",
    FindingCode.PULL_UNFINISHED: "The source claims instances it did not deliver: look at its log for this study.",
    FindingCode.SCRUB_BEHIND: "Run: safelight protection verify; see that serve runs, which looks at copies by itself.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person must look at. Facts are identifiers and counts, never names of patients."""

    code: FindingCode
    subject: str
    facts: Mapping[str, FactValue] = field(default_factory=dict)

    @property
    def hint(self) -> str:
        """What to do first."""
        return HINTS[self.code]
