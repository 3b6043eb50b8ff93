"""Without pyinfra: ``apt install`` on a host that has a Synapse repository, once by a script and
once by a person at a terminal."""

import json
import shutil
import ssl
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.hosts.deployments import TOP
from tests.hosts.lab import Host, Lab
from tests.hosts.probes import connect
from tests.hosts.status import assert_well, status_of
from tests.hosts.terminal import Conversation, converse

CODENAMES = {"12": "bookworm", "13": "trixie"}
PASSWORD = "a-Pass-phrase-for-the-test"
GO_ON = r"\[Y/n\] "
NAME = r"Server name: (\S+ )?"
STATISTICS = r"Report anonymous usage statistics\? (\[yes/no\] )?"


@dataclass(frozen=True)
class Case:
    """One way to install: the host's release and who answers debconf's questions."""

    name: str
    debian: str
    preseed: str | None
    server_name: str
    at_terminal: bool = False
    # As on a usual host: debconf then asks for all packages before any is unpacked.
    preconfigured: bool = False


CASES = {
    case.name: case
    for case in (
        Case("plain12", "12", None, "plain12.lab.test"),
        Case("plain13", "13", None, "plain13.lab.test"),
        Case("named12", "12", "named.test", "named.test"),
        Case("plainsid", "sid", None, "plainsid.lab.test"),
        Case("typed12", "12", None, "typed.test", at_terminal=True),
        Case("typed13", "13", None, "typed.test", at_terminal=True, preconfigured=True),
    )
}


@dataclass(frozen=True)
class Installation:
    """A host after the installation, and what was asked when a person sat at a terminal."""

    case: Case
    host: Host
    conversation: Conversation | None = None


def install(lab: Lab, case: Case) -> Installation:
    """The whole installation, as an administrator would do it in a script or by hand."""
    host = lab.host(case.name, debian=case.debian)
    if case.debian in CODENAMES:
        keyring = "/usr/share/keyrings/matrix-org-archive-keyring.gpg"
        shutil.copyfile(lab.services.synapse_keyring, host.root / keyring.lstrip("/"))
        host.write(
            "/etc/apt/sources.list.d/matrix-org.sources",
            f"Types: deb\nURIs: {lab.services.synapse_repository}\n"
            f"Suites: {CODENAMES[case.debian]}\nComponents: main\nSigned-By: {keyring}\n",
        )
    if case.preseed:
        package = "matrix-synapse-py3"
        host.sh(
            "debconf-set-selections",
            input=f"{package} matrix-synapse/server-name string {case.preseed}\n"
            f"{package} matrix-synapse/report-stats boolean false\n",
        )
    package_file = max((TOP / "dist").glob("altpeter-matrix-config_*_all.deb"))
    (host.root / "root" / package_file.name).write_bytes(package_file.read_bytes())
    command = f"apt-get -q install postgresql /root/{package_file.name}"
    record = lab.state / f"{case.name}.output"
    host.sh("apt-get -q update")
    if case.preconfigured:
        host.sh("DEBIAN_FRONTEND=noninteractive apt-get -qy install apt-utils </dev/null")
    if case.at_terminal:
        answers = {GO_ON: "y", NAME: case.server_name, STATISTICS: "no"}
        conversation = converse(host, f"DEBIAN_FRONTEND=readline {command}", answers)
        record.write_text(conversation.screen)
        return Installation(case, host, conversation)
    result = host.sh(
        f"DEBIAN_FRONTEND=noninteractive {command} -y </dev/null 2>&1",
        timeout=900,
    )
    record.write_text(result.stdout)
    return Installation(case, host)


@pytest.fixture(scope="module")
def installing(
    lab: Lab, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[Installation]]]:
    """Runs the installations that the selected tests need at the same time."""
    used = [
        item.callspec.params.get("installed")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {case.name: pool.submit(install, lab, case) for case in CASES.values()
               if case.name in used}  # fmt: skip
    for case in CASES.values():
        if case.name in lab.hosts:
            lab.discard(lab.hosts[case.name])


# tests/package asks the same questions on both releases, and each system there has a Synapse whose
# name was preseeded.
LONG_FORM = ("named12", "typed12")


def way(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.upgrades if name in LONG_FORM else ())


@pytest.fixture(scope="module", params=map(way, CASES))
def installed(
    request: pytest.FixtureRequest, installing: dict[str, Future[Installation]]
) -> Installation:
    return installing[request.param].result()


def ask(host: Host, name: str, path: str) -> tuple[int, bytes]:
    """A request over HTTPS with whatever certificate the host has."""
    connection = connect(host.ipv4, name, None)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_it_serves_clients_under_the_name(installed: Installation) -> None:
    case, host = installed.case, installed.host
    status, body = ask(host, case.server_name, "/_matrix/client/versions")
    assert status == 200 and "versions" in json.loads(body)
    status, body = ask(host, case.server_name, "/.well-known/matrix/server")
    assert json.loads(body) == {"m.server": f"{case.server_name}:443"}


def test_the_server_name_is_the_one_expected(installed: Installation) -> None:
    case, host = installed.case, installed.host
    status, body = ask(host, case.server_name, "/_matrix/key/v2/server")
    assert status == 200
    assert json.loads(body)["server_name"] == case.server_name


def test_the_certificate_is_the_placeholder(installed: Installation) -> None:
    case, host = installed.case, installed.host
    connection = connect(host.ipv4, case.server_name, None)
    served = ssl.DER_cert_to_PEM_cert(connection.sock.getpeercert(binary_form=True) or b"")
    placeholder = host.read("/var/lib/altpeter-matrix/placeholder/fullchain.pem")
    assert served.strip() == placeholder.strip()
    key = host.run("stat", "-c", "%a %U", "/var/lib/altpeter-matrix/placeholder/privkey.pem")
    assert key.stdout.strip() == "600 root"


def test_status_is_healthy(installed: Installation) -> None:
    assert_well(installed.host)


def test_a_user_can_be_made_and_logs_in(installed: Installation) -> None:
    case, host = installed.case, installed.host
    host.run(
        "altpeter-matrix", "user", "create", "alice", "--admin", "--password-file", "-",
        input=f"{PASSWORD}\n",
    )  # fmt: skip
    connection = connect(host.ipv4, case.server_name, None)
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "alice"},
        "password": PASSWORD,
    }
    connection.request("POST", "/_matrix/client/v3/login", body=json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    assert answer["user_id"] == f"@alice:{case.server_name}"


def test_a_second_apply_has_nothing_to_do(installed: Installation) -> None:
    host = installed.host
    before = host.run("readlink", "/var/lib/altpeter-matrix/current").stdout
    host.run("altpeter-matrix", "apply")
    assert host.run("readlink", "/var/lib/altpeter-matrix/current").stdout == before


def test_packages_are_in_order_and_no_conffile_is_ours(installed: Installation) -> None:
    host = installed.host
    assert host.run("dpkg", "--audit").stdout == ""
    conffiles = host.run(
        "dpkg-query", "-W", "-f", "${Conffiles}", "altpeter-matrix-config"
    ).stdout.strip()
    assert conffiles == ""


@pytest.mark.parametrize("installed", ["plain12", "plain13", "plainsid"], indirect=True)
def test_it_is_back_after_a_reboot(installed: Installation) -> None:
    case, host = installed.case, installed.host
    host.reboot()
    host.sh("for _ in $(seq 60); do altpeter-matrix status >/dev/null && exit 0; sleep 1; done; "
            "altpeter-matrix status")  # fmt: skip
    status, _body = ask(host, case.server_name, "/_matrix/client/versions")
    assert status == 200


def test_our_package_has_asked_nothing(installed: Installation) -> None:
    """Synapse's package has: ours only has an answer of its own, taken from there or the host."""
    shown = installed.host.run("debconf-show", "altpeter-matrix-config").stdout
    assert "altpeter-matrix-config/server-name:" in shown
    assert "* " not in shown


@pytest.mark.parametrize("installed", [way("typed12"), way("typed13")], indirect=True)
def test_a_person_is_asked_only_by_apt_and_by_synapses_package(installed: Installation) -> None:
    conversation = installed.conversation
    assert conversation is not None
    assert sorted(conversation.questions) == sorted([GO_ON, NAME, STATISTICS])


@pytest.mark.parametrize("installed", [way("typed12"), way("typed13")], indirect=True)
def test_installing_again_at_a_terminal_asks_nothing(installed: Installation) -> None:
    host = installed.host
    conversation = converse(
        host,
        "DEBIAN_FRONTEND=readline apt-get -q install --reinstall "
        "/root/altpeter-matrix-config_*.deb matrix-synapse-py3 nginx",
        {},
    )
    assert conversation.questions == ()
    assert status_of(host).returncode == 0
