"""A disk that fills."""

import os
from types import SimpleNamespace

import pytest

from altpeter_matrix.host.requirements import MIB
from altpeter_matrix.status.checks import disk
from altpeter_matrix.status.view import View

from ..fake_host import FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


@pytest.mark.parametrize(
    ("numbers", "faults"),
    [
        ((20_000, 3000, 9000), []),
        ((20_000, 1900, 9000), ["disk-nearly-full"]),
        ((4000, 500, 9000), []),
        ((4000, 300, 9000), ["disk-nearly-full"]),
        ((4000, 60, 9000), ["disk-full"]),
        ((4000, 60, 100), ["disk-full", "inodes-used-up"]),
        ((20_000, 3000, 100), ["inodes-used-up"]),
    ],
)
def test_a_disk_that_fills(
    serving: FakeHost,
    monkeypatch: pytest.MonkeyPatch,
    numbers: tuple[int, int, int],
    faults: list[str],
) -> None:
    size, free, inodes = numbers
    state = SimpleNamespace(
        f_blocks=size, f_bavail=free, f_frsize=MIB, f_files=10_000, f_favail=inodes
    )
    monkeypatch.setattr(os, "statvfs", lambda _place: state)
    assert [one.id for one in disk.disks(View(serving.host))] == faults


def test_a_file_system_without_inodes_has_none_to_use_up(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SimpleNamespace(f_blocks=9999, f_bavail=5000, f_frsize=MIB, f_files=0, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _place: state)
    assert list(disk.disks(View(serving.host))) == []
