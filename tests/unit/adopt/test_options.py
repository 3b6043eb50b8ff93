"""What becomes of each option and each site of a hand-made server."""

import re
from typing import Any

import pytest

from altpeter_matrix.adopt.comparison import DEFAULTS, same
from altpeter_matrix.adopt.first_settings import settings
from altpeter_matrix.adopt.from_sqlite import planned
from altpeter_matrix.adopt.options import Known, divide, secret_files
from altpeter_matrix.adopt.report import without_secrets
from altpeter_matrix.adopt.service import unit_problems
from altpeter_matrix.adopt.sites import Sites, rivals, sites
from altpeter_matrix.apply.diff import differences
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.base.redaction import HIDDEN
from altpeter_matrix.nginx.syntax import Directive, parse
from tests.hosts.handmade import SITE

PACKAGED: dict[str, Any] = {
    "database": {"name": "sqlite3"},
    "listeners": [
        {
            "bind_addresses": ["::1", "127.0.0.1"],
            "port": 8008,
            "tls": False,
            "type": "http",
            "x_forwarded": True,
            "resources": [{"names": ["client", "federation"], "compress": False}],
        }
    ],
    "media_store_path": "/var/lib/matrix-synapse/media",
    "signing_key_path": "/etc/matrix-synapse/homeserver.signing.key",
}
DATABASE = {"name": "psycopg2", "args": {"user": "matrix", "password": "hunter2"}}
GENERATED = {"database": {"name": "psycopg2", "args": {}}, "listeners": [], "presence": {}}


def known(**options: Any) -> Known:
    kept = {k: v for k, v in {**PACKAGED, "database": DATABASE, **options}.items() if v is not None}
    return Known({"server_name": "example.org", **kept}, PACKAGED, frozenset(), frozenset(), {})


def wiki_sites(text: str = SITE) -> Sites:
    path = "/etc/nginx/sites-enabled/matrix"
    return sites({path: Directive(path, (), parse(text, path))}, 8008, ())


def test_the_database_is_carried_and_its_password_not_shown() -> None:
    division = divide(known(), GENERATED)
    assert division.carried["database"] == DATABASE
    assert division.problems == ()
    assert "hunter2" not in f"{division} {[str(one) for one in division.changes]}"


def test_every_difference_is_carried_or_announced() -> None:
    found = known(turn_uris=["turn:a"], log_config="/own.yaml", macaroon_secret_key="m")
    division = divide(found, {**GENERATED, "log_config": "/ours", "max_upload_size": 1})
    after = {**PACKAGED, **GENERATED, "log_config": "/ours", "max_upload_size": 1}
    after |= division.carried
    before, after = {**DEFAULTS, **found.options}, {**DEFAULTS, **after}
    changed = {key for key in {*before, *after} if not same(key, before.get(key), after.get(key))}
    assert changed - {"server_name"} <= {change.key for change in division.changes}


def test_the_macaroon_key_is_the_registration_secret_where_it_was() -> None:
    assert secret_files({"registration_shared_secret": "r"}) == {
        "registration_shared_secret": "r",
        "macaroon_secret_key": "r",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"database": {}}, "write which database it is"),
        ({"listeners": [{"port": 8448, "type": "http", "tls": True}]}, "speaks TLS itself"),
        ({"instance_map": {"main": {"host": "a"}}}, "workers"),
        ({"signing_key_path": "/srv/key"}, "move the key"),
        ({"media_store_path": None}, "was removed from the packaged file"),
        ({"media_store_path": "/usr/local/media"}, "where Synapse will not write any more"),
        ({"app_service_config_files": ["/home/bridge/r.yaml"]}, "names /home/bridge/r.yaml"),
    ],
)
def test_what_cannot_be_carried_stops_the_adoption(options: dict[str, Any], words: str) -> None:
    told = "\n".join(map(str, divide(known(**options), GENERATED).problems))
    assert words in told


def test_the_wiki_pages_site_is_replaced_as_a_whole() -> None:
    found = wiki_sites()
    assert found.problems == ()
    assert found.names == {"altpeter.me", "matrix.altpeter.me"}
    assert found.listens(8448)


def test_a_site_that_serves_something_else_as_well_stops_the_adoption() -> None:
    other = "location /shop { proxy_pass http://127.0.0.1:3000; }\n location /_matrix {"
    found = wiki_sites(SITE.replace("location /_matrix {", other))
    assert "location /shop (proxy_pass)" in str(found.problems[0])


@pytest.mark.parametrize("file", ["homeserver.db", "/srv/homeserver.db"])
def test_sqlite_is_to_be_moved(file: str) -> None:
    generated = {"database": {"name": "psycopg2", "args": {"dbname": "synapse"}}}
    sqlite = {"database": {"name": "sqlite3", "args": {"database": file}}}
    move = planned(Paths(), sqlite, generated)
    assert move is not None and move.target == "synapse"
    assert str(move.source) in {"/var/lib/matrix-synapse/homeserver.db", "/srv/homeserver.db"}
    assert planned(Paths(), {"database": DATABASE}, generated) is None


def test_locations_in_a_file_of_snippets_count_as_the_sites_own() -> None:
    head, location, tail = re.split(
        r"(        location /_matrix \{.*?\n        \}\n)", SITE, flags=re.DOTALL
    )
    shop = "location /shop { proxy_pass http://127.0.0.1:3000; }"
    texts = {
        "/etc/nginx/sites-enabled/matrix": f"{head} include snippets/*.conf; {tail}",
        "/etc/nginx/snippets/matrix.conf": f"{location}{shop}",
    }
    # The server for port 8448 would show the names anyway.
    texts["/etc/nginx/sites-enabled/matrix"] = texts["/etc/nginx/sites-enabled/matrix"].replace(
        "location / {", "location /_matrix {"
    )
    found = sites({p: Directive(p, (), parse(t, p)) for p, t in texts.items()}, 8008, ())
    assert "location /shop (proxy_pass)" in str(found.problems[0])


@pytest.mark.parametrize(
    "target", ["$backend", "http://unix:/run/synapse.sock", "http://10.0.0.1:8008"]
)
def test_a_site_under_our_names_that_is_not_understood_stops_the_adoption(target: str) -> None:
    found = wiki_sites(SITE.replace("http://localhost:8008", target))
    [first, *_] = [str(one) for one in rivals(found, ["matrix.altpeter.me"])]
    assert "server matrix.altpeter.me" in first and "answers for a name of Synapse's" in first
    assert not list(rivals(wiki_sites(), ["matrix.altpeter.me", "altpeter.me"]))
    other = "server { listen 8443 ssl; server_name altpeter.me; root /srv; }"
    path = "/etc/nginx/conf.d/other.conf"
    apart = sites({path: Directive(path, (), parse(other, path))}, 8008, ())
    assert not list(rivals(apart, ["altpeter.me"]))


def test_a_unit_that_reads_other_files_stops_the_adoption() -> None:
    start = (
        "ExecStart={ path=/opt/venvs/matrix-synapse/bin/python ; argv[]=/opt/venvs/matrix-synapse"
        "/bin/python -m synapse.app.homeserver --config-path=/etc/matrix-synapse/homeserver.yaml"
        " --config-path=/etc/matrix-synapse/conf.d/ ; ignore_errors=no ; pid=0 ; status=0/0 }"
    )
    assert not list(unit_problems(f"{start}\nUser=matrix-synapse\n"))
    more = start.replace(" ; ignore", " -c /srv/more.yaml ; ignore")
    [read, user] = [str(one) for one in unit_problems(f"{more}\nUser=\n")]
    assert "/srv/more.yaml" in read and "is root" in user


def test_the_settings_say_what_the_site_said() -> None:
    found = wiki_sites()
    ports = frozenset(port for one in found.servers for port in one.ports)
    client = {
        "m.homeserver": {"base_url": "https://matrix.altpeter.me"},
        "m.identity_server": {"base_url": "https://vector.im"},
    }
    options = {**known().options, "server_name": "matrix.altpeter.me"}
    made = settings(Known(options, PACKAGED, found.names, ports, {"client": client}))
    assert made["aliases"] == ["altpeter.me"]
    assert "public_name" not in made and "federation" not in made
    assert made["well_known"] == {"identity_server": "https://vector.im"}


@pytest.mark.parametrize(
    "text",
    [
        "macaroon_secret_key: hunter2x",
        "email: {smtp_host: m, smtp_pass: hunter2x, notif_from: a}",
        "oidc_providers:\n- client_secret_jwt_key:\n    key: |\n      hunter2x\n      hunter2x2",
        "password_config:\n  pepper: 'hunter2x'",
        "# email:\n#   smtp_pass: hunter2x",
        "redis: {enabled: false,\n        password: hunter2x}",
    ],
)
def test_the_diff_shows_no_secret_however_it_is_written(text: str) -> None:
    hidden = without_secrets(text, {})
    lines = "\n".join(differences({"a": hidden}, {"a": ""}))
    assert "hunter2x" not in lines and HIDDEN in lines


@pytest.mark.parametrize(
    ("options", "uploads"),
    [
        ({"max_upload_size": "10M"}, {"max_size": "10M"}),
        ({"max_upload_size": 10485760}, {"max_size": "10485760"}),
        ({"max_upload_size": "10 megs"}, None),
        ({}, None),
    ],
)
def test_what_nginx_has_to_follow_becomes_a_setting(
    options: dict[str, Any], uploads: dict[str, str] | None
) -> None:
    assert settings(known(**options)).get("uploads") == uploads
