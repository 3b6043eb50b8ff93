"""Edits of Synapse's packaged files on a server that is ours: when they matter, and their end."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.adopt import edits
from altpeter_matrix.adopt.reading import Reading
from altpeter_matrix.apt.candidates import Candidate
from altpeter_matrix.base import disk
from altpeter_matrix.base.errors import HostError, ValidationError
from altpeter_matrix.host.facts import Synapse
from altpeter_matrix.status.findings import status
from altpeter_matrix.synapse import conffile_edits
from altpeter_matrix.upgrade import preflight

from ..fake_host import FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]
HOMESERVER = "etc/matrix-synapse/homeserver.yaml"
DEFAULT = "etc/default/matrix-synapse"
DEFAULT_TEXT = "# Environment of Synapse.\n"


def md5(text: str) -> str:
    """dpkg's checksum."""
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def packaged(serving: FakeHost) -> str:
    """The text of homeserver.yaml that dpkg has recorded; it is in place, and beside it."""
    text = (serving.root / HOMESERVER).read_text()
    rows = (
        f" /{HOMESERVER} {md5(text)}\n /{DEFAULT} {md5(DEFAULT_TEXT)}\n"
        f" /etc/init.d/matrix-synapse {md5('old')} obsolete"
    )
    serving.write(
        "fake-bin/dpkg-query",
        f'#!/bin/sh\ncase "$*" in *Conffiles*) echo "{rows}";; *) printf 1.163.2;; esac\n',
        0o755,
    )
    serving.write(DEFAULT, DEFAULT_TEXT)
    serving.write(f"{HOMESERVER}.dpkg-dist", text)
    return text


@pytest.fixture
def edited(serving: FakeHost, packaged: str) -> FakeHost:
    """One option that is in force, and one that ours replaces."""
    serving.write(HOMESERVER, f"{packaged}forget_rooms_on_leave: true\nmax_upload_size: 1M\n")
    return serving


def read(host: FakeHost, monkeypatch: pytest.MonkeyPatch, after: dict[str, object]) -> None:
    """What Synapse would read before and afterwards."""
    before = Reading({"forget_rooms_on_leave": True}, {})
    monkeypatch.setattr(edits, "read_present", lambda *_: before)
    monkeypatch.setattr(edits, "read_candidate", lambda *_: Reading(after, {}))


def test_a_candidate_collides_only_with_an_edit_of_a_file_that_it_changes(
    edited: FakeHost, packaged: str, tmp_path: Path
) -> None:
    paths, new = edited.paths, tmp_path / "new" / HOMESERVER
    new.parent.mkdir(parents=True)
    new.write_text(packaged)
    assert list(conffile_edits.collisions(paths, tmp_path / "new", "Synapse 2")) == []
    new.write_text(f"{packaged}# Changed upstream.\n")
    (found,) = conffile_edits.collisions(paths, tmp_path / "new", "Synapse 2")
    assert found.severity == "error" and "altpeter-matrix adopt" in found.problem.remedy
    edited.write(HOMESERVER, packaged)
    assert list(conffile_edits.collisions(paths, tmp_path / "new", "Synapse 2")) == []


def test_an_edit_that_nobody_can_adopt_is_announced_all_the_same(
    serving: FakeHost, packaged: str, tmp_path: Path
) -> None:
    serving.write(DEFAULT, f"{DEFAULT_TEXT}SYNAPSE_CACHE_FACTOR=2\n")
    told = [str(one.problem) for one in status(serving.host).findings]
    assert any(DEFAULT in one and "updates.md" in one for one in told), told
    assert not any("init.d" in one for one in told), told
    assert conffile_edits.edited(serving.paths) == (), "adopt would drop it"
    new = tmp_path / "new" / DEFAULT
    new.parent.mkdir(parents=True)
    new.write_text(f"{DEFAULT_TEXT}# Changed by Debian.\n")
    (found,) = conffile_edits.collisions(serving.paths, tmp_path / "new", "Synapse 2")
    assert found.severity == "error" and found.problem.where.endswith(DEFAULT)
    assert "updates.md" in found.problem.remedy
    serving.write(DEFAULT, new.read_text())
    assert list(conffile_edits.collisions(serving.paths, tmp_path / "new", "Synapse 2")) == []


def test_debians_own_synapse_is_held_back_likewise(
    edited: FakeHost, packaged: str, tmp_path: Path
) -> None:
    synapse = Synapse("matrix-synapse", "1.160.0-1", Path("/usr/bin/python3"), "nogroup", "a.test")
    candidate = Candidate(synapse, "1.160.0-2", tmp_path / "new")
    new = candidate.root / HOMESERVER
    new.parent.mkdir(parents=True)
    new.write_text(f"{packaged}# Changed by Debian.\n")
    result = preflight._examine(edited.paths, candidate)
    assert [one.where for one in result.errors] == [str(edited.root / HOMESERVER)]
    assert result.package == "matrix-synapse" and "own code" in "".join(result.unchecked)
    edited.write(HOMESERVER, packaged)
    assert preflight._examine(edited.paths, candidate).ok


def test_status_names_the_edit_and_the_command_that_ends_it(edited: FakeHost) -> None:
    told = [str(one.problem) for one in status(edited.host).findings]
    assert any(HOMESERVER in one and "`altpeter-matrix adopt`" in one for one in told), told


def test_a_deleted_or_linked_file_counts_as_edited(serving: FakeHost, packaged: str) -> None:
    path = serving.root / HOMESERVER
    assert conffile_edits.edited(serving.paths) == ()
    path.unlink()
    assert conffile_edits.edited(serving.paths) == (path,)
    path.symlink_to(f"{path}.dpkg-dist")
    assert conffile_edits.edited(serving.paths) == (path,)


def test_an_edit_that_is_in_force_moves_to_synapse_d(
    edited: FakeHost, packaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(edited, monkeypatch, {"forget_rooms_on_leave": True})
    before = (edited.root / HOMESERVER).read_text()
    report, kept = edits.adopt(edited.host)
    assert (edited.root / HOMESERVER).read_text() == packaged
    addition = edited.paths.synapse_additions / "adopted-edits.yaml"
    assert "forget_rooms_on_leave: true" in addition.read_text()
    assert "max_upload_size" not in addition.read_text()
    assert addition.stat().st_mode & 0o777 == 0o600
    assert [path.read_text() for path in kept.iterdir()] == [before]
    generated = (edited.paths.current / "synapse/altpeter-matrix.yaml").read_text()
    assert "forget_rooms_on_leave: true" in generated and report.generation == 2
    assert conffile_edits.edited(edited.paths) == ()


def test_a_difference_that_nobody_announced_stops_before_the_first_change(
    edited: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(edited, monkeypatch, {})
    before = (edited.root / HOMESERVER).read_text()
    with pytest.raises(ValidationError, match="forget_rooms_on_leave"):
        edits.adopt(edited.host)
    assert (edited.root / HOMESERVER).read_text() == before
    assert not list(edited.paths.synapse_additions.glob("adopted*"))


def test_a_packaged_option_that_was_removed_is_told_and_nothing_is_done(
    serving: FakeHost, packaged: str
) -> None:
    serving.write(HOMESERVER, "database: {name: sqlite3}\n")
    with pytest.raises(HostError, match="signing_key_path: was removed"):
        edits.decide(serving.paths)


def test_an_apply_that_fails_leaves_the_edit_in_force(
    edited: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(edited, monkeypatch, {"forget_rooms_on_leave": True})
    before = (edited.root / HOMESERVER).read_text()
    edited.break_program("synapse", "Error in configuration")
    with pytest.raises(ValidationError):
        edits.adopt(edited.host)
    assert (edited.root / HOMESERVER).read_text() == before
    assert not list(edited.paths.synapse_additions.glob("adopted*"))


def test_an_interrupted_adoption_is_completed(
    edited: FakeHost, packaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(edited, monkeypatch, {"forget_rooms_on_leave": True})
    replace = disk.replace

    def cut(path: Path, *arguments: Any) -> None:
        if path.name == "homeserver.yaml":
            raise KeyboardInterrupt
        replace(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            edits.adopt(edited.host)
    assert len(list(edited.paths.synapse_additions.glob("adopted*"))) == 1
    edits.adopt(edited.host)
    assert (edited.root / HOMESERVER).read_text() == packaged
    assert len(list(edited.paths.synapse_additions.glob("adopted*"))) == 1
