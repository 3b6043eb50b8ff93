"""unattended-upgrades: Debian's updates, Synapse's and our own install themselves."""

from urllib.parse import urlsplit

from . import apt, repository
from .host_state import HostState
from .target import Target


def configuration(target: Target, state: HostState) -> bytes | None:
    """A file of ours beside unattended-upgrades' own, which stays as it is; None: no such file.

    Lists of apt.conf(5) add up over files: Debian and its security updates are named in
    50unattended-upgrades already.
    """
    settings = target.settings
    if not settings.updates.unattended:
        return None
    origins = ["origin=Debian,codename=${distro_codename}-updates"]
    if apt.uses_upstream(state):
        origins.append(f"site={urlsplit(settings.synapse_repository.uri).hostname}")
    if target.repository is not None:
        origins.append(repository.update_origin())
    lines = [
        "// Written by the pyinfra deploy (`updates` in the settings).",
        'APT::Periodic::Update-Package-Lists "1";',
        'APT::Periodic::Unattended-Upgrade "1";',
        "Unattended-Upgrade::Origins-Pattern {",
        *(f'    "{origin}";' for origin in origins),
        "};",
    ]
    return ("\n".join(lines) + "\n").encode()
