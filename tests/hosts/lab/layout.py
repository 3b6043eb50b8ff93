"""Where the lab keeps things. Everything it makes on disk lies below ``build/lab``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LAB = ROOT / "build" / "lab"
# Checkouts may share one cache through a symbolic link. Layers are then told apart by their path,
# so it has to be the same path for all.
CACHE = (LAB / "cache").resolve()
# Raise it when a change of the lab's code alters what its cached layers contain.
GENERATION = "1"


@dataclass(frozen=True)
class Release:
    """A Debian release that lab hosts can run."""

    debian: str
    codename: str


RELEASES = {
    release.debian: release
    for release in (Release("12", "bookworm"), Release("13", "trixie"), Release("sid", "sid"))
}


def recipe_key(*parts: str) -> str:
    """Name a cached thing by everything that decides its content."""
    return hashlib.sha256("\0".join((GENERATION, *parts)).encode()).hexdigest()[:12]
