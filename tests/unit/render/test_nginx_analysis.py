"""gixy finds nothing in the nginx site but what is explained here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from altpeter_matrix.host.facts import HostFacts

from ..samples import DEBIAN_12, DEBIAN_13, DELEGATED, WIKI
from .rendered_site import site

# What gixy says of the site as it is meant to be, and why it is.
EXPLAINED = {
    # Another site may be the default: two of them on a port are an error that stops nginx. Our
    # first block takes what no other takes.
    "default_server_flag": 4,
    # The variable holds one of our two upstreams, never a name to resolve.
    "stale_dns_cache": 1,
    # One stat for requests that are not Matrix's; a cache would serve what a generation was.
    "try_files_is_evil_too": 1,
    # The number of processes is said in nginx.conf, which gixy is not shown.
    "missing_worker_processes": 1,
}


@pytest.mark.parametrize("host", [DEBIAN_12, DEBIAN_13])
@pytest.mark.parametrize("text", [DELEGATED, WIKI])
def test_gixy_finds_only_what_is_explained(tmp_path: Path, host: HostFacts, text: str) -> None:
    configuration = tmp_path / "nginx.conf"
    rendered = site(text, nginx_version=host.nginx_version, openssl_version=host.openssl_version)
    configuration.write_text(f"events {{}}\nhttp {{\n{rendered}\n}}\n")
    # Named only where OpenSSL has it, and written anew when OpenSSL changes.
    modern = {"ssl_ecdh_curve": 1} if host is DEBIAN_13 else {}
    assert findings(configuration) == {**EXPLAINED, **modern}


def test_gixy_would_find_a_way_to_split_headers(tmp_path: Path) -> None:
    """So that the test above can fail."""
    configuration = tmp_path / "nginx.conf"
    location = "location ~ /v1/((?<action>[^.]*)\\.json)?$ { add_header X-Action $action; }"
    configuration.write_text(f"events {{}} http {{ server {{ listen 80; {location} }} }}")
    assert "http_splitting" in findings(configuration)


def findings(configuration: Path) -> dict[str, int]:
    """How often gixy says what."""
    gixy = Path(sys.executable).with_name("gixy")
    argv = [str(gixy), "-f", "json", str(configuration)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    found: dict[str, int] = {}
    for finding in json.loads(result.stdout):
        found[finding["plugin"]] = found.get(finding["plugin"], 0) + 1
    return found
