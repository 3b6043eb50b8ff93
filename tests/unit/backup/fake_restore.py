"""A host whose databases live in memory and whose files are real, for restores that are killed
before any step they take."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from altpeter_matrix.apply.activation import Host
from altpeter_matrix.apply.services import SYNAPSE, Services
from altpeter_matrix.backup import (
    catalogue,
    manifest,
    media,
    restored_database,
    restored_files,
    restoring,
)
from altpeter_matrix.backup.access import Access
from altpeter_matrix.backup.catalogue import Backup
from altpeter_matrix.backup.manifest import Manifest
from altpeter_matrix.backup.restoring import Restoring
from altpeter_matrix.base import disk
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.settings.backup_place import parse_place

NAME = "2026-11-01T03:30:00Z"
OLD, NEW = "what was here", "what the backup has"
SETTINGS = "server_name: example.org\nbackup: {{to: /srv/backup}}\n# {}\n"
KEY = "etc/matrix-synapse/homeserver.signing.key"
EXTRA = "etc/altpeter-matrix/synapse.d/later.yaml"


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even clearing up."""


@dataclass
class World:
    """What a killed process leaves behind."""

    root: Path
    databases: dict[str, str] = field(default_factory=lambda: {"synapse": OLD})
    running: bool = True
    kill_before: int | None = None
    steps: int = 0
    dead: bool = False
    served: list[tuple[str, str]] = field(default_factory=list)  # database and key, at each start
    fails_to_serve: bool = False
    spoiled: bool = False

    @property
    def paths(self) -> Paths:
        return Paths(self.root)

    def step(self) -> None:
        if self.dead:
            raise Killed
        self.steps += 1
        if self.steps == self.kill_before:
            self.dead = True
            raise Killed

    def again(self) -> None:
        """The next process."""
        self.kill_before, self.steps, self.dead = None, 0, False

    def read(self, path: str) -> str:
        return (self.root / path).read_text().strip().rpartition("# ")[2]

    def rename(self, name: str, to: str) -> None:
        self.step()
        assert to not in self.databases, "PostgreSQL would refuse"
        assert not self.running, "Synapse would lose its connections"
        self.databases[to] = self.databases.pop(name)

    def drop(self, name: str) -> None:
        self.step()
        self.databases.pop(name, None)

    def ensure(self, name: str, _port: int) -> bool:
        self.step()
        self.databases.setdefault(name, "")
        return True

    def feed(self, *_: object) -> None:
        self.step()
        self.databases["synapse_altpeter_restored"] = NEW

    def stop(self, program: str) -> None:
        self.step()
        assert program == SYNAPSE
        self.running = False

    def start(self) -> None:
        self.step()
        assert not self.paths.restore_standstill.exists(), "the unit has a condition on it"
        if self.fails_to_serve:
            raise HostError(Problem("Synapse", "does not answer", "look at its journal"))
        self.running = True
        self.served.append((self.databases["synapse"], self.read(KEY)))

    def fetch(self, *words: str) -> SimpleNamespace:
        """restic."""
        self.step()
        if words[0] == "restore":
            top = Path(words[words.index("--target") + 1])
            for path in (KEY, "etc/altpeter-matrix/settings.yaml"):
                (top / path).parent.mkdir(parents=True, exist_ok=True)
                (top / path).write_text(SETTINGS.format(NEW) if "yaml" in path else NEW)
        return SimpleNamespace(ok=True, stdout="")


def described() -> Manifest:
    counted = {"users": 1, "rooms": 1, "events": 1, "media": 0, "bytes": 1}
    return Manifest(
        NAME, "example.org", "1", "synapse", 1, "", counted, counted, 100, 100,
        "/var/lib/matrix-synapse/media", ("/etc/altpeter-matrix", "/etc/matrix-synapse"),
    )  # fmt: skip


def make(root: Path) -> World:
    world = World(root)
    for path, text in {
        "etc/passwd": "matrix-synapse:x:100:100::/:\n",
        "etc/group": "matrix-synapse:x:100:\n",
        "etc/altpeter-matrix/settings.yaml": SETTINGS.format(OLD),
        KEY: OLD,
        EXTRA: "presence: {}\n",
        "var/lib/altpeter-matrix/kept": "",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return world


def use(world: World, monkeypatch: pytest.MonkeyPatch) -> Restoring:
    """The command, on this world."""

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **options: Any) -> Any:
            world.step()
            return function(*arguments, **options)

        return stepping

    dumping = SimpleNamespace(
        exists=lambda name: name in world.databases, rename=world.rename, drop=world.drop,
        restore_command=lambda *_: ["true"],
        counts=lambda *_: {**described().before, "users": 0 if world.spoiled else 1},
    )  # fmt: skip
    for module in (restoring, restored_database):
        monkeypatch.setattr(module, "dumping", dumping)
    made = SimpleNamespace(ensure=world.ensure)
    monkeypatch.setattr(restored_database, "synapse_database", made)
    monkeypatch.setattr(restored_database, "fed", world.feed)
    monkeypatch.setattr(restoring, "apply", lambda _host: world.step())
    monkeypatch.setattr(restoring, "require_room_for", lambda *_: None)
    found = Backup(NAME, "example.org", "host", "1", "2")
    monkeypatch.setattr(catalogue, "at", lambda *_: found)
    monkeypatch.setattr(manifest, "read", lambda *_: described())
    monkeypatch.setattr(media, "restore", lambda *_: world.step())
    # Owners are root's to give.
    monkeypatch.setattr(restored_files.RestoredFiles, "_here", lambda *_: (-1, None))
    for module, name in (
        (disk, "replace"), (disk, "remove"), (shutil, "rmtree"), (restored_files, "run"),
    ):  # fmt: skip
        original = getattr(module, name)
        original = getattr(original, "__wrapped__", original)
        stepping = counted(original)
        stepping.__wrapped__ = original  # type: ignore[attr-defined]
        monkeypatch.setattr(module, name, stepping)
    access = Access(
        parse_place("/srv/backup"), Path("/password"), Path("/ssh"), 22, Path("/s3"), None
    )
    host = Host(world.paths, Services(world.paths), lambda *_args, **_options: [])
    monkeypatch.setattr(host.services, "stop", world.stop)
    work = Restoring(host, access, lambda _text: None)
    work.serving = SimpleNamespace(start=world.start, require=lambda: None)  # type: ignore[assignment]
    work.restic = SimpleNamespace(  # type: ignore[assignment]
        run=world.fetch, repository=lambda: "number", prepare=lambda: None, unlock=lambda: None,
        access=SimpleNamespace(
            place=parse_place("/srv/backup"), secret_files=(), require_password=lambda: None,
            ensure_ssh_key=lambda: None,
        ),
        program=lambda *_: _Nothing(),
    )  # fmt: skip
    monkeypatch.setattr(restored_database, "Program", lambda *_args, **_options: _Nothing())
    return work


class _Nothing:
    def __enter__(self) -> "_Nothing":
        return self

    def __exit__(self, *_: object) -> None:
        return None
