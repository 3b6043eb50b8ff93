"""Synapse's configuration as Synapse itself reads it: the measure of an adoption."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.commands import last_lines
from ..base.errors import Problem, ValidationError
from ..base.paths import Paths
from ..host.facts import Synapse
from ..synapse.config_check import as_synapse, configuration
from ..synapse.config_files import NOTHING, Instead

# Runs in Synapse's own environment and as its user. The secrets that a configuration may name in
# several ways come as hashes, to be compared only.
_READER = """
import hashlib, json, sys
from synapse.config._base import find_config_files, read_config_files
from synapse.config.homeserver import HomeServerConfig
merged = read_config_files(find_config_files(sys.argv[2::2]))
config = HomeServerConfig.load_config("", sys.argv[1:])
def digest(value):
    if value is None:
        return None
    return hashlib.sha256(value if isinstance(value, bytes) else value.encode()).hexdigest()
secrets = {
    "macaroon_secret_key": digest(config.key.macaroon_secret_key),
    "form_secret": digest(config.key.form_secret),
    "registration_shared_secret": digest(config.registration.registration_shared_secret),
    "signing key": [[k.alg, k.version, digest(k.encode())] for k in config.key.signing_key],
}
print("\\n" + json.dumps({"options": merged, "secrets": secrets}, default=str))
"""


@dataclass(frozen=True)
class Reading:
    """options: merged, by top-level key; secrets: hashes of what is in force."""

    options: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, Any]


def read_present(paths: Paths, synapse: Synapse) -> Reading:
    """What a restart of Synapse would read now. ValidationError when it would not start."""
    return _read(
        paths, synapse, ["-c", str(paths.synapse / "homeserver.yaml"), "-c",
                         f"{paths.synapse_conf_d}/"],
    )  # fmt: skip


def read_candidate(
    paths: Paths, synapse: Synapse, candidate: Path, instead: Instead = NOTHING
) -> Reading:
    """What it would read with a candidate generation, and other files in the place of some."""
    with configuration(paths, candidate, (), instead) as arguments:
        return _read(paths, synapse, arguments)


def _read(paths: Paths, synapse: Synapse, arguments: Sequence[str]) -> Reading:
    result = as_synapse(paths, synapse, "-c", _READER, *arguments)
    if not result.ok:
        raise ValidationError(
            Problem(
                "Synapse",
                f"does not accept its configuration: {last_lines(result.output, 2)}",
                "repair it first, so that it is known what is to be kept",
            )
        )
    data = json.loads(result.stdout.strip().splitlines()[-1])
    return Reading(data["options"], data["secrets"])
