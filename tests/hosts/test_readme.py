"""Every command that README.md shows, run as it is written there.

They run in a clone of this checkout, as a reader would have one; only names change: the clone's
address, and the lab's host instead of the reader's. A command that no test here knows fails.
"""

import http.client
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench import nothing_to_do
from tests.hosts.deployments import TOP, Deployment
from tests.hosts.lab import Lab
from tests.hosts.probes import (
    VERSIONS,
    assert_healthy,
    connect,
    login,
    request,
    upload_limit,
    wait_until_serving,
    well_known_client,
)
from tests.hosts.reader import deploy_as_told, remove, run, typed
from tests.hosts.readme import ELSEWHERE, REGISTER, proved, proves, readme_commands
from tests.hosts.status import status_of

NEW = {"uploads": {"max_size": "6M"}}


@pytest.fixture(scope="module")
def checkout(lab: Lab) -> Iterator[Path]:
    """What a reader has after ``git clone`` and ``cd``."""
    top = lab.state / "readme" / "altpeter-matrix-config"
    remove(top)
    top.parent.mkdir(parents=True)
    run("git", "clone", "--quiet", str(TOP), top.name, cwd=top.parent)
    # A second set of base images would cost minutes and prove nothing more.
    (top / "build/lab").mkdir(parents=True)
    (top / "build/lab/cache").symlink_to(TOP / "build/lab/cache")
    yield top
    remove(top)


@pytest.fixture(scope="module")
def server(debian13: Deployment, clone: Callable[..., Deployment], checkout: Path) -> Deployment:
    """A server whose settings README.md's own steps change. What they make of a bare host, ``make
    demo`` shows, which is the same deploy."""
    copy = clone(debian13, "readme", dns=True)
    settings = {**copy.settings, **NEW}
    output = deploy_as_told(checkout, copy.host, settings)
    assert copy.base_url in output
    assert "administrator_password" in output
    return replace(copy, settings=settings)


def test_every_command_in_the_readme_is_run_by_a_test() -> None:
    known = proved | set(ELSEWHERE)
    assert readme_commands() - known == set(), "no test runs these"
    assert known - readme_commands() == set(), "README.md no longer has these"


def test_this_module_finds_commands_in_all_places() -> None:
    """Proves that the test above can fail."""
    found = readme_commands()
    assert {"make demo", "make bench", "altpeter-matrix diff"} <= found


@proves("make demo", "make demo-down")
def test_demo_serves_and_is_gone_afterwards(checkout: Path) -> None:
    said = run("make", "demo", cwd=checkout).stdout
    report = json.loads((checkout / "build/demo.json").read_text())
    assert set(report) == {
        "server_name", "base_url", "address", "ca_file", "ssh", "admin_user", "admin_password",
    }  # fmt: skip
    for key in ("base_url", "address", "admin_user", "admin_password"):
        assert report[key] in said
    assert report["admin_user"].endswith(f":{report['server_name']}")
    assert demo_answers(report, checkout)
    assert demo_lets_in(report, checkout)
    run(*report["ssh"], "cat /etc/debian_version", cwd=checkout)
    run("make", "demo-down", cwd=checkout)
    assert not (checkout / "build/demo.json").exists()
    with pytest.raises(OSError):
        demo_answers(report, checkout, timeout=5)


def demo_connection(
    report: Mapping[str, Any], checkout: Path, timeout: float = 20
) -> http.client.HTTPSConnection:
    name = str(report["base_url"]).removeprefix("https://")
    return connect(report["address"], name, str(checkout / report["ca_file"]), timeout=timeout)


def demo_answers(report: Mapping[str, Any], checkout: Path, timeout: float = 20) -> bool:
    connection = demo_connection(report, checkout, timeout)
    connection.request("GET", VERSIONS)
    answer = connection.getresponse()
    return answer.status == http.client.OK and "versions" in json.loads(answer.read())


def demo_lets_in(report: Mapping[str, Any], checkout: Path) -> bool:
    """Whether the administrator of the report logs in with the password of the report."""
    connection = demo_connection(report, checkout)
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": report["admin_user"]},
        "password": report["admin_password"],
    }
    connection.request("POST", "/_matrix/client/v3/login", body=json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    return bool(answer.get("user_id") == report["admin_user"])


@proves("make demo DEBIAN=12")
def test_demo_takes_the_newer_release_unless_told(checkout: Path) -> None:
    assert "--debian 13" in run("make", "-n", "demo", cwd=checkout).stdout
    assert "--debian 12" in run("make", "-n", "demo", "DEBIAN=12", cwd=checkout).stdout


@proves(
    "git clone https://github.com/altpeter/altpeter-matrix-config",
    "cd altpeter-matrix-config",
    "make deb",
    "cp -r examples my-server",
    "build/venv/bin/pyinfra my-server/inventory.py deploy.py",
)
def test_deploy_to_your_own_server(server: Deployment) -> None:
    wait_until_serving(server)
    assert_healthy(server)
    assert upload_limit(server, login(server)) == 6 * 1024**2


@proves("make test-fast")
def test_unit_tests_run_in_a_fresh_clone(checkout: Path) -> None:
    """A small part of them: all of them run beside this test anyway."""
    fast = ["env", "PYTEST_ADDOPTS=-k test_model", "make", "test-fast"]
    assert " passed" in run(*fast, cwd=checkout).stdout.splitlines()[-1]


@proves("make check")
def test_the_quick_checks_pass_and_fail_in_a_fresh_clone(checkout: Path) -> None:
    run("make", "check", cwd=checkout)
    wrong = checkout / "altpeter_matrix/wrong.py"
    wrong.write_text('import json\n\nMODE: int = "0644"\neval(input())\n')
    try:
        with pytest.raises(AssertionError, match="failed: ruff mypy contracts bandit"):
            run("make", "check", cwd=checkout)
    finally:
        wrong.unlink()


@proves("make bench")
def test_bench_can_begin_and_its_quickest_part_keeps_its_limit(server: Deployment) -> None:
    run(sys.executable, "-m", "tests.bench", "--help", cwd=TOP)
    assert "-m tests.bench" in run("make", "-n", "bench", cwd=TOP).stdout
    result = nothing_to_do.measure(server.host, turns=10)
    assert result.ok, result.row()


# The table of day 2, in its order, on the one server.


@proves("altpeter-matrix status")
def test_status(server: Deployment) -> None:
    assert status_of(server.host).stdout.startswith("healthy")


@proves("altpeter-matrix user create alice")
def test_making_an_account_asks_for_the_password(server: Deployment) -> None:
    password = "correct horse battery staple"
    said = typed(server.host, "altpeter-matrix user create alice", password, password)
    assert "@alice:" in said
    assert password not in said
    assert lets_in(server, "alice", password)


@proves(REGISTER)
def test_synapses_own_program_makes_an_account(server: Deployment) -> None:
    password = "correct horse battery staple"
    said = typed(server.host, REGISTER, "bob", password, password, "no")
    assert "Success!" in said
    assert lets_in(server, "bob", password)


def lets_in(server: Deployment, user: str, password: str) -> bool:
    answer = request(
        server,
        "/_matrix/client/v3/login",
        method="POST",
        body={
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
        },
    )
    return answer.status == http.client.OK


@proves(
    "/etc/altpeter-matrix/settings.yaml",
    "altpeter-matrix diff",
    "altpeter-matrix apply",
    "altpeter-matrix generations",
    "altpeter-matrix rollback",
    "altpeter-matrix upgrades",
)
def test_changing_a_setting_and_going_back(server: Deployment) -> None:
    host = server.host
    before = host.read("/etc/altpeter-matrix/settings.yaml")
    host.write(
        "/etc/altpeter-matrix/settings.yaml",
        before + "\nwell_known: {client: {test.readme: true}}\n",
    )
    shown = host.run("altpeter-matrix", "diff", check=False)
    assert shown.returncode == 1
    assert "test.readme" in shown.stdout
    host.run("altpeter-matrix", "apply")
    assert well_known_client(server)["test.readme"] is True
    assert "matrix-synapse-py3" in host.run("altpeter-matrix", "upgrades").stdout
    assert host.run("altpeter-matrix", "diff").stdout == ""
    assert host.run("altpeter-matrix", "generations").stdout.count("(current)") == 1
    host.run("altpeter-matrix", "rollback")
    assert "test.readme" not in well_known_client(server)
    host.write("/etc/altpeter-matrix/settings.yaml", before)
    host.run("altpeter-matrix", "apply")
    assert_healthy(server)


@proves("altpeter-matrix database upgrade")
def test_database_upgrade_has_nothing_to_do_on_this_release(server: Deployment) -> None:
    # test_release_upgrade.py moves a database.
    assert server.host.run("altpeter-matrix", "database", "upgrade").stdout == "Nothing to do.\n"


@proves("altpeter-matrix usage")
def test_usage_shows_where_the_room_is(server: Deployment) -> None:
    # test_usage.py compares the numbers.
    said = server.host.run("altpeter-matrix", "usage").stdout
    assert "Where the room is:\n" in said and "  database  " in said


@proves("altpeter-matrix usage reclaim")
def test_usage_reclaim_finds_nothing_in_a_new_database(server: Deployment) -> None:
    # test_reclaim.py has one with something to give back.
    assert server.host.run("altpeter-matrix", "usage", "reclaim").stdout.endswith(
        "Nothing is worth it.\n"
    )


@proves("altpeter-matrix upgrade check")
def test_upgrade_check_finds_the_newest_synapse_installed(server: Deployment) -> None:
    # test_updates.py has newer ones.
    said = server.host.run("altpeter-matrix", "upgrade", "check").stdout
    assert said == "apt offers no newer Synapse.\n"


@proves("altpeter-matrix records")
def test_records(server: Deployment) -> None:
    assert server.host.ipv4 in server.host.run("altpeter-matrix", "records").stdout


@proves("/etc/altpeter-matrix/synapse.d/NAME.yaml", "/etc/altpeter-matrix/nginx.d/NAME.conf")
def test_additions(server: Deployment) -> None:
    host = server.host
    host.write("/etc/altpeter-matrix/nginx.d/hello.conf", "location = /hello { return 204; }\n")
    host.write("/etc/altpeter-matrix/synapse.d/hello.yaml", "max_avatar_size: 1M\n", mode=0o640)
    host.run("altpeter-matrix", "apply")
    assert request(server, "/hello").status == http.client.NO_CONTENT
    generated = host.read("/var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml")
    assert re.search(r"^max_avatar_size: 1M$", generated, re.MULTILINE)
    assert_healthy(server)


@proves("apt remove altpeter-matrix-config")
def test_removal_keeps_the_server(server: Deployment) -> None:
    # Last: afterwards the host has no altpeter-matrix any more.
    server.host.run("apt", "remove", "altpeter-matrix-config", input="y\n")
    assert server.host.run("systemctl", "is-active", "matrix-synapse").stdout == "active\n"
