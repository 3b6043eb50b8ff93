"""How much memory there is, and which allocator Synapse may have."""

from pathlib import Path

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host import memory

GIB = 1024**2  # in kB
TRIPLET = "x86_64-linux-gnu"


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_the_memory_is_the_kernels(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", f"MemTotal:        {2 * GIB} kB\nMemFree: 1 kB\n")
    assert memory.total(Paths(tmp_path)) == 2 * 1024**3


def test_some_bytes_more_at_another_boot_are_no_change(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", f"MemTotal: {2 * GIB + 4711} kB\n")
    assert memory.total(Paths(tmp_path)) == 2 * 1024**3


@pytest.mark.parametrize(("limit", "expected"), [("max", 4), (str(1024**3), 1), (str(8 << 30), 4)])
def test_a_container_has_its_share(tmp_path: Path, limit: str, expected: int) -> None:
    write(tmp_path, "proc/meminfo", f"MemTotal: {4 * GIB} kB\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", f"{limit}\n")
    assert memory.total(Paths(tmp_path)) == expected * 1024**3


def test_where_nobody_says_there_is_none(tmp_path: Path) -> None:
    assert memory.total(Paths(tmp_path)) is None


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sysconfig.get_config_var", lambda _name: TRIPLET)
    write(tmp_path, f"usr/lib/{TRIPLET}/libjemalloc.so.2", "")
    return tmp_path


def test_jemalloc_is_the_one_of_this_architecture(installed: Path) -> None:
    assert memory.jemalloc(Paths(installed)) == Path(f"/usr/lib/{TRIPLET}/libjemalloc.so.2")
    (installed / f"usr/lib/{TRIPLET}/libjemalloc.so.2").unlink()
    write(installed, "usr/lib/i386-linux-gnu/libjemalloc.so.2", "")
    assert memory.jemalloc(Paths(installed)) is None


@pytest.mark.parametrize(
    ("file", "text", "decided"),
    [
        ("etc/default/matrix-synapse", "LD_PRELOAD=/usr/lib/libtcmalloc.so.4\n", True),
        ("etc/default/matrix-synapse", "export PYTHONMALLOC=malloc\n", True),
        ("etc/default/matrix-synapse", "# LD_PRELOAD=/usr/lib/x.so\nOTHER=1\n", False),
        ("etc/systemd/system/matrix-synapse.service.d/override.conf",
         '[Service]\nEnvironment="LD_PRELOAD="\n', True),
        ("etc/systemd/system/matrix-synapse.service.d/override.conf", "[Service]\nNice=5\n", False),
    ],
)  # fmt: skip
def test_who_names_an_allocator_has_decided(
    installed: Path, file: str, text: str, decided: bool
) -> None:
    write(installed, file, text)
    assert (memory.jemalloc(Paths(installed)) is None) is decided
