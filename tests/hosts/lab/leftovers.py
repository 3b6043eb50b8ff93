"""What a run of the lab leaves: removed when it ends, or by the next one."""

from __future__ import annotations

import os
import shutil
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO

from .errors import LabError
from .layout import LAB
from .ledger import Ledger
from .progress import step

# What a closed lab leaves in its directory. The lock must stay the same file for everybody.
KEPT = ("lock", "logs", "ssh_key", "ssh_key.pub")


def clean(name: str) -> None:
    """Remove what a run left behind; refuse while it lives."""
    if not (LAB / name).is_dir():
        return
    with take(LAB / name), step(f"cleaning lab {name!r}"):
        remove(LAB / name, Ledger(LAB / name / "ledger"))


def remove(state: Path, ledger: Ledger) -> None:
    """Undo what the ledger names, and empty a run's directory; LabError if something stays."""
    failed = ledger.undo()
    for directory in (state / "hosts").glob("*"):
        if os.path.ismount(directory / "root"):
            failed.append(f"{directory}/root is still mounted")
        else:
            shutil.rmtree(directory)
    if failed:
        raise LabError("the lab left something behind:\n" + "\n".join(failed))
    for path in state.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def take(state: Path) -> IO[str]:
    """The lock on a run's directory, until it is closed; LabError while another has it."""
    state.mkdir(parents=True, exist_ok=True)
    lock = (state / "lock").open("a+")
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise LabError(f"the lab {state.name!r} is in use by process {owner}") from None
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
