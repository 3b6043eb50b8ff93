"""The next versions of the packages of one host, made as the runs need them."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

from tests.hosts.deployments import TOP
from tests.hosts.lab import Host
from tests.hosts.lab.synapse_deb import package

from .cells import SID, Upgrade
from .packages import field, repack
from .states import HOMESERVER, LOG

OURS = "altpeter-matrix-config"
TEMPLATE = "/usr/share/altpeter-matrix-config/nginx/site.conf.j2"
CHANGED_CONFFILE = {
    Upgrade.SYNAPSE: None,
    Upgrade.SYNAPSE_HOMESERVER: HOMESERVER,
    Upgrade.SYNAPSE_LOG: LOG,
    Upgrade.TOGETHER: HOMESERVER,
}


class Stock:
    """Makes packages in ``directory`` out of what the host has."""

    def __init__(self, host: Host, directory: Path) -> None:
        self._host = host
        self._directory = directory
        self._numbers = count(1)
        self._originals: dict[str, Path] = {}
        # Which conffiles the versions of Synapse have in their other form: each upgrade that
        # changes one goes on from the version that is installed, as one may have been held back.
        self._forms: dict[str, frozenset[str]] = {}
        self._synapse: dict[frozenset[str], Path] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def installed_first(self, upgrade: Upgrade) -> Path | None:
        """The version of our package that has to be there before the upgrade; None: this one."""
        before = {Upgrade.OURS_THIS: "previous", Upgrade.OURS_BACK: "next"}
        return self.ours(before[upgrade]) if upgrade in before else None

    def packages(self, upgrade: Upgrade) -> list[Path]:
        """What the host's own repository has to offer for the upgrade."""
        if upgrade is Upgrade.RELEASE:
            return []
        if upgrade is Upgrade.NGINX:
            return self._newer("nginx", "nginx-common")
        if upgrade is Upgrade.POSTGRESQL:
            return self._newer(*self._postgresql())
        if upgrade in {Upgrade.OURS_THIS, Upgrade.OURS_BACK}:
            return [self.ours("this")]
        if upgrade is Upgrade.OURS_NEXT:
            return [self.ours("next")]
        offered = [self.newer_synapse(CHANGED_CONFFILE[upgrade])]
        return [*offered, self.ours("next")] if upgrade is Upgrade.TOGETHER else offered

    def ours(self, which: str) -> Path:
        """Our package as ``previous``, ``this`` or ``next``; the others render another site."""
        this = max((TOP / "dist").glob(f"{OURS}_*_all.deb"))
        if which == "this":
            return this
        version = field(this, "Version") + {"previous": "~previous", "next": "+next"}[which]
        text = {TEMPLATE: f"# As of the {which} version.\n"}
        return self._once(which, lambda: repack(this, self._directory, version, text))

    def newer_synapse(self, changed: str | None) -> Path:
        """changed: one of its conffiles, which is to be another one than that of the version
        before."""
        original = self._original_synapse()
        name = field(original, "Package")
        installed = self._host.run("dpkg-query", "-W", "-f", "${Version}", name).stdout
        form = self._forms.get(installed, frozenset()) ^ ({changed} if changed else set())
        if form not in self._synapse:
            text = dict.fromkeys(form, "# Changed upstream.\n")
            place = self._directory / "-".join(["form", *(Path(path).stem for path in form)])
            self._synapse[form] = repack(original, place, field(original, "Version"), text)
        version = self._next_version(field(original, "Version"))
        self._forms[version] = form
        return repack(self._synapse[form], self._directory, version)

    def _original_synapse(self) -> Path:
        if self._host.debian == SID:
            return self._original("matrix-synapse")
        return package(self._host.debian)

    def _newer(self, *names: str) -> list[Path]:
        originals = [self._original(name) for name in names]
        version = self._next_version(field(originals[0], "Version"))
        return [repack(original, self._directory, version) for original in originals]

    def _next_version(self, version: str) -> str:
        return f"{version}+r{next(self._numbers)}"

    def _original(self, name: str) -> Path:
        return self._once(name, lambda: self._download(name))

    def _download(self, name: str) -> Path:
        """The Debian package that the host has, from the host's own mirror."""
        there = self._host.run("mktemp", "-d", "-p", "/var/cache").stdout.strip()
        self._host.sh(f"chmod 755 {there}; cd {there}; apt-get -q download {name}")
        (found,) = (self._host.root / there.lstrip("/")).glob("*.deb")
        kept = self._directory / found.name
        kept.write_bytes(found.read_bytes())
        self._host.run("rm", "-r", there)
        return kept

    def _postgresql(self) -> list[str]:
        """The server, and what else of its source the host has: on sid they demand each other in
        exactly their version."""
        server = f"postgresql-{self._host.run('ls', '/usr/lib/postgresql').stdout.split()[-1]}"
        shown = self._host.run("dpkg-query", "-W", "-f", "${source:Package} ${Package}\\n").stdout
        rows = [line.split() for line in shown.splitlines()]
        found = {package for source, package in rows if source == server}
        return [server, *sorted(found - {server})]

    def _once(self, key: str, make: Callable[[], Path]) -> Path:
        if key not in self._originals:
            self._originals[key] = make()
        return self._originals[key]
