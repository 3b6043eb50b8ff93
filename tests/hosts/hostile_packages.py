"""Packages that somebody who can sign a repository would offer, and the repository."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.hosts.lab import Host, Lab, repository
from tests.hosts.lab.commands import Result, run
from tests.hosts.lab.layout import RELEASES

SOURCE = "/etc/apt/sources.list.d/matrix-org.sources"
# What the maintainer script of each such package leaves.
TRACE = "/root/taken-over-by"


def package(directory: Path, name: str, version: str, **fields: str) -> Path:
    """A package without files that leaves a trace as root; fields: Depends and the like."""
    tree = directory / f"{name}_{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    control = {
        "Package": name, "Version": version, "Architecture": "amd64",
        "Maintainer": "Nobody <nobody@lab.test>", "Description": "not what it says", **fields,
    }  # fmt: skip
    text = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in control.items())
    (tree / "DEBIAN/control").write_text(text)
    script = tree / "DEBIAN/postinst"
    script.write_text(f"#!/bin/sh\n: >{TRACE}-{name}\n")
    script.chmod(0o755)
    built = directory / f"{name}_{version}_amd64.deb"
    run("dpkg-deb", "--root-owner-group", "--build", tree, built)
    return built


class SynapseRepository:
    """Takes the place of Synapse's repository on one host, with the same name and key."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self._services = lab.services
        self._host = host
        self.codename = RELEASES[host.debian].codename
        self.root = lab.services.host.root / "srv/www" / f"hostile-{host.name}"
        self.uri = f"http://packages.lab.test/{self.root.name}"
        self.names: dict[str, str] = {}  # what it calls itself, if not as upstream
        self.signing: Sequence[str] = ()  # with which keys, if not with upstream's: options of gpg
        self.root.mkdir(exist_ok=True)
        text = host.read(SOURCE)
        host.write(SOURCE, text.replace(lab.services.synapse_repository, self.uri))

    def publish(self, packages: Sequence[Path], *, check: bool = True) -> None:
        """Offer exactly these packages. check: the host must believe it."""
        if (self.root / "pool").exists():
            run("rm", "-r", self.root / "pool")
        repository.publish(self.root, self.codename, packages, self._sign, self.names)
        self.update(check=check)

    def update(self, *, check: bool = True) -> str:
        """Have the host's apt read it; what apt said."""
        done = update(self._host, SOURCE)
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout

    def _sign(self, release: str) -> str:
        signed = self._services.host.run(
            "gpg", "--batch", *self.signing, "--clearsign", input=release
        )
        return signed.stdout


class Keys:
    """Keys that upstream makes, on the services host."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._host = lab.services.host
        self.home = f"/root/keys-{name}"
        self._host.run("install", "-d", "-m", "700", self.home)

    def gpg(self, *arguments: str) -> str:
        return self._host.run("gpg", "--homedir", self.home, "--batch", "--yes", "--passphrase", "",
                              *arguments).stdout  # fmt: skip

    def make(self, name: str, expiry: str) -> str:
        """Its fingerprint."""
        self.gpg("--quick-generate-key", name, "ed25519", "sign", expiry)
        listing = self.gpg("--with-colons", "--list-keys", f"={name}")
        return listing.partition("\nfpr:")[2].partition("\n")[0].strip(":")

    def signing(self, *keys: str) -> tuple[str, ...]:
        """For `SynapseRepository.signing`."""
        return ("--homedir", self.home, *(f"--local-user={key}" for key in keys))

    def publish(self, repository: SynapseRepository, *keys: str) -> Path:
        """As packages.matrix.org does, beside the packages; the file."""
        target = repository.root / "matrix-org-archive-keyring.gpg"
        inside = f"/srv/www/{repository.root.name}/{target.name}"
        self.gpg("--output", inside, "--export", *keys)
        return target


def update(host: Host, source: str) -> Result:
    """apt reads one repository: to read Debian's takes it a quarter of a minute."""
    return host.sh(
        f"apt-get -q update -o Dir::Etc::sourcelist={source} -o Dir::Etc::sourceparts=-"
        " -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any 2>&1",
        check=False,
    )


@contextmanager
def nobody_checks(host: Host) -> Iterator[None]:
    """As if the check of candidates were not there: what apt does by itself."""
    unit = "altpeter-matrix-upgrade-check.service"
    host.run("systemctl", "mask", "--runtime", "--now", unit)
    try:
        yield
    finally:
        host.run("systemctl", "unmask", "--runtime", unit)
