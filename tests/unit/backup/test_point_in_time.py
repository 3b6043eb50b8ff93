"""When pgBackRest's archive is made, set right and backed up to, and where it may not be."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from altpeter_matrix.backup import pgbackrest, point_in_time
from altpeter_matrix.backup.archive_content import Content, Span
from altpeter_matrix.backup.pgbackrest import PgBackRest
from altpeter_matrix.backup.point_in_time import PointInTime
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host import archive_record
from altpeter_matrix.host.archive_record import ArchiveRecord
from altpeter_matrix.postgresql import archiving, own_options
from altpeter_matrix.postgresql.archiving import Archiving
from altpeter_matrix.postgresql.cluster_list import Cluster, ClusterList

from ..samples import settings

WHOLE = Span(0, 2e9, whole=True, version=17)
SETTINGS = "server_name: example.org\nbackup: {to: /srv/a, point_in_time: /mnt/wal}\n"


@dataclass
class World:
    """A cluster, an archive on another disk, and what was done to them."""

    root: Path
    data: Path
    place: Path
    facts: Archiving
    disks: dict[Path, int]
    content: Content = field(default_factory=lambda: Content((WHOLE,)))
    takes_effect: bool = True
    done: list[str] = field(default_factory=list)

    @property
    def paths(self) -> Paths:
        return Paths(self.root)

    def archive(self) -> PointInTime:
        backup = settings(SETTINGS).backup
        assert backup is not None
        return PointInTime(self.paths, backup, self.place, lambda _text: None)

    def record(self) -> ArchiveRecord:
        return archive_record.read(self.paths)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root, data, place = tmp_path / "root", tmp_path / "data", tmp_path / "wal"
    for directory in (root / "var/lib/altpeter-matrix", root / "etc/altpeter-matrix/secrets", data):
        directory.mkdir(parents=True)
    place.mkdir()
    facts = Archiving(
        mode="off", pending=False, command="(disabled)", timeout=0, wal_level="replica",
        segment_size=16 * 1024**2, data=data, waiting=0, waiting_for=0,
    )  # fmt: skip
    found = World(root, data, place, facts, disks={place: 1, data: 2})
    _replace_programs(found, monkeypatch)
    real = Path.stat

    def stat(path: Path, **options: bool) -> object:
        state = real(path, **options)
        return _State(found.disks[path], state.st_mode) if path in found.disks else state

    monkeypatch.setattr(Path, "stat", stat)
    return found


@dataclass(frozen=True)
class _State:
    st_dev: int
    st_mode: int


def _replace_programs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_paths: Paths, _cluster: Cluster, *, on: bool) -> bool:
        world.done.append("write" if on else "write off")
        if world.takes_effect and world.facts.mode == "off":
            world.facts = replace(world.facts, pending=True)
        return True

    def restart(_paths: Paths, _cluster: Cluster) -> None:
        world.done.append("restart")
        known = replace(world.facts, mode="on", pending=False, timeout=60)
        world.facts = replace(known, command=archiving.command())

    def run(_self: PgBackRest, *words: str, check: bool = True) -> None:
        assert check
        world.done.append(" ".join(words))

    def make(_self: PgBackRest) -> None:
        (world.place / "archive").mkdir(exist_ok=True)
        world.done.append("make")

    cluster = Cluster(17, "main", 5432, running=True, data=world.data)
    monkeypatch.setattr(ClusterList, "on_port", lambda _self, _port: cluster)
    for name, fake in (
        ("facts", lambda: world.facts), ("write", write), ("restart", restart),
        ("configuration", lambda: world.root / "pgbackrest.conf"),
    ):  # fmt: skip
        monkeypatch.setattr(archiving, name, fake)
    monkeypatch.setattr(own_options, "reload", lambda _cluster: world.done.append("reload"))
    monkeypatch.setattr(pgbackrest, "require_program", lambda: None)
    monkeypatch.setattr(PgBackRest, "run", run)
    monkeypatch.setattr(PgBackRest, "make", make)
    monkeypatch.setattr(PgBackRest, "content", lambda _self, _size: world.content)
    monkeypatch.setattr(PgBackRest, "configure", lambda self, text: self.file.write_text(text))
    monkeypatch.setattr(point_in_time, "_TAKES_EFFECT_WITHIN", 0)


def test_the_first_run_sets_all_up_and_restarts_postgresql_once(world: World) -> None:
    assert world.archive().when_due()
    assert world.done == ["make", "write", "reload", "restart", "backup --type=full"]
    assert world.record().place == str(world.place) and not world.record().problem
    text = (world.root / "pgbackrest.conf").read_text()
    password = point_in_time.password_file(world.paths)
    assert f"repo1-cipher-pass={password.read_text().strip()}\n" in text
    assert password.stat().st_mode & 0o777 == 0o600 and len(password.read_text()) > 30
    world.done.clear()
    assert not world.archive().when_due() and not world.done
    world.content = replace(world.content, full=time.time() - 86400)
    world.archive().now()
    assert world.done == ["make", "write", "backup --type=diff"]


@pytest.mark.parametrize(
    "content", [Content(), Content((Span(0, 1, whole=False, version=17),), full=1)]
)
def test_what_is_missing_makes_another_backup(world: World, content: Content) -> None:
    world.archive().when_due()
    world.content = content
    assert world.archive().when_due()


def test_it_follows_the_cluster(world: World) -> None:
    world.archive().when_due()
    moved = world.data.with_name("newer")
    moved.mkdir()
    world.disks[moved] = 2
    world.facts = replace(world.facts, data=moved)
    assert world.archive().when_due() and not world.archive().when_due()
    assert f"pg1-path={moved}\n" in (world.root / "pgbackrest.conf").read_text()
    # Another one behind the same name: its files are refused.
    world.facts = replace(world.facts, waiting=1, waiting_for=3600)
    assert world.archive().when_due()


def test_the_disk_of_postgresql_is_no_place(world: World) -> None:
    world.disks[world.place] = world.disks[world.data]
    with pytest.raises(HostError, match="is on the disk of PostgreSQL"):
        world.archive().now()
    assert not world.done


def test_postgresql_is_not_restarted_for_what_somebody_else_decides(world: World) -> None:
    world.takes_effect = False
    for _ in range(2):
        with pytest.raises(HostError, match="has no effect"):
            world.archive().now()
    assert "restart" not in world.done and "has no effect" in world.record().problem[1]
    assert not world.archive().when_due(), "within the hour"


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (lambda facts: replace(facts, mode="on", command="barman"), "belongs to another program"),
        (lambda facts: replace(facts, wal_level="minimal"), "is minimal"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    world: World, facts: Callable[[Archiving], Archiving], says: str
) -> None:
    world.facts = facts(world.facts)
    with pytest.raises(HostError, match=says):
        world.archive().now()
    assert not world.done and not point_in_time.password_file(world.paths).exists()


def test_a_disk_that_is_not_mounted_gets_no_new_archive(world: World) -> None:
    world.archive().now()
    (world.place / "archive").rmdir()
    with pytest.raises(HostError, match="mount what should be there"):
        world.archive().now()
    world.place.rmdir()
    with pytest.raises(HostError, match="cannot be used"):
        world.archive().now()


def test_the_archive_of_another_server_is_left_alone(world: World) -> None:
    (world.place / "archive").mkdir()
    with pytest.raises(HostError, match="holds the archive of another server"):
        world.archive().now()
    assert not world.done and not point_in_time.password_file(world.paths).exists()
    point_in_time.password_file(world.paths).write_text("of that archive\n")
    world.archive().now(take_over=True)
    assert world.done[0] == "make"


def test_a_lost_password_is_never_made_anew(world: World) -> None:
    world.archive().now()
    point_in_time.password_file(world.paths).unlink()
    with pytest.raises(HostError, match="bring it back from a daily backup"):
        world.archive().now()


@pytest.mark.parametrize(
    ("free", "waiting", "queue"),
    [(100 * 1024**3, 0, 4096), (4 * 1024**3, 0, 2048), (1024**3, 64, 1024), (1024, 0, 64)],
)
def test_what_waits_takes_half_of_what_is_free_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch, free: int, waiting: int, queue: int
) -> None:
    """In MiB. What waits already is part of it."""
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": free})())
    world.facts = replace(world.facts, waiting=waiting)
    world.archive().now()
    text = (world.root / "pgbackrest.conf").read_text()
    assert f"archive-push-queue-max={queue * 1024**2}\n" in text
