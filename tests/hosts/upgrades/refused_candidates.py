"""Versions of Synapse that would not serve here, as can be seen before they are installed."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.hosts.fleet import Fleet
from tests.hosts.lab.synapse_deb import VERSIONS, package
from tests.hosts.upgrades.candidates import PYTHON
from tests.hosts.upgrades.packages import Change, field, repack

REFUSES = """

def _refusing(read):
    def read_config(self, config, **kwargs):
        if "user_directory" in config:
            raise ConfigError("'user_directory' was removed, see the upgrade notes")
        return read(self, config, **kwargs)

    return read_config


ServerConfig.read_config = _refusing(ServerConfig.read_config)
"""
UNHAPPY = "/srv/unhappy"
REFUSES_WHILE_UNHAPPY = f"""

def _refusing(read):
    def read_config(self, config, **kwargs):
        import os.path
        if os.path.exists("{UNHAPPY}"):
            raise ConfigError("the cause is elsewhere")
        return read(self, config, **kwargs)

    return read_config


ServerConfig.read_config = _refusing(ServerConfig.read_config)
"""


def candidate(
    fleet: Fleet, debian: str, version: str, changes: Callable[[str], Mapping[str, Change]]
) -> Path:
    """A newer Synapse with some files changed; changes: of its site-packages."""
    original = package(debian)
    suffix = field(original, "Version").partition("+")[2]
    site = f"/opt/venvs/matrix-synapse/lib/{PYTHON[debian]}/site-packages"
    place = fleet.lab.state / f"candidates-{debian}"
    return repack(original, place, f"{version}+{suffix}", changes(site))


def refuses(site: str) -> Mapping[str, Change]:
    return {f"{site}/synapse/config/server.py": REFUSES}


def refuses_while_unhappy(site: str) -> Mapping[str, Change]:
    return {f"{site}/synapse/config/server.py": REFUSES_WHILE_UNHAPPY}


def demands(site: str) -> Mapping[str, Change]:
    """PostgreSQL 99 and Python 4."""
    return {
        f"{site}/synapse/storage/engines/postgres.py": (
            "self._version < 140000:",
            "self._version < 99 * 10000:",  # another length: the .pyc is out of date
        ),
        f"{site}/matrix_synapse-{VERSIONS[-1]}.dist-info/METADATA": (
            "Requires-Python: >=3.10.0, <4.0.0",
            "Requires-Python: >=4.0.0",
        ),
    }


def leaves_no_way_back(site: str) -> Mapping[str, Change]:
    text = "\nSCHEMA_VERSION = 1000\nSCHEMA_COMPAT_VERSION = 1000\n"
    return {f"{site}/synapse/storage/schema/__init__.py": text}
