"""AE titles of the PACS and the RIS that we answer to while they are away: what modalities call stays what it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from safelight.core.errors import UsageError
from safelight.core.names import AETitle
from safelight.downtime.outage import Scope
from safelight.downtime.phase import IN_SERVICE, Phase

ALWAYS: Final = "always"


class BadAlias(UsageError):
    """An alias is written as SCOPE TITLE, or SCOPE TITLE always."""

    code: ClassVar[str] = "downtime.bad-alias"
    hint: ClassVar[str] = 'For example: aliases = ["pacs PACS1", "ris RISWL always"] under [gateway.dicom].'


@dataclass(frozen=True, slots=True)
class Alias:
    """One AE title that belongs to another system."""

    scope: Scope
    title: AETitle
    always: bool = False
    """We answer to it also while that system works: for those who send everything to both."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SCOPE TITLE`` or ``SCOPE TITLE always``; a title may have spaces in it.

        Raises:
            BadAlias, BadAETitle: it is none.
        """
        scope, _, rest = text.strip().partition(" ")
        title, _, last = rest.strip().rpartition(" ")
        always = bool(title) and last == ALWAYS
        if scope not in list(Scope) or not rest.strip():
            raise BadAlias(scope=scope[:32])
        return cls(Scope(scope), AETitle.parse(title if always else rest), always)

    def is_active(self, phases: Mapping[Scope, Phase]) -> bool:
        """Say whether we answer to it: its system is not in service, or everything is not."""
        away = (phases[scope] not in IN_SERVICE for scope in (self.scope, Scope.EVERYTHING))
        return self.always or any(away)
