"""Debian systems without a running systemd, as when an image is built."""

import itertools
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.hosts.lab.images import base_image, cached
from tests.hosts.lab.layers import run_in_layer
from tests.hosts.lab.layout import LAB, RELEASES, recipe_key
from tests.hosts.lab.synapse_deb import package

# All that our package depends on, so that installing it takes seconds and no network.
PREPARE = """
echo "matrix-synapse-py3 matrix-synapse/server-name string example.org" | debconf-set-selections
apt-get -q update
apt-get -qy install --no-install-recommends certbot gpg nginx postgresql \
    python3-click python3-dnspython python3-jinja2 python3-jsonschema python3-psycopg2 \
    python3-rich python3-yaml locales /synapse/{synapse}
localedef -i de_DE -f UTF-8 de_DE.UTF-8
apt-get clean
"""
INSTALL = "dpkg --install /package.deb\n"
# Everything a second configuration could change, time stamps of files that are the same aside.
FINGERPRINT = (
    "find /etc /var/lib/altpeter-matrix -not -path '*/status.json' -printf '%p %m %u %g %l\\n'"
    " | sort; find /etc /var/lib/altpeter-matrix -type f -not -name status.json"
    " -exec sha256sum {} + | sort -k 2\n"
)


def ready_layers(debian: str) -> list[Path]:
    """A release with Synapse, nginx and PostgreSQL but not our package; topmost layer first."""
    base, synapse = base_image(debian), package(debian)
    suite = RELEASES[debian].codename
    script = PREPARE.format(synapse=synapse.name)

    def make(target: Path) -> None:
        log = target.with_suffix(".log")
        run_in_layer([base], target, script, log=log, binds={synapse.parent: Path("/synapse")})

    key = recipe_key(base.name, synapse.parent.name, script)
    return [cached(f"package-{suite}", key, make), base]


class Chroot:
    """One such system; what it writes goes to a layer of its own."""

    def __init__(self, name: str, lowers: Sequence[Path], package: Path) -> None:
        self.directory = LAB / "package" / name
        self.lowers = list(lowers)
        self.package = package
        self.upper = self.directory / "upper"
        self._runs = itertools.count(1)
        self.remove()

    def run(self, script: str) -> str:
        """Run a shell script and return what it printed; a failing command fails the test."""
        log = self.directory / f"{next(self._runs)}.log"
        run_in_layer(
            self.lowers,
            self.upper,
            f"mkdir -p /run/lock\n{script}",
            log=log,
            binds={self.package: Path("/package.deb")},
            timeout=300,
        )
        return log.read_text()

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def sweep() -> None:
    """Remove what killed test runs left behind; their mounts ended with them."""
    for directory in (LAB / "package").glob("*-pid[0-9]*"):
        pid = re.search(r"-pid(\d+)", directory.name)
        if pid and not Path(f"/proc/{pid[1]}").exists():
            shutil.rmtree(directory, ignore_errors=True)
