"""The files of a hand-made server and those of an adopted one, in each other's place.

Each step is one rename(2) or unlink(2), and between any two of them Synapse and nginx could start.
Synapse would not with a part of each configuration: it refuses a secret beside the path of a file
that holds it. So while its own files change, a file with all the old options stands where the link
to ours belongs, and one rename puts the one in the place of the other.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..apply.generations import Store
from ..base import disk, untrusted_files
from ..base.paths import Paths
from ..host.adoption_backup import Backup
from ..host.links import NGINX_AVAILABLE, NGINX_SITE, SYNAPSE, TARGETS, Links
from .survey import Survey

_OLD_OPTIONS = "options.yaml"
_TEXT = "# All options of before the adoption, while it happens.\n"


def keep_options(backup: Backup, options: Mapping[str, Any], group: int | None) -> None:
    """Have the old options at hand for the way back. Root's alone: passwords are among them.

    group: the one that may read them when they are put in force.
    """
    text = yaml.safe_dump({"group": group, "options": dict(options)}, allow_unicode=True)
    disk.write_new(backup.directory / _OLD_OPTIONS, text.encode(), 0o600)


def swap(paths: Paths, decided: Survey, number: int, group: int | None) -> None:
    """Put the new files in force for whoever starts next; what runs keeps what it has loaded."""
    Store(paths, decided.rendered.accounts).activate(number)
    disk.ensure_directory(paths.synapse_conf_d, 0o755)
    _put_options(paths, decided.reading.options, group)
    for path, content in decided.packaged.items():
        if untrusted_files.content(paths, path) != content:
            disk.replace(path, content, 0o644, 0)
    # What is read last stays longest: the last value of an option is the one that counts.
    for path in (*sorted(decided.snippets), *decided.leftovers):
        disk.remove(path)
    disk.replace_link(paths.root / SYNAPSE, TARGETS[SYNAPSE])
    _swap_sites(paths, decided.sites)
    for path, text in decided.renewals.items():
        disk.replace(path, text.encode(), path.stat().st_mode & 0o7777, path.stat().st_gid)
    Links(paths).ensure()


def swap_back(paths: Paths, backup: Backup) -> None:
    """The old files again. Doing it twice does no harm."""
    _put_old_options_back(paths, backup)
    _put_old_site_back(paths, backup)
    backup.restore()


def _put_options(paths: Paths, options: Mapping[str, Any], group: int | None) -> None:
    text = yaml.safe_dump(dict(options), allow_unicode=True)
    disk.replace(paths.root / SYNAPSE, f"{_TEXT}{text}".encode(), 0o640, group)


def _put_old_options_back(paths: Paths, backup: Backup) -> None:
    """From the link to ours to all old options, until the record removes them in the end."""
    if not os.path.lexists(paths.root / SYNAPSE):
        return  # the old files are all there
    try:
        kept = yaml.safe_load((backup.directory / _OLD_OPTIONS).read_bytes())
    except FileNotFoundError:
        return  # nothing was swapped yet
    _put_options(paths, kept["options"], kept["group"])


def _swap_sites(paths: Paths, old: tuple[Path, ...]) -> None:
    ours = paths.root / NGINX_SITE
    disk.replace_link(paths.root / NGINX_AVAILABLE, TARGETS[NGINX_AVAILABLE])
    for path in old[1:]:
        path.unlink(missing_ok=True)
    if old:
        # Under the old site's name first: it is replaced and not joined.
        disk.replace_link(old[0], TARGETS[NGINX_SITE])
        old[0].rename(ours)
        disk.synchronise_directory(ours.parent)


def _put_old_site_back(paths: Paths, backup: Backup) -> None:
    """The same the other way: the record finds our link under the old site's name."""
    ours = paths.root / NGINX_SITE
    old = next((path for path in map(paths.on_host, backup.sites()) if path != ours), None)
    if old is not None and ours.is_symlink() and not os.path.lexists(old):
        ours.rename(old)
        disk.synchronise_directory(ours.parent)
