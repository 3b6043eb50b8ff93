"""Odd values, texts and names on real hosts: each works to the end, or is refused at its key.

What is refused where, word for word, is in tests/unit; here the programs that the values go to
have their say: nginx, Synapse, PostgreSQL.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.observe.host_state import HostState
from tasks.observe.observation import Observation
from tasks.observe.observed import parse
from tests.hosts.deployments import Deployment
from tests.hosts.people import administrator, call_admin_api
from tests.hosts.probes import Answer, request, wait_until_serving
from tests.hosts.releases import on_one_release

pytestmark = on_one_release

SETTINGS = "/etc/altpeter-matrix/settings.yaml"
SYNAPSE_D = "/etc/altpeter-matrix/synapse.d/odd.yaml"
README = Path(__file__).resolve().parents[2] / "README.md"
MANY = [f"a{number}.{'b' * 60}.test" for number in range(140)]
LONG = ".".join(["c" * 50] * 4) + ".test"
PASSWORD = "schönes langes Kennwort"


@pytest.fixture(scope="module")
def server(clone: Callable[..., Deployment], deployment: Deployment) -> Deployment:
    found = clone(deployment, "formats", dns=True)
    wait_until_serving(found)
    return found


@contextmanager
def settings_of(server: Deployment, **changes: Any) -> Iterator[None]:
    """settings.yaml with other values, as long as it takes; nothing is applied by itself."""
    before = server.host.read(SETTINGS)
    settings = {**yaml.safe_load(before), **changes}
    try:
        server.host.write(SETTINGS, yaml.safe_dump(settings))
        yield
    finally:
        server.host.write(SETTINGS, before)


def refused(server: Deployment, text: str = "", synapse_d: str = "") -> str:
    """What `check` says to lines that are added to the settings, or to a file in synapse.d."""
    before = server.host.read(SETTINGS)
    try:
        server.host.write(SETTINGS, f"{before}\n{text}\n")
        if synapse_d:
            server.host.write(SYNAPSE_D, synapse_d)
        result = server.host.run("altpeter-matrix", "check", check=False)
    finally:
        server.host.write(SETTINGS, before)
        server.host.run("rm", "-f", SYNAPSE_D)
    assert result.returncode == 1, result.stdout
    assert "Traceback" not in result.stderr
    assert all(line.startswith("error: ") for line in result.stderr.splitlines()), result.stderr
    return result.stderr


def test_nginx_and_synapse_take_many_and_long_names(server: Deployment) -> None:
    """nginx called it a "too long parameter, probably missing terminating quote"."""
    with settings_of(server, aliases=[*MANY, LONG]):
        server.host.run("altpeter-matrix", "check")


def test_more_names_than_a_certificate_of_lets_encrypt_has_are_refused(server: Deployment) -> None:
    with settings_of(server, aliases=MANY, certificates={"acme": True}):
        result = server.host.run("altpeter-matrix", "check", check=False)
    assert result.returncode == 1
    assert "settings.yaml: aliases: makes 14" in result.stderr
    assert "Let's Encrypt covers 100; remove 4" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("well_known: {client: {a: .nan}}", "well_known.client.a: is not a number that JSON"),
        ("well_known: {client: {a: 2020-01-01}}", 'client.a: is a date, .*; write "2020-01-01"'),
        ("well_known: &a {client: {x: *a}}", "client.x: contains itself"),
        (f"url_previews: {'[' * 9000}", "nested too deeply"),
        ('log_level: "\\ud800"', "log_level"),
        ("listener: {port: 010000}", "listener.port: 010000 means 4096 in YAML; write 10000"),
        ("listener: {port: 8008.0}", "listener.port: 8008.0 is not a whole number; write 8008"),
        ('firewall: {allow: ["3478/udp\\n"]}', "firewall.allow.0: .*; write 3478/udp"),
    ],
)
def test_what_cannot_be_said_is_refused_at_its_key(
    server: Deployment, text: str, said: str
) -> None:
    assert re.search(f"settings.yaml.*{said}", refused(server, text))


def test_aliases_that_explode_are_refused_and_a_merge_is_read(server: Deployment) -> None:
    laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    began = time.monotonic()
    assert f"{SYNAPSE_D}: " in refused(server, synapse_d=laughs)
    assert time.monotonic() - began < 20
    server.host.write(SYNAPSE_D, "presence: &p {enabled: true}\nuser_directory: {<<: *p}\n")
    try:
        server.host.run("altpeter-matrix", "check")
    finally:
        server.host.run("rm", SYNAPSE_D)


def create(server: Deployment, *words: str, password: str = PASSWORD, check: bool = True) -> Any:
    return server.host.run(
        "altpeter-matrix", "user", "create", "--password-file", "-", *words,
        input=password, check=check,
    )  # fmt: skip


def log_in(server: Deployment, user: str, password: str = PASSWORD) -> Answer:
    return request(
        server,
        "/_matrix/client/v3/login",
        method="POST",
        body={
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
        },
    )


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["", "LF", "CRLF"])
def test_an_account_can_be_entered_with_the_password_of_the_file(
    server: Deployment, mark: str, end: str
) -> None:
    name = f"pipe-{len(mark)}-{len(end)}"
    create(server, name, password=f"{mark}{PASSWORD}{end}")
    assert log_in(server, name).status == 200


def test_an_account_is_told_by_the_id_that_synapse_made(server: Deployment) -> None:
    said = create(server, f"@Bugs.Upper:{server.server_name.upper()}").stdout
    assert said == f"@bugs.upper:{server.server_name} was made.\n"
    assert log_in(server, f"@bugs.upper:{server.server_name}").status == 200
    assert create(server, "--", "-x").stdout == f"@-x:{server.server_name} was made.\n"


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("bugs bunny", PASSWORD, "is not a user name; write lower-case letters"),
        ("a" * 300, PASSWORD, "has 300 characters, of which a user ID allows 255"),
        ("bob", "a" * 513, "has 513 characters, of which Synapse takes 512"),
        ("_bob", PASSWORD, "was not made: User ID may not begin with _; choose another name"),
    ],
)
def test_what_synapse_would_refuse_is_told_with_its_rule(
    server: Deployment, name: str, password: str, said: str
) -> None:
    result = create(server, name, password=password, check=False)
    assert result.returncode == 1
    assert said in result.stderr


def test_the_longest_user_id_works(server: Deployment) -> None:
    name = "l" * (253 - len(server.server_name))
    create(server, name)
    assert log_in(server, name).status == 200
    assert create(server, f"{name}l", check=False).returncode == 1


def test_the_line_of_the_readme_for_synapses_own_program_makes_an_account(
    server: Deployment,
) -> None:
    (line,) = re.findall(r"`(register_new_matrix_user [^`]+)`", README.read_text())
    server.host.sh(f"{line} -u own-program -p '{PASSWORD}' --no-admin")
    assert log_in(server, "own-program").status == 200


# Last: it takes the administrator's account away.
def test_a_deactivated_account_is_not_well(server: Deployment) -> None:
    name = server.administrator
    create(server, "gone")
    assert create(server, "gone", "--exists-ok").stdout.endswith(" exists already.\n")
    assert "is no server administrator" in create(server, "gone", "--exists-ok", "--admin").stdout
    assert observed(server) == "active"
    token = administrator(server).login()
    for user in (f"@gone:{server.server_name}", name):
        call_admin_api(server, token, "POST", f"/_synapse/admin/v1/deactivate/{user}", {})
    for local in ("gone", name.partition(":")[0][1:]):
        for words in ((local,), (local, "--exists-ok")):
            result = create(server, *words, check=False)
            assert result.returncode == 1
            assert "is deactivated: nobody can log in as it" in result.stderr
    assert observed(server) == "deactivated"


def observed(server: Deployment) -> str | None:
    """What the deploy sees of the administrator's account."""
    variables = {"LOCK_TIMEOUT": "0", "DATABASE": "synapse", "ADMINISTRATOR": server.administrator}
    script = Observation().command(variables).get_raw_value()
    return parse(HostState, server.host.sh(script, input="\n").stdout.splitlines()).administrator
