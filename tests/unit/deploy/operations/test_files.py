"""The command that writes a file on a host, run by a real shell."""

import subprocess
from pathlib import Path

import pytest

from tasks.operations.files import write

CONTENT = b"server_name: example.org\n\xff\x00"


def run(path: Path, lines: list[str]) -> subprocess.CompletedProcess[bytes]:
    command = write(str(path), CONTENT, "640").get_raw_value()
    sent = "".join(f"{line}\n" for line in lines)
    return subprocess.run(["sh", "-c", command], input=sent.encode(), check=False)


def lines(path: Path) -> list[str]:
    return list(write(str(path), CONTENT, "640").connector_arguments["_stdin"] or ())


def test_a_file_is_written_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new directory" / "settings.yaml"
    assert run(path, lines(path)).returncode == 0
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("sent", [0, 1])
def test_a_deploy_killed_before_its_last_line_changes_nothing(tmp_path: Path, sent: int) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("old")
    assert run(path, lines(path)[:sent]).returncode != 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_deploy_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    (tmp_path / ".settings.yaml.new.a1b2c3").write_text("half")
    assert run(path, lines(path)).returncode == 0
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_deploy_still_does_harms_no_later_one(tmp_path: Path) -> None:
    """Its sync may take long; only then does it rename its file."""
    path = tmp_path / "settings.yaml"
    slow = write(str(path), CONTENT, "640").get_raw_value().replace("sync ", "read _; sync ")
    with subprocess.Popen(["sh", "-c", slow], stdin=subprocess.PIPE) as killed:
        assert killed.stdin is not None
        killed.stdin.write("".join(f"{line}\n" for line in lines(path)).encode())
        killed.stdin.flush()
        while not list(tmp_path.glob(".settings.yaml.new.*")):
            assert killed.poll() is None
        assert run(path, lines(path)).returncode == 0
        killed.communicate(b"\n")
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]
