"""Where the data is, and that no secret can be read by those whom it does not concern."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.hosts.deployments import Deployment, run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.onlookers import watched_processes

SECRETS = "/etc/altpeter-matrix/secrets"
# Run as a user without rights: every file that it can read, searched for every secret.
SEARCH = """
import json, os, sys
secrets = json.load(sys.stdin)
found = []
for top in ("/etc", "/var", "/run", "/tmp", "/opt", "/home", "/root", "/usr/share", "/srv"):
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            try:
                if os.path.isfile(path) and os.path.getsize(path) < 30_000_000:
                    content = open(path, "rb").read()
                    found += [[path, key] for key, value in secrets.items()
                              if value.encode() in content]
            except OSError:
                pass
print(json.dumps(found))
"""


def secrets_of(deployment: Deployment) -> Mapping[str, str]:
    """Every secret of a server: its value by its name."""
    host = deployment.host
    names = host.run("ls", SECRETS).stdout.split()
    secrets = {name: host.read(f"{SECRETS}/{name}").strip() for name in names}
    key = host.read("/etc/matrix-synapse/homeserver.signing.key").split()[-1]
    return {**secrets, "signing key": key}


def search(deployment: Deployment, user: str, secrets: Mapping[str, str]) -> list[list[str]]:
    found: list[list[str]] = json.loads(
        deployment.host.run(
            "runuser", "-u", user, "--", "python3", "-c", SEARCH, input=json.dumps(secrets)
        ).stdout
    )
    return found


def test_every_secret_is_there_and_long_enough(deployment: Deployment) -> None:
    secrets = secrets_of(deployment)
    expected = {
        "macaroon_secret_key", "form_secret", "registration_shared_secret",
        "administrator_password", "signing key",
    }  # fmt: skip
    if deployment.settings.get("email"):
        expected |= {"smtp_password"}
    assert set(secrets) == expected
    assert min(len(value) for value in secrets.values()) >= 16


@pytest.mark.parametrize("user", ["nobody", "www-data", "postgres", "debian"])
def test_no_other_user_can_read_a_secret(deployment: Deployment, user: str) -> None:
    assert search(deployment, user, secrets_of(deployment)) == []


def test_the_search_finds_what_is_readable(deployment: Deployment) -> None:
    """Proves that the test above can fail: root finds every secret."""
    secrets = secrets_of(deployment)
    assert {name for _path, name in search(deployment, "root", secrets)} == set(secrets)


def test_secrets_are_in_no_configuration_file(deployment: Deployment) -> None:
    """Not even root finds one outside of the files made for them and Synapse's own database."""
    allowed = (f"{SECRETS}/", "/etc/matrix-synapse/homeserver.signing.key", "/var/lib/postgresql/")
    secrets = dict(secrets_of(deployment))
    # Synapse has no option that reads it from a file: 0640 in the generation.
    secrets.pop("smtp_password", None)
    found = search(deployment, "root", secrets)
    assert [entry for entry in found if not entry[0].startswith(allowed)] == []


def test_the_mail_password_is_for_synapse_alone(debian12: Deployment) -> None:
    password = secrets_of(debian12)["smtp_password"]
    found = search(debian12, "root", {"smtp_password": password})
    for path, _name in found:
        mode, owner = debian12.host.run("stat", "-L", "-c", "%a %U", path).stdout.split()
        assert mode in {"600", "640"}, path
        assert owner in {"root", "postgres"}, path


def test_no_secret_was_in_the_process_list_during_the_deploy(
    fleet: Fleet, deployment: Deployment
) -> None:
    processes = fleet.record(deployment, "processes")
    assert "dpkg" in processes and "altpeter-matrix" in processes
    assert [name for name, value in secrets_of(deployment).items() if value in processes] == []


def test_no_secret_could_be_read_in_a_file_during_the_deploy(
    fleet: Fleet, deployment: Deployment
) -> None:
    """Nor in one that was there for a moment, such as pyinfra's own in /tmp."""
    readable = fleet.record(deployment, "readable")
    assert f"server_name: {deployment.server_name}" in readable, "the watch sees nothing"
    assert [name for name, value in secrets_of(deployment).items() if value in readable] == []


def test_synapse_cannot_read_what_is_not_its_own(deployment: Deployment) -> None:
    theirs = {"administrator_password": secrets_of(deployment)["administrator_password"]}
    assert search(deployment, "matrix-synapse", theirs) == []


@pytest.mark.parametrize("user", ["nobody", "www-data", "matrix-synapse", "debian"])
def test_no_other_user_sees_a_secret_in_a_process(deployment: Deployment, user: str) -> None:
    """Neither among its arguments nor in its environment."""
    script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true"
    seen = deployment.host.run("runuser", "-u", user, "--", "sh", "-c", script).stdout
    assert "nginx: master process" in seen
    assert [name for name, value in secrets_of(deployment).items() if value in seen] == []


@pytest.mark.parametrize("unit", ["matrix-synapse", "altpeter-matrix-gate",
                                  "altpeter-matrix-upgrade-check"])  # fmt: skip
def test_what_holds_secrets_leaves_no_core_dump(deployment: Deployment, unit: str) -> None:
    shown = deployment.host.run("systemctl", "show", "--property=LimitCORE", unit).stdout
    assert shown == "LimitCORE=0\n"


def test_no_secret_is_in_the_output_of_a_talkative_deploy(
    fleet: Fleet, deployment: Deployment
) -> None:
    """Both first runs had -vvv --debug --diff, one of them with sudo."""
    output = fleet.record(deployment, "output")
    assert [name for name, value in secrets_of(deployment).items() if value in output] == []


@pytest.mark.parametrize(
    "options",
    [
        ("--dry", "--diff", "--debug", "-vvv"),
        ("--dry", "--diff", "--debug-all", "-vvv"),
        ("--dry", "--json"),
        ("--debug-operations",),
    ],
    ids=" ".join,
)
def test_no_secret_is_in_the_output_of_a_later_run(
    fleet: Fleet, debian12: Deployment, options: tuple[str, ...], tmp_path: Path
) -> None:
    # Another password than the host has, so that the run has something to show.
    changed = tmp_path / "password"
    changed.write_text("changed-Mail-4711-key\n")
    data = {"smtp_password_file": str(changed)}
    inventory = fleet.inventory(debian12, data=data, log_level="WARNING")
    result = run_pyinfra(inventory, *options)
    output = f"{result.stdout}\n{result.stderr}"
    secrets = {**secrets_of(debian12), "new smtp_password": "changed-Mail-4711-key"}
    assert [name for name, value in secrets.items() if value in output] == []


def test_making_an_account_shows_no_secret(deployment: Deployment) -> None:
    host, password = deployment.host, "a-Long-Pass-phrase-of-carol"
    with watched_processes(host) as seen:
        host.run(
            "altpeter-matrix", "user", "create", "carol", "--password-file", "-", "--exists-ok",
            input=f"{password}\n",
        )  # fmt: skip
    assert "user create carol" in seen()
    values = {**secrets_of(deployment), "password": password}
    assert [name for name, value in values.items() if value in seen()] == []


def test_the_journal_holds_no_secret(deployment: Deployment) -> None:
    journal = deployment.host.run("journalctl", "--no-pager", "-o", "cat").stdout
    assert [name for name, value in secrets_of(deployment).items() if value in journal] == []


def test_the_database_is_utf8_and_c(deployment: Deployment) -> None:
    row = deployment.host.run(
        "runuser", "-u", "postgres", "--", "psql", "-Atc",
        "select pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba)"
        " from pg_database where datname = 'synapse'",
    )  # fmt: skip
    assert row.stdout.strip() == "UTF8|C|C|matrix-synapse"


def test_synapse_works_on_postgresql_as_a_peer_without_a_password(deployment: Deployment) -> None:
    host = deployment.host
    activity = host.run(
        "runuser", "-u", "postgres", "--", "psql", "-Atc",
        "select distinct usename, coalesce(host(client_addr), 'socket') from pg_stat_activity"
        # Autovacuum is in there, too, for a moment each minute.
        " where datname = 'synapse' and backend_type = 'client backend'",
    ).stdout.split()  # fmt: skip
    assert activity == ["matrix-synapse|socket"]
    rules = host.sh("cat /etc/postgresql/*/main/pg_hba.conf").stdout
    assert re.search(r"^local\s+all\s+all\s+peer", rules, re.MULTILINE)
    role = host.run(
        "runuser", "-u", "postgres", "--", "psql", "-Atc",
        "select rolpassword is null, rolsuper from pg_authid where rolname = 'matrix-synapse'",
    )  # fmt: skip
    assert role.stdout.strip() == "t|f"


def test_there_is_no_sqlite_database(deployment: Deployment) -> None:
    found = deployment.host.sh(
        "find / -ignore_readdir_race -xdev -type f "
        "\\( -name 'homeserver.db*' -o -path '/var/lib/matrix-synapse/*.db' \\)"
    )
    assert found.stdout == ""


def test_no_configuration_names_a_database_password(deployment: Deployment) -> None:
    text = deployment.host.sh(
        "cat /etc/matrix-synapse/homeserver.yaml /etc/matrix-synapse/conf.d/*.yaml"
    ).stdout
    database = text[text.rindex("\ndatabase:") :]
    block = re.split(r"\n\S", database[1:], maxsplit=1)[0]
    assert "host: /var/run/postgresql" in block
    assert "password" not in block
