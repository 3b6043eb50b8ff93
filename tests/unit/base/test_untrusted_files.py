"""Files that another user may change: read with a bound in kind, size and time, as that user."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from altpeter_matrix.base import disk, untrusted_files
from altpeter_matrix.base.errors import HostError, ValidationError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.synapse import config_files

NOBODY = (65534, 65534, [65534])
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    paths.synapse_conf_d.mkdir(parents=True)
    return paths


@pytest.fixture
def as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted_files, "_identity", lambda _paths, _user: NOBODY)
    monkeypatch.setattr(untrusted_files, "_slow", set())


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


def link_to_nothing(path: Path) -> None:
    path.symlink_to("/nowhere")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (os.mkfifo, "is a named pipe, not a file"),
        (endless, "is a link to /dev/zero, not a file"),
        (huge, "has 1099511627776 bytes, which no configuration has"),
        (link_to_nothing, "is a link to /nowhere, and cannot be read"),
        (os.mkdir, "is a directory, not a file"),
    ],
)
def test_what_is_no_ordinary_file_is_refused_at_once(
    paths: Paths, make: Callable[[Path], None], what: str
) -> None:
    for file in (paths.synapse / "homeserver.yaml", paths.synapse_conf_d / "a.yaml"):
        make(file)
        began = time.monotonic()
        with pytest.raises(HostError, match=what) as raised:
            config_files.texts_of_others(paths)
        assert time.monotonic() - began < 3
        assert [one.where for one in raised.value.problems] == [str(file)]
        file.rmdir() if file.is_dir() else file.unlink()


def test_what_is_not_there_is_no_problem(paths: Paths) -> None:
    assert config_files.texts_of_others(paths) == {}
    assert untrusted_files.content(paths, paths.synapse / "none") is None


def test_a_link_to_a_file_is_followed(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("a: 1\n")
    (paths.synapse_conf_d / "10-a.yaml").symlink_to(tmp_path / "elsewhere")
    assert config_files.merged_without_ours(paths) == {"a": 1}


def test_more_files_than_anybody_has_are_refused(paths: Paths) -> None:
    for number in range(untrusted_files.MOST_FILES + 1):
        (paths.synapse_conf_d / f"{number}.yaml").touch()
    with pytest.raises(HostError, match="more than 1000 files"):
        config_files.files(paths)


@AS_ROOT
def test_what_the_user_cannot_read_is_not_read(
    paths: Paths, tmp_path: Path, as_nobody: None
) -> None:
    for directory in (tmp_path, *tmp_path.parents):
        if "pytest-of-" in str(directory):
            directory.chmod(0o755)
    secret = tmp_path / "secret"
    secret.write_text("root's alone")
    secret.chmod(0o600)
    link = paths.synapse / "homeserver.yaml"
    link.symlink_to(secret)
    with pytest.raises(HostError, match=f"is a link to {secret}, and cannot be read by the user"):
        untrusted_files.content(paths, link)
    secret.chmod(0o644)
    assert untrusted_files.content(paths, link) == b"root's alone"
    assert os.geteuid() == 0


@AS_ROOT
def test_work_that_takes_too_long_is_ended(paths: Paths, as_nobody: None) -> None:
    began = time.monotonic()
    with pytest.raises(HostError, match=r"within 2 s"):
        untrusted_files.as_user(paths, lambda: time.sleep(60), within=2)
    # A command that reads a dozen times must not wait a dozen times as long.
    with pytest.raises(HostError, match=r"within 1 s"):
        untrusted_files.as_user(paths, lambda: time.sleep(60), within=60)
    assert time.monotonic() - began < 8


@AS_ROOT
def test_what_fails_in_the_other_process_is_told(paths: Paths, as_nobody: None) -> None:
    assert untrusted_files.as_user(paths, os.getuid) == 65534
    with pytest.raises(OSError, match="Permission denied"):
        untrusted_files.as_user(paths, lambda: Path("/etc/shadow").read_text())
    with pytest.raises(HostError, match="ZeroDivisionError"):
        untrusted_files.as_user(paths, lambda: 1 / 0)
    with pytest.raises(HostError, match="MemoryError"):
        untrusted_files.as_user(paths, lambda: len(bytearray(2**34)))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &a [*a]\n", "contains itself"),
        (
            "a0: &a0 [x]\n"
            + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
            "means more than 100000 values",
        ),
        ("a: 2020-13-45\n", "not a value of the type"),
        (f"a: {'1' * 5000}\n", "not a value of the type"),
        ("[" * 5000, "nested|line"),
        ("a: \xff", "not text|YAML"),
    ],
    ids=["itself", "bomb", "date", "number", "deep", "bytes"],
)
def test_yaml_that_is_meant_to_harm_is_refused(paths: Paths, text: str, what: str) -> None:
    (paths.synapse / "homeserver.yaml").write_bytes(text.encode("latin-1"))
    began = time.monotonic()
    with pytest.raises(ValidationError, match=what):
        config_files.merged_without_ours(paths)
    assert time.monotonic() - began < 5


def test_an_anchor_of_ordinary_use_is_read(paths: Paths) -> None:
    (paths.synapse / "homeserver.yaml").write_text("a: &a {b: 1}\nc: *a\n")
    assert config_files.merged_without_ours(paths) == {"a": {"b": 1}, "c": {"b": 1}}


def test_nothing_is_written_through_a_link_that_another_user_can_make(
    paths: Paths, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    paths.synapse_conf_d.rmdir()
    paths.synapse_conf_d.symlink_to(outside)
    paths.synapse.chmod(0o777)
    file = paths.synapse_conf_d / "server_name.yaml"
    (outside / "server_name.yaml").touch()
    attempts: list[Callable[[], object]] = [
        lambda: disk.replace(file, b"", 0o644),
        lambda: disk.replace_link(file, "/"),
        lambda: disk.remove(file),
        lambda: disk.write_new(file.with_name("new"), b"", 0o644),
        lambda: disk.ensure_directory(paths.synapse_conf_d, 0o700),
        lambda: disk.ensure_directory(paths.synapse_conf_d / "more", 0o700),
    ]
    for attempt in attempts:
        with pytest.raises(OSError, match="is a link, where another user can make one") as raised:
            attempt()
        assert str(paths.synapse) in str(raised.value.filename)
    assert [path.name for path in outside.iterdir()] == ["server_name.yaml"]
    assert outside.stat().st_mode & 0o777 == 0o755
    assert [one.where for one in untrusted_files.problems(paths)] == [str(paths.synapse_conf_d)]


def test_a_link_that_only_root_can_have_made_is_followed(tmp_path: Path) -> None:
    ours, real = tmp_path / "ours", tmp_path / "real"
    ours.mkdir(mode=0o755)
    real.mkdir(mode=0o755)
    (ours / "link").symlink_to("../real")
    if tmp_path.parent.parent.parent.stat().st_mode & 0o022:
        # Everybody may write in /tmp, so nothing below is trusted.
        with pytest.raises(OSError, match="is a link"):
            disk.replace(ours / "link/file", b"x", 0o644)
    ours.chmod(0o755)
    if os.geteuid() == 0 and not Path("/root").stat().st_mode & 0o022:
        home = Path("/root") / f".altpeter-matrix-test-{os.getpid()}"
        try:
            disk.ensure_directory(home / "real", 0o755)
            (home / "link").symlink_to("real")
            (home / "absolute").symlink_to(home / "link")
            disk.replace(home / "absolute/file", b"x", 0o640)
            assert (home / "real/file").read_bytes() == b"x"
        finally:
            disk.remove(home / "real/file")
            for name in ("link", "absolute"):
                disk.remove(home / name)
            (home / "real").rmdir()
            home.rmdir()


def test_what_is_wrong_names_the_whole_path(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory") as raised:
        disk.replace(tmp_path / "a", b"", 0o644)
    assert raised.value.filename == str(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(FileNotFoundError) as missing:
        disk.write_new(tmp_path / "none/a", b"", 0o644)
    assert missing.value.filename == str(tmp_path / "none")
