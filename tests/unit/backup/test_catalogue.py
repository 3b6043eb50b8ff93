"""Which snapshots are a backup, and which one is meant."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from altpeter_matrix.backup import catalogue
from altpeter_matrix.backup.restic import Restic
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths

SERVER = "example.org"


def raw(name: str, kind: str, *, host: str = "here", server: str = SERVER) -> dict[str, Any]:
    """A snapshot as restic tells of it."""
    return {
        "id": f"{host}-{kind}-{name}", "time": "2026-11-01T03:31:00Z", "hostname": host,
        "tags": catalogue.tags(kind, name, server).split(","),
    }  # fmt: skip


def whole(name: str, **more: str) -> list[dict[str, Any]]:
    return [raw(name, kind, **more) for kind in ("database", "files")]


def restic(*found: dict[str, Any]) -> Restic:
    fake = SimpleNamespace(
        answer=lambda *_: list(found), access=SimpleNamespace(place="/srv/backup")
    )
    return cast(Restic, fake)


FIRST, SECOND, THIRD = "2026-11-01T03:30:00Z", "2026-11-02T03:30:00Z", "2026-11-03T03:30:00Z"


def test_only_both_halves_are_a_backup() -> None:
    """Whatever went wrong between the two left the database alone."""
    found = restic(*whole(FIRST), raw(SECOND, "database"), raw(THIRD, "files"))
    snapshots = catalogue.snapshots(found)
    assert [one.name for one in catalogue.backups(snapshots)] == [FIRST]
    assert catalogue.left_over(snapshots, "here") == [
        f"here-database-{SECOND}", f"here-files-{THIRD}",
    ]  # fmt: skip
    assert catalogue.left_over(snapshots, "another") == [], "it may be at work just now"


def test_halves_of_two_hosts_are_no_backup() -> None:
    found = restic(raw(FIRST, "database", host="here"), raw(FIRST, "files", host="there"))
    assert catalogue.backups(catalogue.snapshots(found)) == []


def test_snapshots_of_others_are_left_alone() -> None:
    strange = {"id": "1", "time": "", "hostname": "here", "tags": ["altpeter-matrix"]}
    odd = raw("yesterday", "database")
    assert catalogue.snapshots(restic(strange, odd, {"id": "2", "time": "", "tags": None})) == []


@pytest.mark.parametrize(
    ("moment", "meant"),
    [
        (None, THIRD),
        ("2026-11-02", SECOND),
        ("2026-11-02 03:30", SECOND),
        ("2026-11-02T03:29", FIRST),
        (SECOND, SECOND),
        ("2030-01-01", THIRD),
    ],
)
def test_the_newest_until_a_moment_is_meant(moment: str | None, meant: str) -> None:
    found = restic(*whole(SECOND), *whole(FIRST), *whole(THIRD))
    assert catalogue.at(found, SERVER, moment).name == meant


@pytest.mark.parametrize(
    ("server", "moment", "says"),
    [
        ("other.org", None, "holds no backup of other.org, but of example.org"),
        (SERVER, "2026-10-31", f"until 2026-10-31: the oldest is of {FIRST}"),
        (SERVER, "yesterday", "is not a time"),
    ],
)
def test_what_is_not_there_is_said(server: str, moment: str | None, says: str) -> None:
    with pytest.raises(HostError, match=says):
        catalogue.at(restic(*whole(FIRST)), server, moment)


def test_a_host_is_told_apart_without_its_machine_id(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    number = catalogue.machine(Paths(tmp_path))
    assert len(number) == 12 and number not in "0123456789abcdef0123456789abcdef"
    (tmp_path / "etc/machine-id").write_text("f123456789abcdef0123456789abcdef\n")
    assert catalogue.machine(Paths(tmp_path)) != number


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        (None, None),
        ("2026-11-02", None),
        (SECOND, None),
        ("2026-11-02t03:30:00", None),
        ("2026-11-02T03:30:01Z", catalogue.seconds(SECOND) + 1),
        ("2026-11-02 12:00", catalogue.seconds("2026-11-02T12:00:59Z")),
    ],
)
def test_a_time_of_the_day_means_that_very_moment(
    moment: str | None, seconds: float | None
) -> None:
    """With nothing that keeps each moment, it is the newest backup until then all the same."""
    backup = catalogue.at(restic(*whole(FIRST), *whole(SECOND)), SERVER, moment)
    assert backup.name == SECOND
    assert catalogue.exact(moment, backup) == seconds
