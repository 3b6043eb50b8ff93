"""The first deploy of a bare host against plain apt-get on an identical one."""

from __future__ import annotations

import shlex

from tests.hosts.lab import Host, Lab, LabError

from .deploying import SERVER_NAME, Server, our_package
from .result import Comparison, Result
from .timing import alternately, seconds

LIMIT = 1.3
KEYRING = "/usr/share/keyrings/bench.gpg"
OUR_PACKAGE = "altpeter-matrix-config"
LOCAL_COPY = f"/root/{OUR_PACKAGE}.deb"


class FirstDeploy:
    """Both ways from a bare host to the same set of installed packages.

    A host that has had its turn is switched off and not removed: the file system goes on deleting
    long after the deletion, and whoever comes next waits for it in each fsync of dpkg (measured:
    40 s became 50 s). The lab removes them all at its end.
    """

    def __init__(self, lab: Lab, debian: str) -> None:
        self.lab = lab
        self.debian = debian
        self.packages: frozenset[str] = frozenset()
        self.kept: Server | None = None
        self.hosts = 0

    def measure(self, pairs: int) -> Result:
        """Time both, taking turns."""
        ours, theirs = alternately(
            f"first deploy, Debian {self.debian}", pairs, self.deploy, self.apt_get
        )
        return Comparison(f"first deploy, Debian {self.debian}", ours, theirs, LIMIT)

    def deployed(self) -> Server:
        """The host deployed last, running, for the other measurements."""
        if self.kept is None:
            self.deploy()
        assert self.kept is not None
        if not self.kept.host.running:
            self.kept.host.start()
            self.kept.healthy()
        return self.kept

    def switch_off(self) -> None:
        """The next release is measured on a quiet machine."""
        if self.kept is not None and self.kept.host.running:
            self.kept.host.stop()

    def deploy(self) -> float:
        """One run of the public command on a bare host."""
        server = self.kept = Server.bare(self.lab, self.debian, self.new_name("deployed"))
        before = installed(server.host)
        took = seconds(server.deploy)
        server.healthy()
        self.packages = installed(server.host) - before
        server.host.stop()
        return took

    def apt_get(self) -> float:
        """``apt-get update && apt-get install`` of the packages that the deploy installed."""
        host = self.lab.host(self.new_name("plain"), debian=self.debian)
        try:
            before = installed(host)
            self.prepare(host)
            names = [*sorted(self.packages - {OUR_PACKAGE}), LOCAL_COPY]
            script = (
                "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; apt-get -qq -y install "
                f"--no-install-recommends {shlex.join(names)} </dev/null"
            )
            took = seconds(lambda: host.sh(script, timeout=1200))
            got = installed(host) - before
        finally:
            host.stop()
        if got != self.packages:
            odd = ", ".join(sorted(got ^ self.packages))
            raise LabError(f"apt-get did not install the same packages as the deploy: {odd}")
        return took

    def new_name(self, purpose: str) -> str:
        self.hosts += 1
        return f"{purpose}{self.debian}n{self.hosts}"

    def prepare(self, host: Host) -> None:
        """What is not timed: the repository, the answers to debconf, the package file."""
        services = self.lab.services
        keyring = host.root / KEYRING.lstrip("/")
        keyring.write_bytes(services.synapse_keyring.read_bytes())
        codename = host.sh(". /etc/os-release; echo $VERSION_CODENAME").stdout.strip()
        host.write(
            "/etc/apt/sources.list.d/bench.list",
            f"deb [signed-by={KEYRING}] {services.synapse_repository} {codename} main\n",
        )
        answers = (
            f"matrix-synapse matrix-synapse/server-name string {SERVER_NAME}\n"
            "matrix-synapse matrix-synapse/report-stats boolean false\n"
        )
        host.run("debconf-set-selections", input=answers)
        package = host.root / LOCAL_COPY.lstrip("/")
        package.write_bytes(our_package().read_bytes())


def installed(host: Host) -> frozenset[str]:
    """Return the names of all installed packages."""
    listing = host.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n").stdout
    rows = (line.split() for line in listing.splitlines())
    return frozenset(name for status, name in rows if status == "installed")
