"""Which requests nginx hands on to Synapse, in what form, and which of them it sends again."""

import re

import pytest

from ..samples import DELEGATED
from .rendered_site import allowed_paths, locations, matched, site


def test_synapse_sees_every_path_as_it_was_sent() -> None:
    """A URI in proxy_pass, or a rewrite, would decode it and break other servers' signatures."""
    hold = "http://altpeter_matrix_waiting/"
    targets = set(re.findall(r"proxy_pass (.*);", site())) - {hold}
    assert targets == {"http://$altpeter_matrix_upstream"}
    assert "rewrite" not in site()
    assert site(DELEGATED + "listener: {port: 8118}").count("server 127.0.0.1:8118;") == 2


def test_every_way_to_synapse_looks_at_the_path_as_it_was_sent() -> None:
    forwarding = {m: body for m, body in locations(site()).items() if "proxy_pass" in body}
    # Reached from one of the two only.
    inner = {f"@altpeter_matrix_{name}" for name in ("bodiless", "hold", "hold_bodiless")}
    inner.add("= /altpeter-matrix-hold")
    assert set(forwarding) == {"/_matrix/", "/_synapse/client/"} | inner
    for match in forwarding.keys() - inner:
        assert "if ($altpeter_matrix_path_allowed = 0)" in forwarding[match]
    # Nobody reaches it but by an error in one of the two.
    assert "internal;" in forwarding["= /altpeter-matrix-hold"]


@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        ("GET /_matrix/client/v3/sync?timeout=30000", "read"),
        ("HEAD /_matrix/client/versions", "read"),
        ("OPTIONS /_matrix/client/v3/login", "read"),
        ("POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos=1", "read"),
        ("POST /_matrix/client/v3/login", "write"),
        ("POST /_matrix/client/v3/x?/org.matrix.simplified_msc3575/sync", "write"),
        ("PUT /_matrix/federation/v1/send/1", "write"),
        ("PATCH /_matrix/x", "write"),
        ("GETX /_matrix/x", "write"),
    ],
)
def test_what_only_reads_is_told_from_what_writes(request_line: str, kind: str) -> None:
    found = matched("$request_method", request_line.split(maxsplit=1)[0])
    if found == "$altpeter_matrix_changing":
        found = matched('"$request_method $request_uri"', request_line)
    assert found == f"altpeter_matrix_{kind}"


@pytest.mark.parametrize(
    ("attempts", "repeatable"),
    [
        ("read GET 120", "1"),
        ("read POST 0 : 300", "1"),
        ("write PUT 400", "1"),
        ("write POST ", "1"),
        ("write POST 0", "1"),
        ("write POST 0 : 0", "1"),
        ("write POST 210", "0"),
        ("write POST 0 : 210", "0"),
        ("write PATCH 1", "0"),
    ],
)
def test_what_may_have_taken_effect_is_sent_again_only_when_idempotent(
    attempts: str, repeatable: str
) -> None:
    source = '"$altpeter_matrix_upstream $request_method $upstream_bytes_sent"'
    assert matched(source, f"altpeter_matrix_{attempts}") == repeatable


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/_matrix/client/versions", True),
        ("/_matrix/client/v3/directory/room/%23a%2Fb:example.org", True),
        ("/_synapse/client/oidc/callback?code=x", True),
        ("/_synapse/admin/v1/users", False),
        ("/_synapse/metrics/../../_matrix/x", False),
        ("/_synapse/admin/v1/rooms/%2e%2e%2f%2e%2e%2f_matrix%2fx", False),
        ("//_matrix/client/versions", False),
        ("/./_matrix/client/versions", False),
        ("/%5fmatrix/client/versions", False),
        ("/health", False),
        ("/x?/_matrix/", False),
    ],
)
def test_the_map_admits_only_public_paths(path: str, allowed: bool) -> None:
    block = allowed_paths()
    patterns = re.findall(r'"~(.*?)" 1;', block)
    assert "default 0;" in block
    assert any(re.search(pattern, path) for pattern in patterns) is allowed


def test_the_client_cannot_choose_its_own_address() -> None:
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in site()
    assert "$proxy_add_x_forwarded_for" not in site()
    # As a condition, never as a value.
    condition = 'map "$status $http_host $host" $altpeter_matrix_named {'
    assert re.findall(r".*\$http_host.*", site()) == [condition]
