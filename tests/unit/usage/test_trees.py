"""The room of a directory is what du(1) says, whatever is in it, and however long it would take."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from altpeter_matrix.usage import file_systems
from altpeter_matrix.usage.trees import Tree, measure


def du(path: Path) -> int:
    shown = subprocess.run(["du", "-s", "-B1", path], check=True, capture_output=True, text=True)
    return int(shown.stdout.split()[0])


def soon() -> float:
    return time.monotonic() + 60


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    for number in range(20):
        below = top / f"{number % 4}/{number}"
        below.mkdir(parents=True)
        (below / "file").write_bytes(b"x" * number * 3000)
    os.link(top / "3/19/file", top / "second name")
    (top / "endless").symlink_to(tmp_path)
    (top / "gone").symlink_to("/nonexistent")
    os.mkfifo(top / "pipe")
    with (top / "hole").open("wb") as stream:
        stream.truncate(1024**3)
    (tmp_path / "outside").write_bytes(b"x" * 5_000_000)
    return top


def test_it_counts_as_du_does(tree: Path) -> None:
    assert measure(tree, soon()) == Tree(du(tree))
    assert du(tree) < 2_000_000, "neither the hole nor the link counts"


def test_the_directory_itself_may_be_a_link(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    assert measure(tmp_path / "link", soon()) == Tree(du(tree))


def test_a_file_is_counted_too(tree: Path) -> None:
    assert measure(tree / "3/19/file", soon()) == Tree(du(tree / "3/19/file"))


def test_when_time_is_over_it_says_so(tree: Path) -> None:
    found = measure(tree, time.monotonic() - 1)
    assert found is not None
    assert not found.whole
    assert found.size < du(tree)


def test_what_is_not_there_is_none(tree: Path) -> None:
    assert measure(tree / "nothing", soon()) is None
    assert measure(tree / "second name/x", soon()) is None
    (tree / "loop").symlink_to(tree / "loop")
    assert measure(tree / "loop", soon()) == Tree(whole=False)


def test_a_tree_that_is_removed_meanwhile_is_no_error(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("/2"):
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = measure(tree, soon())
    assert found is not None
    assert found.whole


def test_a_file_system_is_told_as_df_tells_it(tmp_path: Path) -> None:
    shown = subprocess.run(
        ["df", "-B1", "--output=size,used,avail,itotal,target", tmp_path],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()[1].split()  # fmt: skip
    found = file_systems.look(tmp_path)
    assert found is not None
    assert [found["size"], found["inodes"]] == [int(shown[0]), int(shown[3])]
    assert found["mount"] == shown[4]
    assert abs(found["free"] - int(shown[2])) < 1024**3, "others write meanwhile"


def test_a_file_system_is_told_once_with_all_that_is_on_it(tmp_path: Path) -> None:
    here = file_systems.look(tmp_path)
    assert here is not None
    other = {**here, "device": -1, "mount": "/srv"}
    looks = (("system", here), ("media", other), ("logs", here), ("database", None), ("logs", here))
    found = file_systems.merged(looks)
    assert [(one.mount, one.holds) for one in found] == [
        (here["mount"], ("system", "logs")), ("/srv", ("media",)),
    ]  # fmt: skip


def test_a_place_that_is_not_there_has_no_file_system(tmp_path: Path) -> None:
    assert file_systems.look(tmp_path / "nothing") is None
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert file_systems.look(tmp_path / "loop") is None
