"""Mass changes and mass deletions are told."""

import pytest

from safelight.protection.finding import FindingCode
from safelight.protection.ransomware import Observed, SignSettings, ransomware_signs

SETTINGS = SignSettings()


@pytest.mark.parametrize(
    ("observed", "codes"),
    [
        (Observed("PACS", arrived=0, conflicts=0), []),
        (Observed("PACS", arrived=1000, conflicts=49), []),
        (Observed("PACS", arrived=1000, conflicts=50), [FindingCode.MASS_CHANGE]),
        (Observed("PACS", arrived=100_000, conflicts=999), []),
        (Observed("PACS", arrived=100_000, conflicts=1000), [FindingCode.MASS_CHANGE]),
        (Observed("PACS", 0, 0, claimed_before=1000, vanished=19), []),
        (Observed("PACS", 0, 0, claimed_before=1000, vanished=20), [FindingCode.MASS_DELETION]),
        (Observed("PACS", 0, 0, claimed_before=100_000, vanished=499), []),
        (Observed("PACS", 0, 0, claimed_before=100_000, vanished=500), [FindingCode.MASS_DELETION]),
        (Observed("PACS", 0, 0, claimed_before=None, vanished=500), []),
        (
            Observed("PACS", 60, 60, claimed_before=30, vanished=30),
            [FindingCode.MASS_CHANGE, FindingCode.MASS_DELETION],
        ),
    ],
)
def test_a_sign_needs_its_number_and_its_share(observed: Observed, codes: list[FindingCode]) -> None:
    assert [finding.code for finding in ransomware_signs([observed], SETTINGS)] == codes


def test_one_source_does_not_hide_another() -> None:
    quiet, bad = Observed("A", 100_000, 60), Observed("B", 100, 60)
    assert [finding.subject for finding in ransomware_signs([quiet, bad], SETTINGS)] == ["B"]
