"""The room of Synapse's media, by what they are.

The files are counted, and not the sizes that the database has of them: those leave out thumbnails
and what an interrupted removal left, adding them up reads whole tables of millions of rows, and a
stopped PostgreSQL has no answer. Counting takes as long; so the page looks for some seconds, and
the daily sample for as long as it takes.

The directory belongs to Synapse's user, and it is looked at as that user: in a process of its own,
which is ended when it takes too long.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import untrusted_files
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..synapse import config_files
from .file_systems import Look, look
from .model import Part
from .trees import Tree, measure

# Synapse's directories below its store, by what each holds.
LOCAL, REMOTE, PREVIEWS = "media-local", "media-remote", "media-previews"
_DIRECTORIES = {
    LOCAL: ("sent by this server's users", ("local_content", "local_thumbnails")),
    # The second one as versions before 0.4 had it.
    REMOTE: ("copies of other servers' media",
             ("remote_content", "remote_thumbnail", "remote_thumbnails")),
    PREVIEWS: ("link previews", ("url_cache", "url_cache_thumbnails")),
}  # fmt: skip
_NAMES = {name for _title, names in _DIRECTORIES.values() for name in names}
_OTHER = "media-other"
# How Synapse calls its store where nothing names one, below the directory that it runs in.
_DEFAULT = "media_store"
_MORE = 5.0  # seconds: so much later the process of a look that did not end by itself is ended


@dataclass(frozen=True)
class Media:
    part: Part
    looks: tuple[Look, ...]  # at the file systems that they are on


def store(paths: Paths) -> Path:
    """Where Synapse keeps media, by its own files."""
    # Where both name one, `synapse:` of the settings is meant to win over the packaged file.
    options = {
        **config_files.merged_without_ours(paths), **config_files.read_generated(paths.current)
    }  # fmt: skip
    configured = options.get("media_store_path")
    return paths.on_host(Path("/var/lib/matrix-synapse", str(configured or _DEFAULT)))


def look_at(paths: Paths, seconds: float) -> Media:
    """The media of this server; HostError when they are not there, or cannot be looked at."""
    place = store(paths)
    answer: Mapping[str, Any] | None = untrusted_files.as_user(
        paths, lambda: _look(place, time.monotonic() + seconds), within=seconds + _MORE
    )
    if answer is None:
        raise HostError(
            Problem(
                str(place), "is missing, or Synapse cannot enter it",
                "bring the media back, from a backup if they are gone; see media_store_path in"
                " /etc/matrix-synapse/homeserver.yaml",
            )
        )  # fmt: skip
    inside = tuple(
        Part(key, title, *answer["trees"][key])
        for key, title in (*((key, one[0]) for key, one in _DIRECTORIES.items()), (_OTHER, "other"))
        if answer["trees"][key][0]
    )
    size, whole = sum(one.size for one in inside), all(one.whole for one in inside)
    return Media(Part("media", "media", size, whole, inside), tuple(answer["looks"]))


def _look(place: Path, until: float) -> dict[str, Any] | None:
    """What JSON can say of it: the room of each kind, and the file systems."""
    try:
        names = os.listdir(place)
    except OSError:
        return None
    kinds = {key: names_of for key, (_title, names_of) in _DIRECTORIES.items()}
    kinds[_OTHER] = tuple(name for name in names if name not in _NAMES)
    trees = {}
    for key, below in kinds.items():
        found = sum((measure(place / name, until) or Tree() for name in below), Tree())
        trees[key] = [found.size, found.whole]
    places = [place, *(place / name for name in _NAMES if (place / name).is_symlink())]
    return {"trees": trees, "looks": [one for one in map(look, places) if one is not None]}
