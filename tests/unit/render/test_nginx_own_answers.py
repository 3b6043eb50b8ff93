"""What nginx answers itself: documents, redirects, the ACME challenge and errors."""

import re

from ..samples import DELEGATED
from .rendered_site import locations, servers, site


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
