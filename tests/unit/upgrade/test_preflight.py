"""What is made of a candidate's answers, of apt's, and of what other programs say."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.apply.host_facts import SYNAPSE_PYTHONS
from altpeter_matrix.apt import candidates
from altpeter_matrix.apt.candidates import Candidate
from altpeter_matrix.base.commands import Result
from altpeter_matrix.base.errors import Objection, Problem, error, warning
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.base.redaction import redacted
from altpeter_matrix.cli import apt_hook
from altpeter_matrix.host.facts import SYNAPSE_PACKAGES, Synapse
from altpeter_matrix.render import apt_options
from altpeter_matrix.settings.model import parse_settings_text
from altpeter_matrix.synapse.schema_numbers import FILE
from altpeter_matrix.upgrade import preflight, preflight_result
from altpeter_matrix.upgrade.preflight_result import PreflightResult

from ..fake_host import NAME, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

UPSTREAM, DEBIANS = SYNAPSE_PACKAGES
POLICY = """\
matrix-synapse-py3:
  Installed: 1.157.2+b1
  Candidate: 1.157.2+b1
  Version table:
     1.164.0+b1 -1
        500 http://packages.example.org bookworm/main amd64 Packages
 *** 1.157.2+b1 500
        500 http://packages.example.org bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
"""
NOT_OFFERED = "matrix-synapse-py3:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"


def candidate(root: Path, installed: str = "1.163.2+b1") -> Candidate:
    synapse = Synapse(UPSTREAM, installed, SYNAPSE_PYTHONS[UPSTREAM], "matrix-synapse", "a.test")
    return Candidate(synapse, "1.164.0+b1", root)


def result(*findings: Objection) -> PreflightResult:
    return PreflightResult("matrix-synapse-py3", "1.164", "1.163", False, True, findings)


def whats(findings: Any) -> str:
    return "\n".join(f"{one.severity} {one.problem}" for one in findings)


@pytest.mark.parametrize(
    ("said", "expected"),
    [(POLICY, ("1.157.2+b1", ("1.164.0+b1", "1.157.2+b1"))), (NOT_OFFERED, (None, ()))],
)
def test_what_apt_offers(said: str, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "run", lambda *argv, **_: Result(argv, 0, said, ""))
    found = candidates.offer("matrix-synapse-py3")
    assert (found.candidate, found.versions) == expected


def test_a_newer_python_or_postgresql_that_is_demanded_holds_back(tmp_path: Path) -> None:
    answers = {
        "python": "3.11.2",
        "requires_python": ">=3.12",
        "python_is_enough": False,
        "database_error": "Synapse requires PostgreSQL 16 or above.",
    }
    found = list(preflight._demands(candidate(tmp_path), answers))
    assert [one.severity for one in found] == ["error", "error"]
    assert "demands >=3.12, and 3.11.2 is here" in whats(found)
    assert "`altpeter-matrix database upgrade`" in whats(found)


def test_a_database_of_a_later_synapse_holds_back(tmp_path: Path) -> None:
    answers = {"schema": 90, "compat": 84, "database_compat": 91}
    assert "error PostgreSQL" in whats(preflight._demands(candidate(tmp_path), answers))
    answers["database_compat"] = 90
    assert list(preflight._demands(candidate(tmp_path), answers)) == []


def test_background_updates_hold_back_only_what_has_no_way_back(tmp_path: Path) -> None:
    answers = {"background_updates": 3}
    for way_back, kind in ((False, "error"), (True, "warning"), (None, "warning")):
        found = whats(preflight._database(Paths(tmp_path), candidate(tmp_path), answers, way_back))
        assert f"{kind} Synapse's background updates" in found


@pytest.mark.parametrize("line", ["SCHEMA_VERSION = 94", "SCHEMA_VERSION=94  # 12 tables"])
def test_the_way_back_follows_the_installed_schema(tmp_path: Path, line: str) -> None:
    paths, synapse = Paths(tmp_path), candidate(tmp_path).synapse
    assert preflight._way_back(paths, synapse, {"compat": 84}) is None
    file = tmp_path / f"opt/venvs/matrix-synapse/lib/python3.11/site-packages/{FILE}"
    file.parent.mkdir(parents=True)
    file.write_text(f"{line}\n")
    answers: list[dict[str, Any]] = [{"compat": 94}, {"compat": 95}, {}]
    found = [preflight._way_back(paths, synapse, one) for one in answers]
    assert found == [True, False, None]


def test_a_migration_that_may_fill_the_disk_is_warned_of(tmp_path: Path) -> None:
    answers = {"schema": 94, "database_schema": 93, "database_size": 2**60}
    found = whats(preflight._database(Paths(tmp_path), candidate(tmp_path), answers, True))
    assert "warning PostgreSQL: the migration to schema 94 may need up to " in found
    answers["database_size"] = 1
    assert not whats(preflight._database(Paths(tmp_path), candidate(tmp_path), answers, True))


def test_an_option_that_is_not_known_any_more_is_named(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    place = "opt/venvs/matrix-synapse/lib/python3.11/site-packages/synapse/config"
    for root, source in ((tmp_path, "'old_option' 'kept'"), (tmp_path / "new", "'kept'")):
        (root / place).mkdir(parents=True)
        (root / place / "server.py").write_text(source)
    options = {"old_option": 1, "kept": 2, "never_known": 3}
    found = whats(preflight._removed(paths, candidate(tmp_path / "new"), options))
    assert "old_option" in found and "kept" not in found and "never_known" not in found


@pytest.mark.parametrize(
    ("installed", "entry", "security"),
    [
        ("1.157.1+b1", "New release.", True),  # has known holes
        ("1.163.2+b1", "New release.", False),
        ("1.163.2+b1", "Fixes CVE-2026-12345.", True),
        ("1.164.0+b1", "Fixes CVE-2026-12345.", False),  # is installed already
    ],
)
def test_a_security_update_is_known_as_one(
    tmp_path: Path, installed: str, entry: str, security: bool
) -> None:
    file = candidate(tmp_path).changelog
    file.parent.mkdir(parents=True)
    text = f"matrix-synapse-py3 (1.164.0+b1) stable; urgency=medium\n\n  * {entry}\n\n -- A <a@b>\n"
    file.write_bytes(gzip.compress(text.encode()))
    assert preflight._is_security(candidate(tmp_path, installed)) is security


def test_a_verdict_holds_for_the_same_host_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path)
    paths.state.mkdir(parents=True)
    preflight_result.note(paths, result(), "as it is")
    check = preflight_result.last_check(paths, "matrix-synapse-py3", "1.164")
    assert check is not None and check.ok
    assert check.still_holds("as it is") and not check.still_holds("changed")
    now = time.time()
    for moved in (21 * 3600, -3600):  # later, and before a clock that was set back
        monkeypatch.setattr(time, "time", lambda moved=moved: now + moved)
        assert not check.still_holds("as it is")


def test_all_reasons_are_told_at_once() -> None:
    found = result(error("A", "first", "do"), warning("B", "w", "x"), error("C", "second", "y"))
    assert found.reason == Problem("A", "first; C: second", "do")
    assert json.loads(json.dumps(found.as_json()))["ok"] is False


def test_secrets_do_not_travel_in_what_programs_say() -> None:
    options = {
        "database": {"args": {"password": "Pa55word!", "user": "matrix-synapse"}},
        "form_secret_path": "/etc/altpeter-matrix/secrets/form_secret",
        "turn_shared_secret": "0123456789",
    }
    text = "Pa55word! of matrix-synapse, 0123456789, /etc/altpeter-matrix/secrets/form_secret"
    assert redacted(text, options) == (
        "«secret» of matrix-synapse, «secret», /etc/altpeter-matrix/secrets/form_secret"
    )


@pytest.mark.parametrize(
    ("size", "place"), [(0, ""), (2**60, "/opt"), (2**60, "/var/lib/altpeter-matrix")]
)
def test_a_disk_without_room_for_the_candidate_holds_it_back(
    tmp_path: Path, size: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "disk_problems", lambda _paths: [])
    found = list(preflight._disk(Paths(tmp_path), candidate(tmp_path).synapse, "1.164.0+b1", size))
    assert all(one.severity == "error" for one in found)
    if place:
        assert f"error {tmp_path}{place}: its disk has " in whats(found)
        assert "and Synapse 1.164.0+b1 needs 1099511627840; free some space" in whats(found)
    else:
        assert found == []


def test_a_disk_that_is_full_or_read_only_holds_every_candidate_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Problem("/var/lib", "its disk has no inodes left", "remove files")
    monkeypatch.setattr(preflight, "disk_problems", lambda _paths: [full])
    assert Objection("error", full) in preflight._disk(
        Paths(tmp_path), candidate(tmp_path).synapse, "1.164.0+b1", 0
    )


def test_unknown_and_doubled_options_are_warned_of(serving: FakeHost) -> None:
    serving.write("/etc/altpeter-matrix/synapse.d/x.yaml", "max_avatar_sise: 1M\n")
    serving.write("/etc/matrix-synapse/conf.d/60-x.yaml", "admin_contact: a\nadmin_contact: b\n")
    origins, found = preflight._settings(serving.paths)
    assert {one.severity for one in found} == {"warning"}
    assert "max_avatar_sise" in origins
    assert "synapse.d/x.yaml: max_avatar_sise: " in whats(found)
    assert "conf.d/60-x.yaml: line 2: the key admin_contact is there twice" in whats(found)


@pytest.mark.parametrize("package", SYNAPSE_PACKAGES)
def test_the_hook_of_apt_looks_at_nothing_but_synapse(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def refuse(deb: Path, _package: str) -> int:
        asked.append(deb)
        return apt_options.REFUSED

    monkeypatch.setattr(apt_hook, "_check", refuse)
    others = ("nginx_1_amd64.deb", "matrix-synapse-ldap3_0.1_all.deb")
    assert apt_hook.before_install([f"/var/cache/apt/archives/{one}\n" for one in others]) == 0
    assert asked == []
    deb = f"/var/cache/apt/archives/{package}_1.164_amd64.deb"
    assert apt_hook.before_install([f"{deb}\n"]) == apt_options.REFUSED
    assert asked == [Path(deb)]


def test_debconf_knows_the_answers_before_it_would_ask_at_an_upgrade(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altpeter_matrix.cli.support.host", lambda: serving.host)
    monkeypatch.setattr("altpeter_matrix.upgrade.preflight_run.check_file", lambda *_, **__: None)
    communicate = f"#!/bin/sh\ncat >> {serving.root}/debconf\n"
    serving.write("fake-bin/debconf-communicate", communicate, 0o755)
    assert apt_hook.before_install(["/var/cache/apt/archives/matrix-synapse_1.164_all.deb\n"]) == 0
    lines = (serving.root / "debconf").read_text().splitlines()
    assert f"SET matrix-synapse/server-name {NAME}" in lines
    assert "FSET matrix-synapse/server-name seen true" in lines
    assert "SET matrix-synapse/report-stats false" in lines
    assert "FSET matrix-synapse/report-stats seen true" in lines


@pytest.mark.parametrize("unattended", [True, False])
def test_hooks_are_there_whether_or_not_updates_install_themselves(unattended: bool) -> None:
    text = f"server_name: a.test\nupdates: {{unattended: {str(unattended).lower()}}}\n"
    written = apt_options.text(parse_settings_text(text, source="settings.yaml"))
    assert "DPkg::Pre-Install-Pkgs" in written and "Post-Invoke-Success" in written
    assert ("site=packages.matrix.org" in written) is unattended
