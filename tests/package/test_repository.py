"""`make repo`: what is published, for apt itself to judge."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.base.disk import replace
from scripts import publish as module
from scripts import repository_key
from tests.package.builds import TOP
from tests.package.releases import release

PACKAGE = "altpeter-matrix-config"
HOME_LIMIT = "The socket of gpg's agent lies in its home, and its path may have 107 bytes."


@dataclass(frozen=True)
class Publisher:
    """Somebody with a checkout, a key and a directory that a web server shows."""

    folder: Path
    package: Path

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def home(self) -> Path:
        return self.folder / "key"

    def run(self, *packages: Path, **options: str) -> "subprocess.CompletedProcess[str]":
        """The command of `make repo`."""
        chosen = {"repository": str(self.repository), "key-home": str(self.home), **options}
        chosen.setdefault("uri", self.repository.as_uri())
        words = [word for name, value in chosen.items() for word in (f"--{name}", value)]
        return subprocess.run(
            [sys.executable, "-m", "scripts.publish", *words, *map(str, packages)],
            cwd=TOP,
            check=False,
            capture_output=True,
            text=True,
        )

    def publish(self, *versions: str) -> None:
        done = self.run(*(self.release(version) for version in versions))
        assert done.returncode == 0, done.stderr

    def release(self, version: str) -> Path:
        made = self.folder / "dist" / f"{PACKAGE}_{version}_all.deb"
        return made if made.exists() else release(self.package, version, made.parent)


@pytest.fixture
def publisher(package: Path) -> Iterator[Publisher]:
    folder = Path(tempfile.mkdtemp(prefix="repo-"))  # not tmp_path: see HOME_LIMIT
    folder.chmod(0o755)
    yield Publisher(folder, package)
    shutil.rmtree(folder)


class Client:
    """An apt of its own that knows only the published repository."""

    def __init__(self, publisher: Publisher) -> None:
        self.root = publisher.folder / "client"
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("etc/sources.list.d", "etc/preferences.d", "state/lists/partial", "cache"):
            (self.root / name).mkdir(parents=True)
        (self.root / "status").touch()
        entry = publisher.repository / module.SOURCES_NAME
        if entry.exists():
            shutil.copy(entry, self.root / "etc/sources.list.d")

    def apt(self, program: str, *words: str) -> "subprocess.CompletedProcess[str]":
        options = {
            "Dir::Etc": self.root / "etc",
            "Dir::State": self.root / "state",
            "Dir::State::status": self.root / "status",
            "Dir::Cache": self.root / "cache",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
        }
        settings = [word for item in options.items() for word in ("-o", "=".join(map(str, item)))]
        return subprocess.run(
            [program, *settings, *words], check=False, capture_output=True, text=True
        )

    def versions(self) -> list[str]:
        """What apt offers, after an update without a word of complaint."""
        update = self.apt("apt-get", "-q", "update")
        assert (update.returncode, update.stderr) == (0, ""), update.stderr
        table = self.apt("apt-cache", "madison", PACKAGE).stdout
        return [line.split("|")[1].strip() for line in table.splitlines()]


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_apt_believes_it_and_gets_every_version(publisher: Publisher) -> None:
    publisher.publish("0.1.0-1")
    publisher.publish("0.2.0-1", "0.1.0-1")
    publisher.publish("0.10.0-1")
    client = Client(publisher)
    assert client.versions() == ["0.10.0-1", "0.2.0-1", "0.1.0-1"]
    for version in ("0.10.0-1", "0.1.0-1"):
        got = client.apt("apt-get", "-q", "download", f"{PACKAGE}={version}", "--print-uris")
        assert f"pool/main/{PACKAGE}/{PACKAGE}_{version}_all.deb" in got.stdout


def test_what_apt_and_unattended_upgrades_know_it_by_never_changes(publisher: Publisher) -> None:
    publisher.publish("0.1.0-1")
    release = (publisher.repository / "dists/altpeter/InRelease").read_text()
    for line in (
        "Origin: Altpeter", "Label: altpeter-matrix-config", "Suite: altpeter",
        "Codename: altpeter", "Architectures: all", "Components: main", "Acquire-By-Hash: yes",
    ):  # fmt: skip
        assert f"\n{line}\n" in release
    assert "Valid-Until" not in release, "it would expire where nobody publishes for a while"


def test_an_altered_index_or_an_altered_release_is_not_believed(publisher: Publisher) -> None:
    """Proves that the tests above can fail."""
    publisher.publish("0.1.0-1")
    suite = publisher.repository / "dists/altpeter"
    for path in (*suite.rglob("by-hash/*/*"), suite / "main/binary-all/Packages"):
        path.write_text(path.read_text().replace("0.1.0-1", "6.6.6-1"))
    assert Client(publisher).apt("apt-get", "-q", "update").returncode != 0
    in_release = suite / "InRelease"
    in_release.write_text(in_release.read_text().replace("Altpeter", "Somebody"))
    assert Client(publisher).apt("apt-get", "-q", "update").returncode != 0


def test_the_secret_key_is_made_once_for_the_publisher_alone(publisher: Publisher) -> None:
    first = publisher.run(publisher.release("0.1.0-1"))
    assert "Made the signing key in" in first.stderr and "keep a copy" in first.stderr
    second = publisher.run(publisher.release("0.2.0-1"))
    assert second.stderr == ""
    assert first.stdout.splitlines()[0] == second.stdout.splitlines()[0]
    assert stat.S_IMODE(publisher.home.stat().st_mode) == 0o700
    for path in (publisher.home / "private-keys-v1.d").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes() not in tree(publisher.repository).values()
    assert b"PRIVATE" not in b"".join(tree(publisher.repository).values())
    agents = subprocess.run(["pgrep", "-f", str(publisher.home)], check=False, capture_output=True)
    assert agents.stdout == b"", "gpg's agent still runs"


@pytest.mark.parametrize("place", ["inside", "checkout"])
def test_a_key_that_would_be_served_is_refused(publisher: Publisher, place: str) -> None:
    home = publisher.repository / "key" if place == "inside" else TOP / "key-of-the-test"
    done = publisher.run(publisher.release("0.1.0-1"), **{"key-home": str(home)})
    assert done.returncode == 1
    assert "the secret key would get into other hands" in done.stderr
    assert not home.exists() and not publisher.repository.exists()


def test_a_key_home_that_others_may_enter_is_refused(publisher: Publisher) -> None:
    publisher.home.mkdir(mode=0o755)
    done = publisher.run(publisher.release("0.1.0-1"))
    assert done.returncode == 1 and "chmod 700" in done.stderr


def test_a_published_version_never_changes(publisher: Publisher) -> None:
    publisher.publish("0.1.0-1")
    before = tree(publisher.repository)
    built_anew = release(publisher.release("0.1.0-1"), "0.1.0-1", publisher.folder / "anew")
    done = publisher.run(built_anew, publisher.release("0.2.0-1"))
    assert done.returncode == 1
    assert "raise the version in debian/changelog" in done.stderr
    assert tree(publisher.repository) == before


def test_another_key_is_refused_since_no_host_would_believe_it(publisher: Publisher) -> None:
    publisher.publish("0.1.0-1")
    before = tree(publisher.repository)
    shutil.rmtree(publisher.home)
    done = publisher.run(publisher.release("0.2.0-1"))
    assert done.returncode == 1 and "hosts trust only the published one" in done.stderr
    assert tree(publisher.repository) == before


def test_without_an_address_it_says_how_to_name_one_and_does_nothing(publisher: Publisher) -> None:
    done = publisher.run(publisher.release("0.1.0-1"), uri="")
    assert done.returncode == 1
    assert "make repo REPO_URI=https://" in done.stderr
    assert not publisher.home.exists() and not publisher.repository.exists()


def test_the_address_is_remembered(publisher: Publisher) -> None:
    publisher.publish("0.1.0-1")
    done = publisher.run(publisher.release("0.2.0-1"), uri="")
    assert done.returncode == 0, done.stderr
    assert Client(publisher).versions() == ["0.2.0-1", "0.1.0-1"]


def test_nothing_is_readable_only_by_the_publisher(publisher: Publisher) -> None:
    old = os.umask(0o077)
    try:
        publisher.publish("0.1.0-1")
    finally:
        os.umask(old)
    for path in (publisher.repository, *publisher.repository.rglob("*")):
        wanted = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


class Killed(BaseException):
    """As if the power had gone."""


def test_killed_at_any_write_a_client_sees_the_old_state_or_the_new(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish("0.1.0-1")
    new = publisher.release("0.2.0-1")
    pristine = publisher.folder / "pristine"
    shutil.copytree(publisher.repository, pristine)
    seen: list[list[str]] = []

    with repository_key.no_agent_left(publisher.home):
        key = repository_key.signing_key(publisher.home, None, publisher.repository)
        for fatal in range(100):
            shutil.rmtree(publisher.repository)
            shutil.copytree(pristine, publisher.repository)
            writes = iter(range(100))

            def write(*arguments: Any, fatal: int = fatal, writes: Any = writes) -> None:
                if next(writes) == fatal:
                    raise Killed
                replace(*arguments)

            monkeypatch.setattr(module, "replace", write)
            address = publisher.repository.as_uri()
            try:
                module.publish(publisher.repository, [new], key, address)
            except Killed:
                seen.append(Client(publisher).versions())
                monkeypatch.setattr(module, "replace", replace)
                module.publish(publisher.repository, [new], key, address)
                assert Client(publisher).versions() == ["0.2.0-1", "0.1.0-1"]
            else:
                break
    assert len(seen) == fatal > 5
    assert all(versions == ["0.1.0-1"] for versions in seen)
