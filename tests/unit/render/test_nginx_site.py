"""The servers of the nginx site: their names, ports, TLS and logs; what nginx itself thinks of
it is asked in tests/package."""

import re
from pathlib import Path

import pytest

from altpeter_matrix.host.facts import Certificate

from ..samples import DEBIAN_12, DEBIAN_13, DELEGATED, WIKI
from .rendered_site import all_servers, listens, matched, names, servers, site


def test_one_server_redirects_and_one_serves() -> None:
    plain, public = servers(site())
    assert listens(plain) == ["80", "[::]:80"]
    assert listens(public) == [
        "443 ssl http2",
        "[::]:443 ssl http2",
        "8448 ssl",
        "[::]:8448 ssl",
    ]


def test_the_first_server_takes_what_names_nobody_and_tells_nothing() -> None:
    """nginx gives it that because it is the first; default_server twice for a port is an error."""
    for text in (site(), site(nginx_version=DEBIAN_13.nginx_version)):
        nobody, plain, public = all_servers(text)
        assert "default_server;" not in text
        assert set(listens(nobody)) == set(listens(plain)) | set(listens(public)[:2])
        assert names(nobody) == ["altpeter_matrix_nobody"]
        assert "ssl_reject_handshake on;" in nobody
        assert "    return 421;\n}" in nobody
        assert "location" not in nobody
        # What a port speaks, and where it keeps its sessions, its first server says.
        for directive in ("ssl_protocols", "ssl_ecdh_curve", "ssl_session_cache"):
            (line,) = re.findall(rf"{directive} .*;", public)
            assert line in nobody


@pytest.mark.parametrize(
    ("status", "host_header", "host", "named"),
    [
        ("000", "matrix.example.org", "matrix.example.org", "1"),
        ("000", "example.org:8448", "example.org", "1"),
        ("000", "EXAMPLE.org.", "example.org", "1"),
        ("000", "", "matrix.example.org", "0"),
        ("009", "", "matrix.example.org", "0"),
        ("000", "evil.org", "evil.org", "0"),
        ("000", "x.example.org", "x.example.org", "0"),
        ("000", "example.org.evil.org", "example.org.evil.org", "0"),
        ("000", "192.0.2.1", "192.0.2.1", "0"),
        ("414", "", "matrix.example.org", "1"),
    ],
)
def test_only_who_names_this_server_gets_something(
    status: str, host_header: str, host: str, named: str
) -> None:
    assert matched('"$status $http_host $host"', f"{status} {host_header} {host}") == named


def test_other_servers_may_ask_for_a_server_name_that_is_served_elsewhere() -> None:
    text = site(DELEGATED + "federation: {delegation: elsewhere}")
    assert r"(?:matrix\.example\.org|example\.org)$" in text


@pytest.mark.parametrize(
    ("source", "value", "logged"),
    [
        ("$request_uri", "/_matrix/client/v3/sync?access_token=s", "/_matrix/client/v3/sync"),
        ("$request_uri", "/x#access_token=s", "/x"),
        ("$request_uri", "/x%3Fy", "/x%3Fy"),
        ("$request_uri", "?access_token=s", "-"),
        ("$request_uri", "", "-"),
        ("$http_referer", "https://a.org/x/y?loginToken=s#z", "https://a.org/x/y"),
        ("$http_referer", "https://a.org#access_token=s", "https://a.org"),
        ("$http_referer", "https://a.org", "https://a.org"),
        ("$http_referer", "https://user:s@a.org/", "-"),
        ("$http_referer", "s", "-"),
    ],
)
def test_no_log_has_a_query(source: str, value: str, logged: str) -> None:
    (block,) = re.findall(
        rf"map {re.escape(source)} \$altpeter_matrix_logged_\w+ \{{(.*?)\n\}}", site(), re.DOTALL
    )
    (pattern,) = re.findall(r'"~(.*?)" \$', block)
    found = re.search(pattern.replace("?<", "?P<"), value)
    assert (found.group(1) if found else "-") == logged
    for server in all_servers(site()):
        assert "access_log /var/log/nginx/access.log altpeter_matrix_access;" in server
    for server in servers(site()):
        # Any message that belongs to a request has the request line.
        assert "error_log /var/log/nginx/error.log emerg;" in server
    (form,) = re.findall(r"^log_format .*?;$", site(), re.MULTILINE | re.DOTALL)
    assert not re.search(r"\$(request|request_uri|args|query_string|http_referer|uri)\b", form)


def test_the_wiki_pages_site_also_answers_for_the_bare_domain() -> None:
    for server in servers(site(WIKI)):
        assert names(server) == ["matrix.altpeter.me", "altpeter.me"]


def test_the_server_name_is_not_answered_when_another_web_server_does() -> None:
    for server in servers(site(DELEGATED + "federation: {delegation: elsewhere}")):
        assert names(server) == ["matrix.example.org"]


def test_the_federation_port_can_stay_closed() -> None:
    assert "8448" not in site(DELEGATED + "federation: {port_8448: false}")


def test_a_kernel_without_ipv6_gets_no_such_listener() -> None:
    assert "[::]" not in site(ipv6=False)


def test_http2_is_written_as_this_nginx_understands_it() -> None:
    old, new = site(), site(nginx_version=DEBIAN_13.nginx_version)
    assert "443 ssl http2;" in old
    assert "http2 on;" not in old
    assert "http2 on;" in new
    assert "443 ssl;" in new


def test_the_post_quantum_curve_is_named_only_where_openssl_knows_it() -> None:
    assert "X25519MLKEM768" not in site(openssl_version=DEBIAN_12.openssl_version)
    assert "ssl_ecdh_curve X25519MLKEM768:X25519:" in site(openssl_version=(3, 5, 1))


def test_old_tls_is_off() -> None:
    assert set(re.findall(r"ssl_protocols (.*);", site())) == {"TLSv1.2 TLSv1.3"}
    assert "max-age=63072000" in site()


def test_session_tickets_are_off_where_nginx_never_changes_their_key() -> None:
    assert "ssl_session_tickets off;" in site()
    assert "ssl_session_tickets" not in site(nginx_version=DEBIAN_13.nginx_version)


def test_the_certificate_is_the_one_that_was_found() -> None:
    found = site(certificate=Certificate(Path("/x/fullchain.pem"), Path("/x/privkey.pem"), False))
    assert "ssl_certificate /x/fullchain.pem;" in found
    assert "ssl_certificate_key /x/privkey.pem;" in found


def test_many_and_long_names_stay_below_what_nginx_reads_as_one_parameter() -> None:
    """4096 bytes (NGX_CONF_BUFFER); past them: "too long parameter, probably missing …"."""
    many = [f"a{number}.{'b' * 60}.example.org" for number in range(98)]
    long = ".".join(["c" * 56] * 4)
    text = site(f"{DELEGATED}aliases: {[*many, long]}\ncertificates: {{acme: false}}")
    assert max(len(word) for line in text.splitlines() for word in line.split()) < 4000
    (block,) = re.findall(
        r"^map \$host \$altpeter_matrix_redirect_host \{(.*?)^\}", text, re.MULTILINE | re.DOTALL
    )
    patterns = [re.compile(one) for one in re.findall(r'"~([^"]+)" \$host;', block)]
    for name in [*many, long, "matrix.example.org", "example.org"]:
        assert any(pattern.match(name) for pattern in patterns), name
    assert not any(pattern.match("a1.example.org") for pattern in patterns)
