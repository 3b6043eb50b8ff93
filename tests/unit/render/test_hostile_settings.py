"""Whatever stands in a setting: it is what the program below reads, or is refused at its key.

Each text that a setting may hold is tried with everything that nginx, YAML, JSON, SQL, apt, a
shell, systemd, Python's formatting and Jinja treat as special, alone and inside of a right value.
"""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from email.header import decode_header, make_header
from email.utils import parseaddr
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from altpeter_matrix.base.errors import SettingsError
from altpeter_matrix.nginx import syntax
from altpeter_matrix.render.generation import LocalAdditions, RenderSecrets, render
from altpeter_matrix.settings.model import Settings, load_settings
from altpeter_matrix.settings.schema import schema

from ..samples import facts

SPECIAL = [
    '"', "'", "\\", "$host", "${host}", "$1", "%h", "%%", "%(app)s", "{{ 1 }}", "{% raw %}", ";",
    "#", " # ", "*", " ", "ü", "\u202e", "\u00a0", "-x", "--", "@x", "`id`", "$(id)", "|", "&",
    ">", "<!--", "\n", "\r\n", "\t", "\x00", "\x1b", "\x7f", "\u2028", "../", "~", "!x", "&a", "*a",
    "? ", ": ", "- ", "[", "{", "}", "]", "null", "yes", "0123", "1e3", "=", "<<", "%25", ",", "//",
    "/* */", "';--", "😀",
]  # fmt: skip
BASE: dict[str, Any] = {
    "server_name": "example.org",
    "public_name": "matrix.example.org",
    "aliases": ["alias.example.org"],
    "federation": {"trusted_key_servers": ["matrix.org"]},
    "well_known": {
        "identity_server": "https://id.example.org",
        "client": {"org.example": "text"},
        "support": {
            "contacts": [
                {"role": "m.role.admin", "matrix_id": "@a:example.org", "email_address": "a@b.org"}
            ],
            "support_page": "https://example.org/help",
        },
    },
    "uploads": {"max_size": "50M"},
    "media": {"remote_retention": "90d", "local_retention": "90d"},
    "email": {
        "smtp_host": "smtp.example.org",
        "username": "user",
        "password_file": "/etc/altpeter-matrix/secrets/smtp_password",
        "from": "Matrix <a@example.org>",
        "app_name": "Matrix",
        "client_base_url": "https://app.example.org",
    },
    "database": {"name": "synapse"},
    "sizing": {
        "memory": "2G",
        "shared_buffers": "256M",
        "effective_cache_size": "1G",
        "work_mem": "8M",
        "maintenance_work_mem": "128M",
        "autovacuum_work_mem": "32M",
        "cache_memory": "512M",
    },
    "certificates": {"directory": "https://acme.example.org/dir", "email": "a@example.org"},
    "firewall": {"allow": ["3478/udp"]},
    "updates": {"backup": "/var/backups/x", "backup_max_age": "2d"},
    "backup": {
        "to": "sftp:backup@nas.example.org:/srv/matrix",
        "time": "03:30",
        "bandwidth": "5M",
        "point_in_time": "/mnt/backup/matrix-wal",
        "password_file": "/etc/altpeter-matrix/secrets/backup_password",
        "ssh_key_file": "/etc/altpeter-matrix/secrets/backup_ssh_key",
        "s3_keys_file": "/etc/altpeter-matrix/secrets/backup_s3_keys",
    },
    "notify": {
        "mail": ["admin@example.org"],
        "webhook": {
            "url": "https://ntfy.example.org/matrix",
            "token_file": "/etc/altpeter-matrix/secrets/webhook_token",
        },
        "quiet": {"hours": "22:00-07:00"},
        "repeat": "1d",
    },
    "administrator": {"username": "admin"},
    "synapse_repository": {
        "uri": "https://packages.example.org/debian",
        "key_url": "https://packages.example.org/key.gpg",
        "key_fingerprint": "A" * 40,
    },
    "synapse": {"turn_uris": ["turn:example.org"], "user_agent_suffix": "text"},
}
Path = tuple[str | int, ...]


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in the settings, with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts(inner, (*path, index))


def changed(data: Mapping[str, Any], path: Path, value: str) -> dict[str, Any]:
    copy = deepcopy(dict(data))
    place: Any = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


PLACES = dict(texts(BASE))
NAMES = {path: ".".join(str(key) for key in path if isinstance(key, str)) for path in PLACES}


def hostile(path: Path) -> Iterator[str]:
    """Each special text, at another place of the value each time."""
    good = PLACES[path]
    middle = len(good) // 2
    for number, special in enumerate(SPECIAL, start=list(PLACES).index(path)):
        yield (
            special, good + special, special + good, good[:middle] + special + good[middle:]
        )[number % 4]  # fmt: skip


def names(where: str, key: str) -> bool:
    """Whether a problem is told at this key, or at what it is in."""
    told = re.sub(r"\.\d+(?=\.|$)", "", where.removeprefix("settings.yaml: "))
    return f"{key}.".startswith(f"{told}.") or f"{told}.".startswith(f"{key}.")


def test_every_text_of_the_schema_is_tried() -> None:
    def leaves(part: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
        kinds = part.get("type", ())
        if "string" in ([kinds] if isinstance(kinds, str) else kinds):
            yield ".".join(path)
        for key, inner in part.get("properties", {}).items():
            yield from leaves(inner, (*path, key))
        if "items" in part:
            yield from leaves(part["items"], path)

    assert set(leaves(schema(), ())) <= set(NAMES.values())


@cache
def accepted(path: Path, value: str) -> bool:
    """Whether this text may stand there; where not, that is said at its key."""
    try:
        load_settings(changed(BASE, path, value), source="settings.yaml")
    except SettingsError as error:
        for problem in error.problems:
            assert problem.where.startswith("settings.yaml: "), problem
            assert names(problem.where, NAMES[path]), problem
            # One line of a terminal or a log, whatever the value is.
            assert str(problem).isprintable(), problem
        return False
    return True


@pytest.mark.parametrize("path", PLACES, ids=NAMES.values())
def test_a_text_is_accepted_or_refused_at_its_key(path: Path) -> None:
    found = [value for value in hostile(path) if accepted(path, value)]
    assert len(found) < len(SPECIAL) or path[0] in {"synapse", "well_known"}


@pytest.mark.parametrize("number", range(len(SPECIAL)), ids=map(repr, SPECIAL))
def test_what_is_accepted_is_read_as_it_was_written(number: int) -> None:
    """Of every other setting at once: email.app_name becomes a part of email.from beside it."""
    for half in (0, 1):
        data = BASE
        for path in list(PLACES)[half::2]:
            value = list(hostile(path))[number]
            if accepted(path, value):
                data = changed(data, path, value)
        assert_rendered(load_settings(data, source="settings.yaml"), data)


def assert_rendered(settings: Settings, data: Mapping[str, Any]) -> None:
    """Each program reads what was written, and nothing more."""
    files = {str(file.path): file.content for file in rendered(settings)}
    synapse = yaml.safe_load(files["synapse/altpeter-matrix.yaml"])
    wanted = data["email"]
    found = synapse["email"]
    assert {key: found[key] for key in ("app_name", "smtp_user", "smtp_host")} == {
        "app_name": wanted["app_name"],
        "smtp_user": wanted["username"],
        "smtp_host": wanted["smtp_host"],
    }
    assert sender(found["notif_from"], found["app_name"]) == sender(
        wanted["from"], wanted["app_name"]
    )
    assert found["client_base_url"] == wanted["client_base_url"]
    for key, value in data["synapse"].items():
        assert synapse[key] == value
    client = json.loads(files["nginx/well-known/client.json"])
    assert client["org.example"] == data["well_known"]["client"]["org.example"]
    support = json.loads(files["nginx/well-known/support.json"])
    assert support["contacts"] == data["well_known"]["support"]["contacts"]
    # Names, ports and sizes may differ; what there is may not.
    assert shape(files["nginx/site.conf"].decode()) == SHAPE
    assert files["apt/apt.conf"].decode().count("\n") == APT_LINES
    assert files["nginx/hold.env"] == b"SYNAPSE_PORT=8008\n"


def sender(written: str, app_name: str) -> tuple[str, str]:
    """Name and address as a reader of the mail sees them; Synapse puts in app_name with %."""
    name, address = parseaddr(written % {"app": app_name})
    return str(make_header(decode_header(name))), address


def rendered(settings: Settings, additions: LocalAdditions | None = None) -> Any:
    return render(
        settings, facts(), additions or LocalAdditions(), RenderSecrets(smtp_password="secret")
    )


@cache
def shape(site: str) -> list[object]:
    """The directives of a site and how many parameters each has."""

    def of(directive: syntax.Directive, name: str) -> object:
        # What a map translates are values, names of this server among them.
        inside = (of(one, "" if directive.name == "map" else one.name) for one in directive.block)
        return name, len(directive.arguments), list(inside)

    return [of(one, one.name) for one in syntax.parse(site, "site.conf")]


USUAL = {str(file.path): file.content.decode()
         for file in rendered(load_settings(BASE, source="settings.yaml"))}  # fmt: skip
SHAPE = shape(USUAL["nginx/site.conf"])
APT_LINES = USUAL["apt/apt.conf"].count("\n")


@pytest.mark.parametrize("special", SPECIAL)
def test_the_password_of_the_mail_account_may_hold_anything(special: str) -> None:
    files = render(load_settings(BASE, source="settings.yaml"), facts(), LocalAdditions(),
                   RenderSecrets(smtp_password=special))  # fmt: skip
    (synapse,) = [file for file in files if file.path.name == "altpeter-matrix.yaml"]
    assert yaml.safe_load(synapse.content)["email"]["smtp_pass"] == special


@pytest.mark.parametrize("special", [one for one in SPECIAL if not {"/", "\0"} & set(one)])
def test_a_file_of_nginx_d_may_have_any_name(special: str) -> None:
    name = f"{special}.conf"
    additions = LocalAdditions(nginx={name: "location /x { }\n"})
    files = rendered(load_settings(BASE, source="settings.yaml"), additions)
    assert PurePosixPath("nginx/local") / name in {file.path for file in files}
    (site,) = [file for file in files if file.path.name == "site.conf"]
    # nginx finds it by a pattern, so that the name stands nowhere.
    assert site.content.decode() == USUAL["nginx/site.conf"]
