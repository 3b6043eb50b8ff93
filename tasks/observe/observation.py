"""The one look at a host by which a deploy decides."""

import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import FactProcessError

from altpeter_matrix.settings.records import dns_records

from ..base.packages import KNOWN, LOCK_TIMEOUT, TIMESYNCD_UNIT
from ..base.paths import (
    ADMINISTRATOR_PASSWORD,
    DEFAULT_SITE_MARK,
    KEYRINGS,
    MANAGED_FILES,
    PACKAGE_MARK,
    SOURCES,
)
from ..inventory.target import Target
from .host_state import HostState
from .observed import parse

_HERE = Path(__file__).parent


class Observation(FactBase[HostState | None]):
    """Everything the deploy decides by, in one round trip; the mail password goes to stdin."""

    def command(self, variables: Mapping[str, str]) -> StringCommand:
        assignments = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        return StringCommand("\n".join([*assignments, _script()]))

    def process(self, output: list[str]) -> HostState:
        try:
            return parse(HostState, output)
        except (ValueError, KeyError, IndexError) as error:
            raise FactProcessError(f"cannot read the host's state: {error!r}") from error


def variables(target: Target) -> dict[str, str]:
    """What the scripts are to look at; they have it under these names."""
    settings = target.settings
    services = [record.name for record in dns_records(settings, ipv4=(), ipv6=())]
    password_file = settings.email.password_file if settings.email else ""
    return {
        "LOCK_TIMEOUT": str(LOCK_TIMEOUT),
        "PACKAGES": " ".join(sorted(KNOWN)),
        # What comes from a repository may be newer than this checkout, and may be gone back from.
        "PACKAGE_VERSION": "" if target.repository else target.package_version,
        "SERVICES": " ".join(services),
        "SRV_LOOKUP": (_HERE / "srv_lookup.py").read_text(encoding="utf-8") if services else "",
        "NAMES": " ".join(settings.certificate_names),
        "PUBLIC_NAME": settings.public_name,
        "FILES": "\n".join([*MANAGED_FILES, PACKAGE_MARK, str(password_file)]).strip(),
        "KEYRINGS": " ".join(KEYRINGS),
        "UNITS": TIMESYNCD_UNIT,
        "DATABASE": settings.database.name,
        "ADMINISTRATOR": target.administrator or "",
        "PROFILE_LOOKUP": (_HERE / "profile_lookup.py").read_text(encoding="utf-8"),
        "SYNAPSE": f"http://127.0.0.1:{settings.listener.port}",
        "ADMINISTRATOR_PASSWORD": ADMINISTRATOR_PASSWORD,
        "DEFAULT_SITE_MARK": DEFAULT_SITE_MARK,
        "REPOSITORY": settings.synapse_repository.uri,
        "SOURCES": SOURCES,
        "SMTP_PASSWORD": str(password_file),
    }


@cache
def _script() -> str:
    """All that look at the host, without comments and empty lines: it travels with every run."""
    files = [_HERE / "observe.sh", *sorted(_HERE.glob("*.observe.sh"))]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    code = [line for line in lines if line.strip() and not line.startswith("#")]
    return "\n".join([*code, "echo yes | tell end"])
