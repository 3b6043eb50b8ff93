"""Newer versions of packages that the test machine has, and a repository that offers them.

A newer version is the same package with another version and, where it is to differ, with text
appended to some of its files or replaced in them: as if upstream had changed them.
"""

import hashlib
import io
import shlex
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.hosts.lab import Host, Lab, repository
from tests.hosts.lab.commands import run
from tests.hosts.lab.layout import RELEASES

SOURCE = "/etc/apt/sources.list.d/upgrades.sources"
# unattended-upgrades is to take what comes from there.
ALLOWED = "/etc/apt/apt.conf.d/60upgrades"
KEYRING = "/usr/share/keyrings/upgrades.gpg"
# Text to append, or an old text and the new one.
Change = str | tuple[str, str]


def field(package: Path, name: str) -> str:
    return run("dpkg-deb", "--field", package, name).stdout.strip()


def repack(
    package: Path, target: Path, version: str, changed: Mapping[str, Change] | None = None
) -> Path:
    """The package as another version, in the directory ``target``.

    changed: what to change in files, by their absolute paths.
    """
    changes = {f".{path}": change for path, change in (changed or {}).items()}
    name = f"{field(package, 'Package')}_{version}_{field(package, 'Architecture')}.deb"
    work = target / f"{name}.work"
    work.mkdir(parents=True)
    sums: dict[str, str] = {}
    data = next(m for m in run("ar", "t", package).stdout.split() if m.startswith("data.tar"))
    if changes:
        data = "data.tar.zst"
        sums = _change_data(package, work / data, changes)
    else:
        _to_file(["ar", "p", str(package), data], work / data)
    _change_control(package, work / "control.tar", version, sums)
    (work / "debian-binary").write_text("2.0\n")
    members = [work / "debian-binary", work / "control.tar", work / data]
    (target / name).unlink(missing_ok=True)
    run("ar", "rcD", target / name, *members)
    run("rm", "-r", work)
    return target / name


def _to_file(command: list[str], target: Path) -> None:
    with target.open("wb") as output:
        subprocess.run(command, stdout=output, check=True)


def _change_data(package: Path, target: Path, changes: Mapping[str, Change]) -> dict[str, str]:
    """Write the data member with the changes; the new md5sums by path."""
    sums = {}
    reader = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    writer = subprocess.Popen(
        f"zstd -q -1 -o {shlex.quote(str(target))}", shell=True, stdin=subprocess.PIPE
    )
    with (
        tarfile.open(fileobj=reader.stdout, mode="r|") as old,
        tarfile.open(fileobj=writer.stdin, mode="w|", format=tarfile.GNU_FORMAT) as new,
    ):
        for member in old:
            content = old.extractfile(member) if member.isreg() else None
            if content is not None and member.name in changes:
                text = _changed(content.read(), changes[member.name])
                member.size = len(text)
                sums[member.name.removeprefix("./")] = hashlib.md5(text).hexdigest()
                content = io.BytesIO(text)
            new.addfile(member, content)
    assert writer.stdin is not None
    writer.stdin.close()
    assert writer.wait() == 0 and reader.wait() == 0
    assert len(sums) == len(changes), f"{package.name} lacks some of {sorted(changes)}"
    return sums


def _changed(content: bytes, change: Change) -> bytes:
    if isinstance(change, str):
        return content + change.encode()
    old, new = (text.encode() for text in change)
    assert content.count(old) == 1, f"{change[0]!r} is there {content.count(old)} times"
    return content.replace(old, new)


def _change_control(package: Path, target: Path, version: str, sums: Mapping[str, str]) -> None:
    old_tar = subprocess.run(
        ["dpkg-deb", "--ctrl-tarfile", package], stdout=subprocess.PIPE, check=True
    ).stdout
    with (
        tarfile.open(fileobj=io.BytesIO(old_tar)) as old,
        tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as new,
    ):
        for member in old:
            content = old.extractfile(member)
            if content is None:
                new.addfile(member)
                continue
            text = content.read().decode()
            if member.name == "./control":
                text = _with_version(text, version)
            elif member.name == "./md5sums":
                text = _with_sums(text, sums)
            data = text.encode()
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))


def _with_version(text: str, version: str) -> str:
    """Packages of one source demand each other in exactly their version."""
    old = next(line.partition(" ")[2] for line in text.splitlines() if line.startswith("Version:"))
    text = text.replace(f"(= {old})", f"(= {version})")
    return text.replace(f"Version: {old}\n", f"Version: {version}\n")


def _with_sums(text: str, sums: Mapping[str, str]) -> str:
    """Conffiles have no line here, so theirs are dropped."""
    rows = [line.split("  ", 1) for line in text.splitlines()]
    return "".join(f"{sums.get(path, old)}  {path}\n" for old, path in rows)


class Repository:
    """An apt repository of one host's own, on the lab's server.

    It has Debian's packages beside Synapse's, so it is not under the name of Synapse's repository,
    of which no other package is taken.
    """

    def __init__(self, lab: Lab, host: Host, codename: str = "") -> None:
        """codename: of the release that the packages are for, if not the host's own."""
        self._services = lab.services
        self._host = host
        self._codename = codename or RELEASES[host.debian].codename
        self._root = lab.services.host.root / "srv/www" / f"upgrades-{host.name}"
        key = host.root / KEYRING.lstrip("/")
        key.write_bytes(lab.services.synapse_keyring.read_bytes())
        host.write(
            SOURCE,
            f"Types: deb\nURIs: http://upgrades.lab.test/{self._root.name}\n"
            f"Suites: {self._codename}\nComponents: main\nSigned-By: {KEYRING}\n",
        )
        host.write(ALLOWED, 'Unattended-Upgrade::Origins-Pattern:: "site=upgrades.lab.test";\n')

    def publish(self, packages: Sequence[Path]) -> None:
        """Offer exactly these packages, and have the host know it."""
        if (self._root / "pool").exists():
            run("rm", "-r", self._root / "pool")
        repository.publish(self._root, self._codename, packages, self._sign)
        self._host.run(
            "apt-get", "-q", "update",
            "-o", f"Dir::Etc::sourcelist={SOURCE}", "-o", "Dir::Etc::sourceparts=-",
            "-o", "APT::Get::List-Cleanup=0",
        )  # fmt: skip

    def remove(self) -> None:
        """Have the host know of no such repository any more."""
        self._host.run("rm", SOURCE, ALLOWED)

    def _sign(self, release: str) -> str:
        return self._services.host.run("gpg", "--batch", "--clearsign", input=release).stdout
