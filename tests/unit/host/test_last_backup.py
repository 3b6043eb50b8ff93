"""The age of the newest backup: what it is taken from, and what it means for an upgrade."""

import os
import time
from pathlib import Path

import pytest

from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import SettingsError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host import last_backup
from altpeter_matrix.settings.model import Updates, parse_settings_text
from altpeter_matrix.settings.typed import Days
from altpeter_matrix.status.findings import status
from altpeter_matrix.upgrade import preflight

from ..fake_host import NAME, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

PLACE = "/var/backups/matrix"
DAY = 86400


def backup(root: Path, name: str = "", *, age: float, text: str = "dump") -> Path:
    """A file of the place, or the place itself; age: in days, negative ones are to come."""
    file = root / PLACE.lstrip("/") / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (time.time(), time.time() - age * DAY))
    return file


def said(root: Path, max_age_days: int = 2) -> str:
    """What is wrong; nothing: an empty text."""
    return str(
        last_backup.problem(Paths(root), Updates(True, Path(PLACE), Days(max_age_days))) or ""
    )


def test_without_the_setting_nothing_is_looked_at(tmp_path: Path) -> None:
    assert last_backup.problem(Paths(tmp_path), Updates(True, None, Days(2))) is None


def test_a_file_or_the_newest_of_a_directory_counts(tmp_path: Path) -> None:
    backup(tmp_path / "file", age=1.9)
    assert said(tmp_path / "file") == ""
    root = tmp_path / "directory"
    backup(root, "monday.dump", age=9)
    assert "older than the 2d" in said(root)
    backup(root, "wednesday.dump", age=1)
    assert said(root) == ""


def test_directories_by_date_are_looked_into(tmp_path: Path) -> None:
    backup(tmp_path, "2026-11-23/synapse.dump", age=9)
    assert "older than the 2d" in said(tmp_path)
    backup(tmp_path, "2026-11-25/synapse.dump", age=1)
    assert said(tmp_path) == ""


def test_an_old_one_is_named_with_its_date_and_what_to_do(tmp_path: Path) -> None:
    file = backup(tmp_path, "synapse.dump", age=3)
    date = time.strftime("%Y-%m-%d", time.gmtime(file.stat().st_mtime))
    found = said(tmp_path)
    assert found.startswith(f"{PLACE}: the newest backup is of {date}: older than the 2d of")
    assert "docs/backup.md" in found
    assert said(tmp_path, max_age_days=4) == ""


def test_missing_and_empty_are_no_backup(tmp_path: Path) -> None:
    assert f"{PLACE}: is missing, so there is no backup; make one" in said(tmp_path)
    (tmp_path / PLACE.lstrip("/")).mkdir(parents=True)
    assert "is empty, so there is no backup; make one" in said(tmp_path)


def test_one_that_did_not_succeed_does_not_count(tmp_path: Path) -> None:
    backup(tmp_path, "full-disk.dump", age=0, text="")
    backup(tmp_path, ".unfinished", age=0)
    (tmp_path / PLACE.lstrip("/") / "dangling").symlink_to("nowhere")
    assert "is empty" in said(tmp_path)
    backup(tmp_path, "synapse.dump", age=5)
    assert "older than the 2d" in said(tmp_path)


def test_a_place_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "iterdir", refuse)
    (tmp_path / PLACE.lstrip("/")).mkdir(parents=True)
    assert "cannot be looked at (Input/output error); repair that" in said(tmp_path)


def test_a_backup_of_the_future_is_neither_new_nor_hides_an_old_one(tmp_path: Path) -> None:
    backup(tmp_path, "wrong-clock.dump", age=-4000)
    assert "which is to come; look at this host's clock" in said(tmp_path)
    backup(tmp_path, "old.dump", age=5)
    assert "older than the 2d" in said(tmp_path)
    backup(tmp_path, "other-clock-a-little-ahead.dump", age=-0.01)
    assert said(tmp_path) == ""


def test_a_clock_that_was_set_back_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(tmp_path, "synapse.dump", age=1)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert "which is to come" in said(tmp_path)


def test_a_date_that_no_calendar_has_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(tmp_path, "synapse.dump", age=1)
    monkeypatch.setattr(last_backup, "_times", lambda place: iter([1e30]))
    assert "which is to come" in said(tmp_path)


@pytest.mark.parametrize(
    ("way_back", "security", "severity"),
    [
        (True, False, "warning"),
        (None, False, "warning"),
        (False, False, "error"),
        (False, True, "warning"),  # a known hole is worse
    ],
)
def test_no_backup_holds_back_only_what_has_no_way_back_and_closes_no_hole(
    serving: FakeHost, way_back: bool | None, security: bool, severity: str
) -> None:
    serving.settings(f"server_name: {NAME}\nupdates: {{backup: {PLACE}}}\n")
    found, unchecked = preflight._backup(
        serving.paths, "Synapse 1.164", way_back, security=security
    )
    assert [one.severity for one in found] == [severity]
    assert "is missing" in str(found[0]) and unchecked == []
    assert ("no way back from Synapse 1.164" in str(found[0])) is (severity == "error")
    backup(serving.root, "synapse.dump", age=1)
    again = preflight._backup(serving.paths, "Synapse 1.164", way_back, security=security)
    assert again == ([], [])


def test_what_is_not_looked_at_is_said(serving: FakeHost) -> None:
    found, unchecked = preflight._backup(serving.paths, "x", False, security=False)
    assert found == [] and "set updates.backup in settings.yaml" in unchecked[0]
    serving.settings("server_name: 1\n")
    found, unchecked = preflight._backup(serving.paths, "x", False, security=False)
    assert found == [] and "settings.yaml cannot be used" in unchecked[0]


def test_status_warns_and_is_healthy_all_the_same(serving: FakeHost) -> None:
    def told() -> list[str]:
        """How grave each finding about the backup is."""
        return [one.severity for one in status(serving.host).findings if one.problem.where == PLACE]

    assert told() == []
    serving.settings(f"server_name: {NAME}\nupdates: {{backup: {PLACE}}}\n")
    apply(serving.host)
    assert told() == ["warning"]
    backup(serving.root, "synapse.dump", age=1)
    assert told() == []


def test_the_age_is_a_duration() -> None:
    text = f"server_name: a.test\nupdates: {{backup: {PLACE}, backup_max_age: 2w}}\n"
    assert parse_settings_text(text, source="settings.yaml").updates == Updates(
        True, Path(PLACE), Days(14)
    )
    for wrong, why in (
        ("{backup: backups}", '"backups" is not a full path'),
        ("{backup: /backups/}", "is not a full path; write /backups$"),
        ("{backup_max_age: 2}", "2 is not a text; write 2d"),
        ("{backup_max_age: 48h}", "is not a duration; write 2d"),
    ):
        with pytest.raises(SettingsError, match=why):
            parse_settings_text(f"server_name: a.test\nupdates: {wrong}\n", source="settings.yaml")
