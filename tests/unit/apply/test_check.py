"""`altpeter-matrix check`: refuses what apply would refuse, and changes nothing."""

from pathlib import Path

import pytest

from altpeter_matrix.apply.check import check
from altpeter_matrix.base.errors import MatrixConfigError

from ..fake_host import NAME, FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


def snapshot(host: FakeHost) -> dict[Path, int]:
    """Everything but what running a program leaves."""
    besides = (host.paths.locks / "apply", host.root / "calls")
    return {path: path.lstat().st_mtime_ns for path in host.root.rglob("*")
            if not path.is_dir() and path not in besides}  # fmt: skip


def test_check_accepts_and_changes_nothing(serving: FakeHost, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(f"server_name: {NAME}\npresence: false\nsynapse: {{no_such_option: 1}}\n")
    before = snapshot(serving)
    warnings = check(serving.host, other)
    assert [warning.where for warning in warnings] == ["settings.yaml: synapse.no_such_option"]
    assert snapshot(serving) == before
    assert serving.actions() == []


def test_check_refuses_what_apply_refuses(serving: FakeHost, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("server_name: 192.0.2.1\n")
    with pytest.raises(MatrixConfigError, match=r"other.yaml: server_name"):
        check(serving.host, other)
    serving.break_program("synapse", "Error in configuration:\n  no")
    with pytest.raises(MatrixConfigError, match="Synapse"):
        check(serving.host)
