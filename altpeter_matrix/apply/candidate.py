"""A candidate generation before it gets its number: what it needs around it, and its checks."""

from dataclasses import replace
from pathlib import Path

from ..base import disk
from ..base.accounts import ensure_synapse_group
from ..base.paths import Paths
from ..host import certificate
from ..host.links import Links
from ..nginx import config_check as nginx_check
from ..synapse import config_check as synapse_check
from ..synapse import identity, secrets_store
from .prepared import Rendered


def prepare(paths: Paths, rendered: Rendered) -> Rendered:
    """What a configuration needs around it to be checked. Only adds what is missing."""
    rendered = replace(rendered, accounts=ensure_synapse_group(paths.root))
    group = rendered.accounts.group_id(rendered.synapse.group)
    secrets_store.ensure(paths, group if group is not None else 0)
    certificate.ensure_placeholder(paths, rendered.settings.certificate_names)
    disk.ensure_directory(paths.acme_webroot, 0o755)
    disk.ensure_directory(paths.runtime, 0o755)
    identity.follow_settings(paths, rendered.settings, rendered.synapse, missing_only=True)
    return rendered


def check(paths: Paths, rendered: Rendered, candidate: Path, *, anew: bool) -> None:
    """Ask nginx and Synapse what they think of it.

    anew: ask Synapse even if it has accepted the same before.
    """
    nginx_check.check(paths, candidate, enabled=Links(paths).nginx_site_wanted())
    synapse_check.ensure_signing_key(paths, rendered.synapse, candidate)
    ask_synapse = synapse_check.check if anew else synapse_check.check_once
    ask_synapse(paths, rendered.synapse, candidate, rendered.origins)
