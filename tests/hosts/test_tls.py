"""TLS as Mozilla recommends it ("intermediate"), judged by sslyze on a deployed server.

sslyze knows an earlier edition of the guideline than the one we follow (docs/architecture.md); the
later one only takes away.
"""

import pytest
from sslyze import (
    CertificateInfoExtraArgument,
    ScanCommandsExtraArguments,
    Scanner,
    ServerNetworkConfiguration,
    ServerNetworkLocation,
    ServerScanRequest,
    ServerScanResult,
)
from sslyze.mozilla_tls_profile.tls_config_checker import (
    MozillaTlsConfiguration,
    TlsConfigurationEnum,
    check_server_against_tls_configuration,
)

from tests.hosts.deployments import Deployment

pytestmark = [
    # nassl's OpenSSL is asked for what Python's warns of; a root in sslyze's own list is odd.
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]
INTERMEDIATE = MozillaTlsConfiguration.get(TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
TWO_YEARS = 63072000


def scan(deployment: Deployment, port: int) -> ServerScanResult:
    """All that sslyze can find out; the lab's authority is trusted."""
    scanner = Scanner()
    request = ServerScanRequest(
        server_location=ServerNetworkLocation(
            hostname=deployment.public_name, port=port, ip_address=deployment.host.ipv4
        ),
        network_configuration=ServerNetworkConfiguration(
            tls_server_name_indication=deployment.public_name
        ),
        scan_commands_extra_arguments=ScanCommandsExtraArguments(
            certificate_info=CertificateInfoExtraArgument(custom_ca_file=deployment.ca_file)
        ),
    )
    scanner.queue_scans([request])
    (result,) = scanner.get_results()
    return result


@pytest.mark.parametrize("port", [443, 8448])
def test_it_is_mozillas_intermediate_profile(deployment: Deployment, port: int) -> None:
    """Raises with each issue: versions, ciphers, curves, the certificate, known holes."""
    found = scan(deployment, port)
    check_server_against_tls_configuration(
        server_scan_result=found, tls_config_to_check_against=INTERMEDIATE
    )
    assert found.scan_result is not None
    headers = found.scan_result.http_headers.result
    assert headers is not None
    hsts = headers.strict_transport_security_header
    assert hsts is not None and hsts.max_age == TWO_YEARS
    early = found.scan_result.tls_1_3_early_data.result
    assert early is not None and not early.supports_early_data, "0-RTT can be replayed"
    resumption = found.scan_result.session_resumption.result
    assert resumption is not None
    # A phone reconnects often: its session must be found again whichever server block it began in.
    assert resumption.session_id_successful_resumptions_count > 0
