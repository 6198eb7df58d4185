"""Published durations, for where a site counted too few of its own: figure and source, each labelled as fallback."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from safelight.impact.department import Duration

READING: Final[Mapping[str, Duration]] = MappingProxyType(
    {
        "CT": Duration(16.6, 0.6, "published fallback: mean of CT, Sexauer 2022; variation assumed"),
        "MR": Duration(
            14.0, 0.6, "published fallback: brain MR, attending 11 and resident 16, Al Yassin; rest assumed"
        ),
        "MG": Duration(4.0, 0.5, "published fallback: digital screening, MDACC; variation assumed"),
    }
)
"""Of other modalities, and of how long exams take, we know no figure that may be given without the site's own."""
