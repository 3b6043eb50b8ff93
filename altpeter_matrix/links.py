"""The links in /etc that make nginx, Synapse and certbot find the current generation.

They are made here and not shipped in the package, because dpkg would bring back one that the
administrator deleted (Debian Policy 10.7.3). The manifest tells "never made" from "deleted".
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from altpeter_matrix import disk
from altpeter_matrix.errors import HostError, Problem
from altpeter_matrix.paths import Paths

FORMAT = 1

NGINX_SITE = "etc/nginx/sites-enabled/altpeter-matrix"
NGINX_AVAILABLE = "etc/nginx/sites-available/altpeter-matrix"
SYNAPSE = "etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"
CERTBOT_HOOK = "etc/letsencrypt/renewal-hooks/deploy/altpeter-matrix"

TARGETS: Mapping[str, str] = {
    NGINX_AVAILABLE: "/var/lib/altpeter-matrix/current/nginx/site.conf",
    NGINX_SITE: "../sites-available/altpeter-matrix",
    SYNAPSE: "/var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml",
    CERTBOT_HOOK: "/usr/lib/altpeter-matrix-config/certbot-deploy-hook",
}


class State(StrEnum):
    MADE = "made"
    WITHDRAWN = "withdrawn"  # by the package's own removal; a new installation makes it again


@dataclass(frozen=True)
class Link:
    path: Path
    target: str
    # present | make | deleted (by the administrator) | replaced (by a file where our link was,
    # as `sed -i` does) | foreign (something that was never ours)
    action: str


class Links:
    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def survey(self) -> dict[str, Link]:
        """Every link that belongs on this host, and what is to be done about it."""
        manifest = self._read()
        return {
            name: Link(
                self.paths.root / name, target, self._action(name, target, manifest.get(name))
            )
            for name, target in TARGETS.items()
            if self._wanted(name)
        }

    def ensure(self) -> list[Path]:
        """Make the links that are missing and were never deleted; the ones made now.

        Files in the place of links are overwritten: the caller keeps them aside before.

        The link comes before its entry in the manifest: a run that is killed in between finds a
        link of ours and enters it. The other order would look like a deletion.
        """
        survey = self.survey()
        foreign = self.foreign()
        if foreign:
            raise HostError(foreign)
        made = []
        for link in survey.values():
            if link.action in {"make", "replaced"}:
                link.path.parent.mkdir(parents=True, exist_ok=True)
                disk.replace_link(link.path, link.target)
                made.append(link.path)
        manifest = self._read()
        entered = {name: State.MADE for name, link in survey.items() if link.action != "deleted"}
        if manifest != {**manifest, **entered}:
            self._write({**manifest, **entered})
        return made

    def replaced(self) -> list[Link]:
        return [link for link in self.survey().values() if link.action == "replaced"]

    def foreign(self) -> list[Problem]:
        """Why `ensure` would refuse."""
        return [self._foreign(link) for link in self.survey().values() if link.action == "foreign"]

    def deleted(self) -> list[Link]:
        return [link for link in self.survey().values() if link.action == "deleted"]

    def is_settled(self) -> bool:
        """Whether `ensure` would change nothing."""
        manifest = self._read()
        return all(
            link.action == "deleted" or (link.action == "present" and name in manifest)
            for name, link in self.survey().items()
        )

    def nginx_site_wanted(self) -> bool:
        return self.survey()[NGINX_SITE].action != "deleted"

    def withdraw_nginx_site(self) -> None:
        """Take our site out of nginx when the package is removed; remember who did it."""
        link = self.survey()[NGINX_SITE]
        if link.action == "present":
            self._write({**self._read(), NGINX_SITE: State.WITHDRAWN})
            link.path.unlink(missing_ok=True)

    def _wanted(self, name: str) -> bool:
        if name == CERTBOT_HOOK:
            return self.paths.letsencrypt.is_dir()
        if name == SYNAPSE:
            return self.paths.synapse_conf_d.is_dir()
        return self.paths.nginx.is_dir()

    def _action(self, name: str, target: str, state: State | None) -> str:
        path = self.paths.root / name
        try:
            found = os.readlink(path)
        except FileNotFoundError:
            return "deleted" if state is State.MADE else "make"
        except OSError:  # EINVAL: not a symbolic link
            return "replaced" if state is State.MADE and path.is_file() else "foreign"
        # An administrator may write the same link in another way.
        same = os.path.normpath(path.parent / found) == os.path.normpath(path.parent / target)
        return "present" if same else "foreign"

    def _foreign(self, link: Link) -> Problem:
        return Problem(
            str(link.path),
            "is not the link of altpeter-matrix",
            f"move it away, then run `altpeter-matrix apply`; it makes a link to {link.target}",
        )

    def _read(self) -> dict[str, State]:
        try:
            data: dict[str, Any] = json.loads(self.paths.links_manifest.read_bytes())
            return {name: State(state) for name, state in data["links"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Damaged: links that are there are entered again, missing ones are made again.
            return {}

    def _write(self, links: Mapping[str, State]) -> None:
        text = json.dumps({"format": FORMAT, "links": dict(links)}, indent=2, sort_keys=True)
        disk.replace(self.paths.links_manifest, f"{text}\n".encode(), 0o644)
