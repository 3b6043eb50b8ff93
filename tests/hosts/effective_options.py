"""Synapse's options before and after an adoption, read apart from the product."""

from collections.abc import Mapping
from typing import Any

import yaml

from altpeter_matrix.adopt.comparison import DEFAULTS, same
from tests.hosts.handmade import HOMESERVER
from tests.hosts.lab import Host

CONF_D = "/etc/matrix-synapse/conf.d"
# Of the wiki page's server: carried over as they are, so no change to be told of.
CARRIED = frozenset({"rc_login", "suppress_key_server_warning", "database"})


def options_of(host: Host) -> dict[str, Any]:
    """All of them, put together as Synapse's documentation says."""
    files = host.sh(f"ls {HOMESERVER} {CONF_D}/*.yaml").stdout.split()
    found: dict[str, Any] = {}
    for file in sorted(files, key=lambda path: (path != HOMESERVER, path)):
        found |= yaml.safe_load(host.read(file)) or {}
    return found


def announced(report: str) -> set[str]:
    """The options of which the report says that they change."""
    changes = report.partition("What changes:")[2].partition("Files:")[0]
    return {line.strip().partition(":")[0] for line in changes.splitlines() if line.strip()}


def unannounced(before: Mapping[str, Any], host: Host, report: str) -> dict[str, Any]:
    """The options that are others now, and the report did not say so: before and after."""
    after, known = options_of(host), announced(report)
    assert known, f"the report announces nothing: {report}"
    found = {}
    for key in sorted({*before, *after} - known):
        if key in before:
            equal = key in after and before[key] == after[key]
        else:  # said now, and what Synapse does unsaid
            equal = same(key, after[key], DEFAULTS.get(key))
        if not equal:
            found[key] = (before.get(key), after.get(key))
    return found
