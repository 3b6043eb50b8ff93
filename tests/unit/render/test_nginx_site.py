"""The promises of the nginx site; what nginx itself thinks is asked in tests/package."""

import re
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.bridge.after_start import SOCKETS as HOLD_SOCKETS
from altpeter_matrix.host.facts import Certificate
from altpeter_matrix.nginx import main_file
from altpeter_matrix.render import nginx_site
from altpeter_matrix.settings import well_known

from ..samples import DEBIAN_12, DEBIAN_13, DELEGATED, WIKI, facts, settings

UNITS = Path(__file__).parents[3] / "files/systemd"


def site(text: str = DELEGATED, **changes: Any) -> str:
    chosen = settings(text)
    return nginx_site.site(chosen, facts(**changes), tuple(well_known.documents(chosen)))


def all_servers(text: str) -> list[str]:
    """The server blocks: they begin and end in the first column."""
    return re.findall(r"^server \{$.*?^\}$", text, re.MULTILINE | re.DOTALL)


def servers(text: str) -> list[str]:
    """Those that serve our names."""
    return all_servers(text)[1:]


def locations(text: str) -> dict[str, str]:
    """The location blocks of the HTTPS server by what they match."""
    found = re.findall(r"^    location (.*?) \{$(.*?)^    \}$", text, re.MULTILINE | re.DOTALL)
    return {match: body for match, body in found if match != "/"}


def listens(server: str) -> list[str]:
    return re.findall(r"^ *listen (.*);$", server, re.MULTILINE)


def names(server: str) -> list[str]:
    (line,) = re.findall(r"^ *server_name (.*);$", server, re.MULTILINE)
    return str(line).split()


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


def matched(source: str, value: str, result: str = r"\S+?") -> str:
    """What the site's map of that source (to that variable) makes of a value."""
    (block, *_) = re.findall(
        rf"map {re.escape(source)} \${result} \{{(.*?)\n\}}", site(), re.DOTALL
    )
    for literal, found in re.findall(r"^ +([A-Z0-9]+) (\S+);", block, re.MULTILINE):
        if literal == value:
            return str(found)
    for pattern, found in re.findall(r'"~(.*?)" (\S+);', block):
        if re.search(pattern, value):
            return str(found)
    return str(re.findall(r"default (\S+);", block)[0])


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


def test_every_way_to_synapse_is_bounded() -> None:
    for match, body in locations(site()).items():
        if "altpeter_matrix_upstream;" in body:
            zones = set(re.findall(r"limit_conn (\S+) \d+;", body))
            whose = "held" if "auth_request" in body else "address"
            assert zones == {
                f"altpeter_matrix_{zone}"
                for zone in ("requests", whose, "bodies", "address_bodies")
            }, match
            assert f"limit_conn_status {503 if whose == 'held' else 429};" in body, match


def test_what_waits_leaves_room_for_what_needs_no_synapse() -> None:
    """Even if one worker process had got all of it."""
    assert 2 * nginx_site.MOST_REQUESTS <= main_file.CONNECTIONS * 3 / 4
    assert main_file.CONNECTIONS < main_file.OPEN_FILES
    # The kernel lets 4096 wait at each.
    assert len(HOLD_SOCKETS) * 4096 > nginx_site.MOST_REQUESTS
    socket = (UNITS / "altpeter-matrix-hold.socket").read_text("utf-8")
    assert tuple(re.findall(r"^ListenStream=(.*)$", socket, re.MULTILINE)) == HOLD_SOCKETS


@pytest.mark.parametrize(
    ("method", "length", "large"),
    [
        ("GET", "", False),
        ("OPTIONS", "", False),
        ("PUT", "99999", False),
        ("POST", "0", False),
        ("POST", "100000", True),
        ("PUT", "52428800", True),
        # Of unknown length: chunked, or in HTTP/2.
        ("POST", "", True),
        ("PROPFIND", "", True),
    ],
)
def test_a_large_body_is_told_before_it_is_read(method: str, length: str, large: bool) -> None:
    way = matched("$request_method", method, "altpeter_matrix_hold")
    found = matched('"$altpeter_matrix_hold $content_length"', f"{way} {length}")
    assert found == ("1" if large else '""')


def test_what_cannot_have_a_body_goes_where_none_is_taken() -> None:
    for name in ("bodiless", "hold_bodiless"):
        assert "client_max_body_size 64k;" in locations(site())[f"@altpeter_matrix_{name}"]
    for method in ("GET", "HEAD", "OPTIONS"):
        way = matched("$request_method", method, "altpeter_matrix_hold")
        assert way == "@altpeter_matrix_hold_bodiless"
    for prefix in ("/_matrix/", "/_synapse/client/"):
        body = locations(site())[prefix]
        assert body.index("return 418;") < body.index("limit_conn ")


@pytest.mark.parametrize(
    ("size", "bodies"), [("1M", 256), ("50M", 163), ("100M", 81), ("2G", 32), ("20G", 32)]
)
def test_the_bodies_on_the_disk_are_bounded(size: str, bodies: int) -> None:
    chosen = settings(DELEGATED + f"uploads: {{max_size: {size}}}")
    assert nginx_site.most_bodies(chosen) == bodies
    found = site(DELEGATED + f"uploads: {{max_size: {size}}}")
    assert f"limit_conn altpeter_matrix_bodies {bodies};" in found
    assert f"limit_conn altpeter_matrix_address_bodies {bodies // 4};" in found


@pytest.mark.parametrize(
    ("address", "key"),
    [
        (b"\x7f\0\0\1", b"\x7f\0\0\1"),
        (b"\n\n\n\n", b"\n\n\n\n"),
        (b"\0" * 10 + b"\xff\xff" + b"\x0a\0\0\1", b"\x0a\0\0\1"),
        (b"\x20\1\x0d\xb8\0\n\0\0" + b"\0" * 7 + b"\1", b"\x20\1\x0d\xb8\0\n\0\0"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(address: bytes, key: bytes) -> None:
    (block,) = re.findall(r"map \$binary_remote_addr .*? \{(.*?)\n\}", site(), re.DOTALL)
    patterns = [p.replace("?<", "?P<").encode() for p in re.findall(r'"~(.*?)" ', block)]
    found = next((m for p in patterns if (m := re.search(p, address))), None)
    assert (found[1] if found else address) == key


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


def allowed_paths() -> str:
    name = r"map \$request_uri \$altpeter_matrix_path_allowed"
    (block,) = re.findall(rf"{name} \{{(.*?)\n\}}", site(), re.DOTALL)
    return str(block)


def test_an_address_that_synapse_cannot_read_is_refused_before() -> None:
    """For HTTP/1.1 and HTTP/2 alike, so below what either can be told of by nginx."""
    first = re.findall(r'"~(.*?)" (\S+);', allowed_paths())[0]
    assert first == ("^.{14001}", "long")
    for match in ("/_matrix/", "/_synapse/client/"):
        body = locations(site())[match]
        assert "if ($altpeter_matrix_path_allowed = long) {\n            return 414;" in body
    assert "large_client_header_buffers 4 32k;" in site()


def test_the_client_cannot_choose_its_own_address() -> None:
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in site()
    assert "$proxy_add_x_forwarded_for" not in site()
    # As a condition, never as a value.
    condition = 'map "$status $http_host $host" $altpeter_matrix_named {'
    assert re.findall(r".*\$http_host.*", site()) == [condition]


@pytest.mark.parametrize(
    ("written", "limit"), [("2G", 2 * 1024**3), ("50M", 50 * 1024**2), ("1M", 200 * 65536)]
)
def test_the_body_limit_follows_the_upload_size_but_never_blocks_federation(
    written: str, limit: int
) -> None:
    found = site(DELEGATED + f"uploads: {{max_size: {written}}}")
    assert f"client_max_body_size {limit};" in found


def test_long_polls_are_not_cut() -> None:
    for match, body in locations(site()).items():
        if "altpeter_matrix_upstream;" in body:
            assert "proxy_read_timeout 600s;" in body, match


def test_every_answer_that_nginx_makes_itself_can_be_read_by_a_web_client() -> None:
    own = {m: body for m, body in locations(site()).items() if "return 200" in body}
    documents = {m: body for m, body in locations(site()).items() if "well-known" in m}
    assert len(own) == 10
    assert "= /.well-known/matrix/client" in documents
    del documents["^~ /.well-known/acme-challenge/"]
    for match, body in {**own, **documents}.items():
        assert 'Access-Control-Allow-Origin "*" always' in body, match
        assert 'Strict-Transport-Security "max-age=63072000" always' in body, match
        assert "default_type application/json" in body, match
        # Else the type would follow the ending of the path, as of /robots.txt.
        assert "types { }" in body, match


def test_what_nginx_refuses_before_it_has_a_path_leads_to_a_path() -> None:
    """A named location would end in 500 then. A location with an error_page inherits none."""
    public = servers(site())[-1]
    before_the_locations = public.partition("location ")[0]
    led = re.findall(r"error_page ([\d =]+) (/\S+);", before_the_locations)
    assert {code for codes, _ in led for code in re.findall(r"(?<!=)\b\d{3}", codes)} >= {
        "400", "411", "412", "414", "416", "494", "497", "501", "505",
    }  # fmt: skip
    assert {f"= {path}" for _, path in led} <= locations(site()).keys()
    for match, body in locations(site()).items():
        if "error_page" in body:
            assert re.findall(r"error_page ([\d =]+) (/\S+);", body) == led, match


def test_documents_exist_only_where_they_should() -> None:
    srv = locations(site(DELEGATED + "federation: {delegation: srv}"))
    assert "= /.well-known/matrix/server" not in srv
    assert "= /.well-known/matrix/server" in locations(site())
    assert "= /.well-known/matrix/support" not in locations(site())


def test_redirects_never_lead_to_a_name_that_the_client_made_up() -> None:
    (block,) = re.findall(r"map \$host .*? \{(.*?)\n\}", site(), re.DOTALL)
    (pattern,) = re.findall(r'"~(.*?)" \$host;', block)
    assert "default matrix.example.org;" in block
    assert re.search(pattern, "example.org")
    for name in ("evil.org", "matrix-example.org", "matrix.example.org.evil.org"):
        assert not re.search(pattern, name)


def test_the_acme_challenge_is_answered_without_tls() -> None:
    plain, _ = servers(site())
    assert "location ^~ /.well-known/acme-challenge/" in plain
    assert "root /var/lib/altpeter-matrix/acme;" in plain


def test_a_local_addition_may_take_the_root_path() -> None:
    _, public = servers(site())
    assert "location / {" not in public
    assert "robots.txt {" not in public
    assert public.rstrip("}\n").endswith("/var/lib/altpeter-matrix/current/nginx/local/*.conf;")


def test_nothing_tells_nginxs_version() -> None:
    for server in servers(site()):
        assert "server_tokens off;" in server


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
