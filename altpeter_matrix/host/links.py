"""The links in /etc that make nginx, Synapse, certbot and apt find the current generation.

They are made here and not shipped in the package, because dpkg would bring back one that the
administrator deleted (Debian Policy 10.7.3). The manifest tells "never made" from "deleted".
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import disk
from ..base.errors import HostError, Problem
from ..base.paths import CURRENT, SYNAPSE_OPTIONS, Paths
from ..base.state_file import StateFile

NGINX_SITE = "etc/nginx/sites-enabled/altpeter-matrix"
NGINX_AVAILABLE = "etc/nginx/sites-available/altpeter-matrix"
NGINX_MAIN = "etc/nginx/altpeter-matrix.conf"
SYNAPSE = "etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"
APT = "etc/apt/apt.conf.d/52altpeter-matrix"
# The last by name: apt takes the first record that fits (apt/preferences.py).
APT_PREFERENCES = "etc/apt/preferences.d/zz-altpeter-matrix.pref"
CERTBOT_HOOK = "etc/letsencrypt/renewal-hooks/deploy/altpeter-matrix"

TARGETS: Mapping[str, str] = {
    # Always there, and includes the generated site: nginx does not start on a link to nothing.
    NGINX_AVAILABLE: "/usr/share/altpeter-matrix-config/nginx/current-site.conf",
    NGINX_SITE: "../sites-available/altpeter-matrix",
    # Made at each start of nginx, see nginx/main_file.py; without it nginx starts with nginx.conf.
    NGINX_MAIN: "/run/altpeter-matrix/nginx.conf",
    SYNAPSE: str(CURRENT / SYNAPSE_OPTIONS),
    APT: f"{CURRENT}/apt/apt.conf",
    APT_PREFERENCES: f"{CURRENT}/apt/preferences",
    CERTBOT_HOOK: "/usr/lib/altpeter-matrix-config/certbot-deploy-hook",
}


@dataclass(frozen=True)
class Link:
    path: Path
    target: str
    # present | make | deleted (by the administrator) | restore (deleted, but nothing would start
    # without it) | replaced (by a file where our link was, as `sed -i` does) | foreign (something
    # that was never ours)
    action: str


class Links:
    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def states(self) -> dict[str, Link]:
        """Every link that belongs on this host, and what is to be done about it."""
        manifest = self._read()
        return {
            name: Link(self.paths.root / name, target, self._action(name, target, name in manifest))
            for name, target in TARGETS.items()
            if self._wanted(name)
        }

    def ensure(self) -> list[Path]:
        """Make the links that are missing, but for those that somebody may do without.

        Files in the place of links are overwritten: the caller keeps them aside before. Returns
        the paths of the links made now.

        The link comes before its entry in the manifest: a run that is killed in between finds a
        link of ours and enters it. The other order would look like a deletion.
        """
        states = self.states()
        foreign = self.foreign()
        if foreign:
            raise HostError(foreign)
        made = []
        for link in states.values():
            if link.action in {"make", "replaced", "restore"}:
                with disk.opened(link.path.parent, make=True):
                    pass
                disk.replace_link(link.path, link.target)
                made.append(link.path)
        manifest = self._read()
        if not states.keys() <= manifest:
            self._write(manifest | states.keys())
        return made

    def replaced(self) -> list[Link]:
        return [link for link in self.states().values() if link.action == "replaced"]

    def foreign(self) -> list[Problem]:
        """Why `ensure` would refuse."""
        return [self._foreign(link) for link in self.states().values() if link.action == "foreign"]

    def deleted(self) -> list[Link]:
        return [link for link in self.states().values() if link.action == "deleted"]

    def to_restore(self) -> list[Link]:
        return [link for link in self.states().values() if link.action == "restore"]

    def is_settled(self) -> bool:
        """Whether `ensure` would change nothing."""
        manifest = self._read()
        return all(
            link.action == "deleted" or (link.action == "present" and name in manifest)
            for name, link in self.states().items()
        )

    def nginx_site_wanted(self) -> bool:
        return self.states()[NGINX_SITE].action != "deleted"

    def _wanted(self, name: str) -> bool:
        if name == CERTBOT_HOOK:
            return self.paths.letsencrypt.is_dir()
        if name in {APT, APT_PREFERENCES}:
            return True
        if name == SYNAPSE:
            return self.paths.synapse_conf_d.parent.is_dir()
        return self.paths.nginx.is_dir()

    def _action(self, name: str, target: str, made_before: bool) -> str:
        path = self.paths.root / name
        try:
            found = os.readlink(path)
        except FileNotFoundError:
            if not made_before:
                return "make"
            return "restore" if self._indispensable(name) else "deleted"
        except OSError:  # EINVAL: not a symbolic link
            return "replaced" if made_before and path.is_file() else "foreign"
        # An administrator may write the same link in another way.
        same = os.path.normpath(path.parent / found) == os.path.normpath(path.parent / target)
        return "present" if same else "foreign"

    def _indispensable(self, name: str) -> bool:
        if name == NGINX_AVAILABLE:  # nginx does not start on a link to nothing
            return (self.paths.root / NGINX_SITE).is_symlink()
        # Without our options Synapse would begin an empty server on SQLite, with the same name.
        return name == SYNAPSE

    def _foreign(self, link: Link) -> Problem:
        return Problem(
            str(link.path),
            "is not the link of altpeter-matrix",
            f"move it away, then run `altpeter-matrix apply`; it makes a link to {link.target}",
        )

    def _read(self) -> frozenset[str]:
        """The links that were made at some time."""
        return _FILE.read(self.paths.links_manifest)

    def _write(self, made: Iterable[str]) -> None:
        _FILE.write(self.paths.links_manifest, {"made": sorted(made)})


def _parse(raw: dict[str, Any]) -> frozenset[str]:
    return frozenset(str(name) for name in raw["made"])


# Missing or damaged: links that are there are entered again, others made again. Of a later version
# of this package: who knows what it says about a link that is missing. It may have been deleted, so
# none is made, and the file stays as it is.
_FILE: StateFile[frozenset[str]] = StateFile(
    _parse, missing=frozenset(), newer=lambda: frozenset(TARGETS), mode=0o644
)
