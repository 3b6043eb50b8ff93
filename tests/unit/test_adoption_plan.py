"""What becomes of each option and each site of a hand-made server."""

from typing import Any

import pytest

from altpeter_matrix.adoption_plan import DEFAULTS, Known, divide, same, secret_files, settings
from altpeter_matrix.adoption_sites import Sites, sites
from altpeter_matrix.nginx_parse import Directive, parse
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
        ({"database": {"name": "sqlite3"}}, "synapse_port_db"),
        ({"listeners": [{"port": 8448, "type": "http", "tls": True}]}, "speaks TLS itself"),
        ({"instance_map": {"main": {"host": "a"}}}, "workers"),
        ({"signing_key_path": "/srv/key"}, "move the key"),
        ({"media_store_path": None}, "was removed from the packaged file"),
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
