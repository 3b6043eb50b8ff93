"""Room on the disks."""

import os
from collections.abc import Iterator
from pathlib import Path

from ...host.requirements import FREE_TO_APPLY, INODES_TO_APPLY, MIB
from ...usage import reclaimed
from ..check import Check
from ..found import Found, found, in_own_words
from ..view import View

# A small disk is nearly full at a tenth of it, a large one at two gigabytes.
_PART, _ENOUGH = 10, 2048 * MIB


def disks(view: View) -> Iterator[Found]:
    """Each file system that something of ours is on, once, by the first path there."""
    paths = view.paths
    places = (
        paths.state, paths.configuration, paths.synapse_data, paths.on_host("/var/lib/postgresql"),
        paths.on_host("/var/log"), paths.runtime,
    )  # fmt: skip
    seen: set[int] = set()
    for place in places:
        existing = next(one for one in (place, *place.parents) if one.exists())
        device = existing.stat().st_dev
        if device not in seen:
            seen.add(device)
            least = MIB if place == paths.runtime else FREE_TO_APPLY
            yield from _disk(existing, least)


def _disk(place: Path, least: int) -> Iterator[Found]:
    state = os.statvfs(place)
    if not os.access(place, os.W_OK):
        yield found("disk-read-only", place=place)
        return
    free = state.f_bavail * state.f_frsize
    low = min(state.f_blocks * state.f_frsize // _PART, _ENOUGH)
    if free < least:
        yield found("disk-full", place=place, least=f"{least // MIB} MiB")
    elif free < low and least > MIB:
        yield found("disk-nearly-full", place=place, least=f"{low // MIB} MiB")
    if state.f_files and state.f_favail < INODES_TO_APPLY:
        yield found("inodes-used-up", place=place, least=INODES_TO_APPLY)


def given_back(view: View) -> Iterator[Found]:
    yield from in_own_words("reclaim-failed", reclaimed.failures(view.paths))


CHECKS = (
    Check(
        "disks",
        disks,
        ("disk-read-only", "disk-full", "disk-nearly-full", "inodes-used-up"),
        before_adoption=True,
        live=False,
    ),
    Check("what is given back", given_back, ("reclaim-failed",), live=False),
)
