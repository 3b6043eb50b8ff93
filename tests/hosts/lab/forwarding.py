"""IPv4 forwarding, which labs share: the first one turns it on, the last one turns it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

SWITCH = Path("/proc/sys/net/ipv4/ip_forward")
# Below /run: after a reboot the kernel's setting and this memory of it are both gone.
MEMORY = Path("/run/altpeter-matrix-lab")


@contextmanager
def _locked() -> Iterator[Path]:
    (MEMORY / "users").mkdir(parents=True, exist_ok=True)
    with (MEMORY / "lock").open("w") as held:
        flock(held, LOCK_EX)
        yield MEMORY / "users"


def claim(token: str) -> None:
    """Turn forwarding on for the lab run with this token."""
    with _locked() as users:
        if not any(users.iterdir()):
            (MEMORY / "before").write_text(SWITCH.read_text())
        (users / token).touch()
        SWITCH.write_text("1\n")


def release(token: str) -> None:
    """Give up the claim; the last one restores what was set before the first."""
    with _locked() as users:
        if not (users / token).exists():
            return
        (users / token).unlink()
        if not any(users.iterdir()):
            SWITCH.write_text((MEMORY / "before").read_text())
            (MEMORY / "before").unlink()
