"""Settings of the kernel that labs share: the first one sets them, the last one sets them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# Each host's systemd takes about eight, all on root's account; with the usual 128 the fifteenth
# host boots with failed units.
INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
NEEDED = {FORWARD: 1, INOTIFY_INSTANCES: 1024}
# Below /run: after a reboot the kernel's settings and this memory of them are both gone.
MEMORY = Path("/run/altpeter-matrix-lab")


@contextmanager
def _locked() -> Iterator[Path]:
    (MEMORY / "users").mkdir(parents=True, exist_ok=True)
    with (MEMORY / "lock").open("w") as held:
        flock(held, LOCK_EX)
        yield MEMORY / "users"


def _memory_of(setting: Path) -> Path:
    return MEMORY / f"{setting.name}.before"


def claim(token: str) -> None:
    """Make the settings large enough for the lab run with this token."""
    with _locked() as users:
        first = not any(users.iterdir())
        for setting, needed in NEEDED.items():
            before = int(setting.read_text())
            if first:
                _memory_of(setting).write_text(f"{before}\n")
            if before < needed:
                setting.write_text(f"{needed}\n")
        (users / token).touch()


def release(token: str) -> None:
    """Give up the claim; the last one restores what was set before the first."""
    with _locked() as users:
        if not (users / token).exists():
            return
        (users / token).unlink()
        if any(users.iterdir()):
            return
        for setting in NEEDED:
            memory = _memory_of(setting)
            if memory.exists():
                setting.write_text(memory.read_text())
                memory.unlink()
