"""Where the resources of DICOMweb are, as the peer reaches us."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.requests import Request

_PORT: Final = re.compile(r":\d+\Z")
_USUAL_PORTS: Final = (80, 443)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses below one base."""

    base: str

    def instance(self, study: str, series: str, instance: str) -> str:
        """Return the address of an instance."""
        return f"{self.series(study, series)}/instances/{quote(instance, safe='')}"

    def series(self, study: str, series: str) -> str:
        """Return the address of a series."""
        return f"{self.study(study)}/series/{quote(series, safe='')}"

    def study(self, study: str) -> str:
        """Return the address of a study."""
        return f"{self.base}/studies/{quote(study, safe='')}"


def addresses_for(request: Request) -> Addresses:
    """Return the addresses as the peer wrote the one it asked for."""
    host, server = request.headers.get("host", ""), request.scope.get("server")
    if server and not _PORT.search(host) and server[1] not in _USUAL_PORTS:
        # dicomweb-client names the host without its port.
        host = f"{host}:{server[1]}"
    prefix = str(request.scope["path"]).split("/")[1]
    return Addresses(f"{request.url.scheme}://{host}/{prefix}")
