"""A hostile package is offered as the next Synapse: its code is asked before anybody installs it.

Its packages are small: a Python that is Debian's, and a `synapse` that attacks as soon as it is
imported. What it managed it says itself, in the answer that the check quotes.
"""

import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.hostile_code import EATS, FORKS, LIES, PARSES, PRINTS, REACHES
from tests.hosts.lab.commands import run
from tests.hosts.probes import difference, state_of, wait_until_serving
from tests.hosts.upgrades.candidates import PYTHON, UPSTREAM

SITE = "opt/venvs/matrix-synapse/lib/{}/site-packages"
KEY = "/etc/matrix-synapse/homeserver.signing.key"
SECRETS = "/etc/altpeter-matrix/secrets"
# There for its parser, see the test of that.
STAND_INS = (
    f"read {KEY}",
    f"read {SECRETS}/macaroon_secret_key",
    "read /etc/matrix-synapse/homeserver.yaml",
    "list /etc/matrix-synapse",
    "list /var/lib/matrix-synapse",
)
# What the check itself writes when it holds something back, and what watches the server of it; and
# a directory, which stays empty.
NOTED = (
    "held-back", "upgrade-checks.json", "login-message", "notify.json", "altpeter-matrix/candidate",
)  # fmt: skip
FOR_EVER = """
from altpeter_matrix.base import sandbox
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths
code = "import os, time; os.fork() or os.setsid(); time.sleep(3600)"
with sandbox.empty_root(Paths()) as root:
    try:
        sandbox.ask(Paths(), "/usr/bin/python3", "-c", code, root=root, seconds=3)
    except HostError as error:
        print(error)
"""
# What apt's own user does with the file as soon as apt has looked at it.
SWAPS = {
    "another package": "cp /srv/other.deb new; mv new $f",
    "a link": "ln -sf /etc/shadow $f",
    "an endless file": "ln -sf /dev/zero $f",
    "a named pipe": "rm $f; mkfifo $f",
    "a longer file": "cp $f new; echo >>new; mv new $f",  # the file itself is root's by now
}
SWAPPING_APT = """\
#!/bin/sh
/usr/bin/apt-get "$@" || exit
exec runuser -u _apt -- sh -c 'for f in *.deb; do {}; done'
"""
FETCH = """
import sys
from pathlib import Path
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.apt.download import fetch
from altpeter_matrix.base.paths import Paths
try:
    print("fetched", fetch(Paths(), *sys.argv[1:3], Path("/root/fetched")))
except HostError as error:
    print(error)
"""


@dataclass
class Victim:
    """A server that hostile packages are offered to."""

    server: Deployment
    directory: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def build(self, code: str, parser: str = "") -> Path:
        """A package whose `synapse` is that code, and its parser that one; its file on the host."""
        debian = self.server.host.debian
        top = self.directory / f"hostile{next(self._numbers)}"
        site = top / SITE.format(PYTHON[debian])
        (site / "synapse/config").mkdir(parents=True)
        (site / "synapse/__init__.py").write_text(textwrap.dedent(code))
        (site / "synapse/config/__init__.py").touch()
        (site / "synapse/config/__main__.py").write_text(parser)
        (site.parents[2] / "bin").mkdir()
        (site.parents[2] / "bin/python").symlink_to(f"/usr/bin/{PYTHON[debian]}")
        (site.parents[2] / "pyvenv.cfg").write_text("home = /usr/bin\n")
        (top / "DEBIAN").mkdir()
        version = f"99.{top.name.removeprefix('hostile')}"
        (top / "DEBIAN/control").write_text(
            f"Package: {UPSTREAM}\nVersion: {version}\nArchitecture: amd64\n"
            "Maintainer: Mallory <m@example.org>\nDescription: hostile\n"
        )
        name = f"{UPSTREAM}_{version}_amd64.deb"
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", top, self.directory / name)
        target = self.server.host.root / "root" / name
        target.write_bytes((self.directory / name).read_bytes())
        return Path("/root") / name

    def offer(self, code: str, parser: str = "") -> str:
        """What apt is told when it is about to install that package."""
        deb = self.build(code, parser)
        told = self.server.host.run(
            "python3", "-I", "-m", "altpeter_matrix.cli.apt_hook", input=f"{deb}\n", check=False
        )
        return f"{told.returncode} {told.stdout}{told.stderr}"

    def left(self) -> str:
        """What is left of the code: processes of a user that has no name, its unit, its files."""
        return self.server.host.sh(
            "ps -eo uid=,pid=,args= | awk '$1 >= 61184 && $1 <= 65519 && !/after_start/';"
            " systemctl list-units --all --plain --no-legend 'altpeter-matrix-candidate*';"
            " ls -d /run/altpeter-matrix/sandbox.* /var/lib/altpeter-matrix/candidate/*"
            " 2>/dev/null || true"
        ).stdout


@pytest.fixture(scope="module")
def victim(
    deployment: Deployment,
    clone: Callable[..., Deployment],
    tmp_path_factory: pytest.TempPathFactory,
) -> Victim:
    server = clone(deployment, "candidate")
    wait_until_serving(server)
    return Victim(server, tmp_path_factory.mktemp("hostile"))


def test_it_reaches_nothing_of_the_host(victim: Victim) -> None:
    host = victim.server.host
    before = state_of(host)
    server = host.read("/etc/resolv.conf").split()[1]
    told = victim.offer(REACHES.replace("NAMESERVER", server))
    assert "managed: nothing." in told, told
    managed = {what for one in re.findall(r"managed: (.*?)\.;", told) for what in one.split(", ")}
    assert managed <= {"nothing", *STAND_INS}, told
    changed = difference(before, state_of(host))
    assert {key for key in changed if not any(one in key for one in NOTED)} == set()
    assert victim.left() == ""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (FORKS, "forked"),
        (EATS, "pieces of 10 MB"),
        (PRINTS, "says more than a megabyte"),
        (LIES, "would not serve here"),
    ],
    ids=["forks", "memory", "output", "lies"],
)
def test_it_uses_up_no_more_than_it_is_given(victim: Victim, code: str, says: str) -> None:
    told = victim.offer(code)
    assert says in told and "would not serve here" in told, told[:2000]
    assert "Traceback" not in told and "\x1b" not in told
    assert len(told) < 6000
    for number in (int(word) for word in told.split() if word.isdigit()):
        assert number < 1000, told
    assert victim.left() == ""
    wait_until_serving(victim.server, within=10)


def test_what_never_ends_is_ended_with_all_that_it_has_started(victim: Victim) -> None:
    told = victim.server.host.run("python3", "-I", "-", input=FOR_EVER).stdout
    assert "did not end within 3 s" in told
    assert victim.left() == ""


def test_its_parser_sees_the_configuration_and_no_secret_of_it(victim: Victim) -> None:
    host = victim.server.host
    parser = PARSES.replace("KEY", KEY).replace("SECRETS", SECRETS)
    told = victim.offer("", parser)
    assert "read: ed25519 a_stand " in told, told
    for name in (KEY, f"{SECRETS}/macaroon_secret_key", f"{SECRETS}/registration_shared_secret"):
        for word in host.read(name).split():
            assert word == "ed25519" or word not in told, name


def test_a_package_that_is_swapped_once_apt_has_looked_at_it_is_not_taken(victim: Victim) -> None:
    """Its directory belongs to apt's own user, who reads what comes from the network."""
    host = victim.server.host
    version = host.run("dpkg-query", "-W", "-f", "${Version}", UPSTREAM).stdout
    host.run("cp", str(victim.build("")), "/srv/other.deb")
    fetch = ("env", "PATH=/srv/bin:/usr/sbin:/usr/bin", "timeout", "60", "python3", "-I", "-c",
             FETCH, UPSTREAM, version)  # fmt: skip
    for swap, script in {**SWAPS, "nothing": ":"}.items():
        host.write("/srv/bin/apt-get", SWAPPING_APT.format(script), 0o755)
        host.sh("rm -rf /root/fetched; mkdir -m 0700 /root/fetched")
        told = host.run(*fetch).stdout
        left = host.sh("cd /root/fetched; cat * | head -c 5").stdout
        if swap == "nothing":
            assert told.startswith("fetched ") and left == "!<arc"
        else:
            assert "it is not the file that the repository's lists name" in told, (swap, told)
            assert left == "", swap
    assert host.sh("ls -d /var/lib/altpeter-matrix/.download.* || true").stdout == ""
