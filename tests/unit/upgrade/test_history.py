"""What is kept of upgrades: the history, the packages to go back to, and the numbers."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.apt import kept_packages, repacked_package
from altpeter_matrix.apt.release import Release
from altpeter_matrix.base.commands import Result, run
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.base.timestamps import now
from altpeter_matrix.synapse import schema_numbers
from altpeter_matrix.synapse.handmade import md5
from altpeter_matrix.upgrade import affected_requests, observation, report
from altpeter_matrix.upgrade.history import (
    Book,
    Entry,
    Trial,
    read,
    seconds_between,
    write,
)

OLD, NEW = Release("matrix-synapse-py3", "1.0"), Release("matrix-synapse-py3", "2.0")
REASON = Problem("/versions", "answers 500", "read the log")
TRIAL = Trial(NEW, OLD, "2026-01-31T12:00:00Z", phase="going back", reason=REASON, attempts=2)
ENTRY = Entry(
    "2026-01-31T12:00:00Z", "2026-01-31T12:01:10Z", 70, NEW.package, "1.0", "2.0", "undone", REASON,
    held=12,
)  # fmt: skip
BOOK = Book(OLD, TRIAL, (ENTRY,))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


def package(directory: Path, release: Release, schema: int = 94) -> Path:
    """A small .deb with Synapse's module of schema numbers."""
    tree = directory / "tree"
    module = tree / "opt/venvs/matrix-synapse/lib/python3.11/site-packages/synapse/storage/schema"
    module.mkdir(parents=True, exist_ok=True)
    (module / "__init__.py").write_text(f"SCHEMA_VERSION = {schema}\n")
    (tree / "DEBIAN").mkdir(exist_ok=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {release.package}\nVersion: {release.version}\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: nothing\n"
    )
    target = directory / f"{release.package}_{release.version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, target], check=True)
    return target


def in_cache(paths: Paths, release: Release) -> Path:
    cache = paths.root / "var/cache/apt/archives"
    cache.mkdir(parents=True, exist_ok=True)
    return package(cache, release)


def test_what_is_written_is_read(paths: Paths) -> None:
    write(paths, BOOK)
    assert read(paths) == BOOK
    assert paths.upgrades.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"trial": 1}', '{"entries": [{}]}', "null"])
def test_a_damaged_history_is_an_empty_one(paths: Paths, text: str) -> None:
    paths.state.mkdir(parents=True)
    paths.upgrades.write_text(text)
    assert read(paths) == Book()


def test_closing_a_trial_remembers_it() -> None:
    book = BOOK.closed(replace(ENTRY, version="3.0"), NEW)
    assert (book.good, book.trial, len(book.entries)) == (NEW, None, 2)


def test_a_clock_that_jumps_back_makes_no_negative_time() -> None:
    assert seconds_between("2026-01-31T12:00:00Z", "2026-01-31T12:01:10Z") == 70
    assert seconds_between("2026-01-31T12:01:10Z", "2026-01-31T12:00:00Z") == 0
    assert seconds_between(now(), now()) in {0, 1}


def test_the_history_says_what_a_person_wants_to_know() -> None:
    text = "\n".join(report.lines(BOOK))
    assert "matrix-synapse-py3 1.0 -> 2.0  UNDONE" in text
    assert "watched for 70 s; requests held: 12, failed: unknown" in text
    assert "why: /versions: answers 500" in text
    assert "is being undone" in text
    assert list(report.lines(Book())) == ["There was no upgrade yet."]


def test_status_tells_of_a_trial() -> None:
    def found(trial: Trial | None) -> list[tuple[bool, str]]:
        return [
            (one.severity == "error", one.problem.what)
            for one in report.objections(Book(trial=trial))
        ]

    assert found(None) == []
    assert found(TRIAL) == [(True, "is being undone: answers 500")]
    assert found(replace(TRIAL, phase="stuck")) == [(True, "answers 500")]
    (migrating,) = found(replace(TRIAL, phase="watching", migrating=True))
    assert migrating[0] is False and "do not interrupt it" in migrating[1]


def test_a_package_in_the_cache_is_kept_for_root_alone(paths: Paths) -> None:
    in_cache(paths, OLD)
    kept = kept_packages.keep(paths, OLD, installed=False)
    assert kept_packages.find(paths, OLD) == kept
    assert kept.stat().st_mode & 0o777 == 0o600
    assert paths.kept_packages.stat().st_mode & 0o777 == 0o700
    assert schema_numbers.of_package(kept) == 94


def test_a_damaged_kept_package_is_none(paths: Paths) -> None:
    in_cache(paths, OLD)
    kept = kept_packages.keep(paths, OLD, installed=False)
    kept.write_bytes(kept.read_bytes()[:-1])
    assert kept_packages.find(paths, OLD) is None


def test_a_damaged_package_in_the_cache_is_not_taken(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_packages, "_download", lambda *_args: "no network")
    cached = in_cache(paths, OLD)
    cached.write_bytes(cached.read_bytes()[:-100])
    with pytest.raises(HostError, match="no repository has it any more"):
        kept_packages.keep(paths, OLD, installed=False)


def test_two_versions_are_kept_and_no_more(paths: Paths) -> None:
    third = Release("matrix-synapse-py3", "3.0")
    for release in (OLD, NEW, third):
        in_cache(paths, release)
        kept_packages.keep(paths, release, installed=False)
    (paths.kept_packages / ".new-left").mkdir()
    kept_packages.keep_only(paths, {NEW, third})
    assert kept_packages.find(paths, OLD) is None
    assert kept_packages.find(paths, NEW) and kept_packages.find(paths, third)
    assert len(list(paths.kept_packages.iterdir())) == 3


def test_a_package_is_made_again_without_the_conffiles_that_were_edited(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dpkg would take an edit for the packaged text, and the next version would replace it."""
    files = {"/etc/same.yaml": "packaged\n", "/etc/edited.yaml": "edited\n", "/opt/code": "code\n"}
    for name, text in files.items():
        paths.on_host(name).parent.mkdir(parents=True, exist_ok=True)
        paths.on_host(name).write_text(text)
    paths.package_lists.mkdir(parents=True)
    unit = paths.root / "usr/lib/systemd/synapse.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("unit\n")
    # Another's file has the place of one of Synapse's; Synapse's has that of a third package's.
    (paths.root / "opt/moved").write_text("theirs\n")
    (paths.root / "opt/moved.distrib").write_text("diverted\n")
    (paths.package_lists.parent / "diversions").write_text(
        f"/opt/moved\n/opt/moved.distrib\n:\n/opt/code\n/opt/code.third\n{OLD.package}\n"
    )
    (paths.root / "lib").symlink_to("usr/lib")
    names = ["/.", "/etc", "/opt", "/opt/moved", *files, "/etc/removed.yaml"]
    names += ["/lib", "/lib/systemd", "/lib/systemd/synapse.service"]
    (paths.package_lists / f"{OLD.package}.list").write_text("\n".join(names) + "\n")
    conffiles = [name for name in names if name.endswith(".yaml")]
    recorded = dict.fromkeys(conffiles, md5(b"packaged\n"))
    monkeypatch.setattr(repacked_package, "recorded_md5", lambda _paths: recorded)
    status = (
        f"Package: {OLD.package}\nStatus: install ok installed\nVersion: 1.0\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: nothing\n"
    )
    shown_by_dpkg(status, monkeypatch)
    made = repacked_package.repack(paths, OLD, paths.state)
    assert kept_packages.is_whole(made, OLD)
    listed = run("dpkg-deb", "--contents", made).stdout
    assert "./etc/same.yaml" in listed and "./opt/code" in listed
    assert "./lib/systemd/synapse.service" in listed and "->" not in listed
    run("dpkg-deb", "--extract", made, paths.root / "unpacked")
    assert (paths.root / "unpacked/opt/moved").read_text() == "diverted\n"
    assert (paths.root / "unpacked/opt/code").read_text() == "code\n"
    assert "edited" not in listed and "removed" not in listed
    assert run("dpkg-deb", "--info", made, "conffiles").stdout == "/etc/same.yaml\n"
    for replaced in (
        ("ok installed", "reinstreq half-installed"),
        ("Version: 1.0", "Version: 2.0"),
    ):
        shown_by_dpkg(status.replace(*replaced), monkeypatch)
        with pytest.raises(HostError, match="was replaced while it was packed"):
            repacked_package.repack(paths, OLD, paths.state / replaced[1])


def shown_by_dpkg(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """dpkg-query shows this; all else is run."""
    monkeypatch.setattr(
        repacked_package, "run",
        lambda *argv, **options: Result(tuple(map(str, argv)), 0, status, "")
        if argv[0] == "dpkg-query" else run(*argv, **options),
    )  # fmt: skip


def test_the_compat_number_is_read_past_its_comments() -> None:
    text = "SCHEMA_VERSION = 94\n\nSCHEMA_COMPAT_VERSION = (\n    # 12 tables\n    84\n)\n"
    assert schema_numbers.compat_version(text) == 84
    assert schema_numbers.schema_version(text) == 94
    assert schema_numbers.compat_version("SCHEMA_COMPAT_VERSION = 60\n") == 60
    assert schema_numbers.compat_version("") is None


def test_the_reason_is_found_in_the_log() -> None:
    log = (
        "Traceback (most recent call last):\n"
        "Error in configuration at 'public_baseurl':\n  this option was removed\n"
        "synapse.access.http - INFO - POST /error 200\n"
    )
    reason = "Error in configuration at 'public_baseurl': this option was removed"
    assert observation.telling(log) == reason
    assert observation.telling("RuntimeError: broken\nStopped.\n") == "RuntimeError: broken"
    assert observation.telling("all is well: rooms\n") is None


def test_failed_requests_are_counted_in_nginx_log(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affected_requests, "_held", lambda _began: None)
    log = paths.root / "var/log/nginx/access.log"
    log.parent.mkdir(parents=True)
    rows = [
        ("13:00:10 +0100", "/_matrix/client/versions", 503),
        ("12:00:20 +0000", "/_matrix/client/v3/sync?since=s1", 200),
        ("12:00:30 +0000", "/other", 503),
        ("12:30:00 +0000", "/_matrix/client/versions", 503),
    ]
    log.write_text(
        "".join(
            f'192.0.2.1 - - [31/Jan/2026:{at}] "GET {path} HTTP/1.1" {status} 5 "-" "x"\n'
            for at, path, status in rows
        )
    )
    seen = affected_requests.between(paths, ENTRY.began, ENTRY.ended)
    assert seen.failed == 1
    log.unlink()
    assert affected_requests.between(paths, ENTRY.began, ENTRY.ended).failed is None
