"""DICOMweb beyond this machine: programs that people use, over TLS and with an account."""

import subprocess
from collections.abc import Iterator
from io import BytesIO

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session_from_user_pass
from requests.exceptions import HTTPError

from support.console_house import PASSWORD, ConsoleHouse, console_house
from support.dicom_files import image
from support.web_house import WebHouse

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleHouse]:
    with console_house(tmp_path_factory.mktemp("dicomweb")) as house:
        WebHouse(house.site, house.port).land([image(1, 1, 1)])
        house.site.arrivals.settle()
        yield house


def client(house: ConsoleHouse, account: str, password: str = PASSWORD) -> DICOMwebClient:
    session = create_session_from_user_pass(account, password)
    session.verify = str(house.site.home.keys / "console.crt")
    # Else what the machine says of authorities would go before.
    session.trust_env = False
    return DICOMwebClient(f"https://localhost:{house.port}/dicomweb", session=session)


def test_dicomweb_client_finds_retrieves_and_stores_with_an_account(house: ConsoleHouse) -> None:
    viewer = client(house, "viewer")
    (found,) = viewer.search_for_studies(fields=["00081190"])
    assert found["00081190"]["Value"][0].startswith(f"https://localhost:{house.port}/dicomweb/studies/")
    (instance,) = viewer.retrieve_study(found["0020000D"]["Value"][0])
    assert instance.PatientID == "P01"
    other = pydicom.dcmread(BytesIO(image(2, 1, 1)))
    with pytest.raises(HTTPError, match="403"):
        viewer.store_instances([other])
    stored = client(house, "technologist").store_instances([other])
    assert stored.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == other.SOPInstanceUID
    with pytest.raises(HTTPError, match="401"):
        client(house, "viewer", "not the password").search_for_studies()


def test_curl_speaks_both_versions_of_http_and_trusts_the_certificate_alone(house: ConsoleHouse) -> None:
    certificate, address = house.site.home.keys / "console.crt", f"https://localhost:{house.port}/dicomweb/studies"
    for version in ("--http1.1", "--http2"):
        curl = ["curl", "-sS", "--fail", version, "--user", f"viewer:{PASSWORD}", address]
        assert b"P01" in subprocess.run([*curl, "--cacert", str(certificate)], check=True, capture_output=True).stdout
        # 60: the certificate is signed by nobody whom this machine knows.
        assert subprocess.run(curl, check=False, capture_output=True).returncode == 60
