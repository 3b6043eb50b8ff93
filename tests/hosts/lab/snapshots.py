"""Snapshots: what a host wrote, frozen as a layer, with what its clones need to know."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from .images import exclusive
from .layout import CACHE

STORE = CACHE / "snapshots"


@dataclass(frozen=True)
class Snapshot:
    """A frozen host. ``layers`` begins with the topmost; ``roots`` are the ACME roots it met;
    ``run`` is the test run that made it."""

    name: str
    debian: str
    fqdn: str
    number: int
    layers: tuple[str, ...]
    dns: tuple[str, ...]
    roots: str
    run: str = ""


def changing() -> AbstractContextManager[None]:
    """Keep other processes from pruning a layer before its snapshot is recorded."""
    return exclusive("snapshots")


def new_layer(name: str) -> Path:
    """Return a path for the frozen layer of a new snapshot."""
    STORE.mkdir(parents=True, exist_ok=True)
    return STORE / f"{name}.{secrets.token_hex(4)}"


def save(snapshot: Snapshot) -> Snapshot:
    """Record the snapshot, within `changing`; one of the same name is replaced."""
    record = STORE / f"{snapshot.name}.json"
    unfinished = record.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(snapshot), indent=2))
    unfinished.replace(record)
    prune()
    return snapshot


def load(name: str) -> Snapshot | None:
    """Return a snapshot of an earlier run, if all its layers are still there."""
    record = STORE / f"{name}.json"
    if not record.exists():
        return None
    fields = json.loads(record.read_text())
    fields["layers"], fields["dns"] = tuple(fields["layers"]), tuple(fields["dns"])
    snapshot = Snapshot(**fields)
    return snapshot if all(Path(layer).is_dir() for layer in snapshot.layers) else None


def forget(name: str) -> None:
    """Drop a snapshot; its layer goes when nothing uses it."""
    with changing():
        (STORE / f"{name}.json").unlink(missing_ok=True)
        prune()


def all_saved() -> Sequence[Snapshot]:
    """Return every usable snapshot."""
    found = [load(path.stem) for path in sorted(STORE.glob("*.json"))]
    return [snapshot for snapshot in found if snapshot is not None]


def prune() -> None:
    """Remove layers that no snapshot names and no mounted host stands on."""
    used = {layer for snapshot in all_saved() for layer in snapshot.layers}
    mounts = Path("/proc/self/mountinfo").read_text()
    for layer in STORE.glob("*.*"):
        if layer.is_dir() and str(layer) not in used and str(layer) not in mounts:
            shutil.rmtree(layer)
