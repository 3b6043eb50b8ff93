"""`altpeter-matrix check`: would these settings be accepted? Nothing is activated."""

import shutil
from pathlib import Path

from ..base.errors import Problem
from ..base.locks import exclusive
from ..synapse import handmade
from . import candidate, preflight
from .activation import Host
from .generations import Store
from .prepared import read_settings, render_host


def check(host: Host, settings_file: Path | None = None) -> tuple[Problem, ...]:
    """Every check of `apply`, on a candidate that is thrown away; the warnings.

    settings_file: settings to check in the place of the host's. Secrets, the placeholder
    certificate and the signing key are made when they are missing, as apply would.
    """
    paths = host.paths
    with exclusive(paths):
        handmade.require_adopted(paths)
        rendered = render_host(paths, read_settings(paths, settings_file))
        preflight.require_suitable(paths, rendered, host.services.present)
        rendered = candidate.prepare(paths, rendered)
        store = Store(paths, rendered.accounts)
        store.tidy()
        directory = store.write_candidate(rendered.files, "candidate", settings="")
        try:
            candidate.check(paths, rendered, directory, anew=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return rendered.warnings
