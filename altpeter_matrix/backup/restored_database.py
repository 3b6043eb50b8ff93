"""The database of a backup in an empty one, and whether it is what was backed up."""

import subprocess
import time
from collections.abc import Callable

from ..base.errors import HostError
from ..postgresql import dumping, synapse_database
from ..postgresql.layout import PORT
from . import manifest
from .catalogue import DUMP, Backup
from .manifest import Manifest
from .processes import Program, fed
from .restic import Restic

Say = Callable[[str], None]


def fetch(  # noqa: PLR0917 - keyword names would only repeat the types
    restic: Restic, backup: Backup, described: Manifest, say: Say, name: str, port: int = PORT
) -> float:
    """Make the database, which is not there, and fill it; the seconds that this took. HostError
    when it cannot be restored, or is not what was backed up."""
    say(f"Restoring the database of {backup.name}, {described.size} bytes, as {name}.")
    synapse_database.ensure(name, port)
    began = time.monotonic()
    with (
        restic.program("dump", backup.database, DUMP) as source,
        Program(
            dumping.restore_command(name, port), {}, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as target,
    ):  # fmt: skip
        fed(source, target, lambda: None, described.sha256)
    seconds = time.monotonic() - began
    say("Comparing it with what was backed up.")
    if wrong := manifest.differences(described, dumping.counts(name, port)):
        raise HostError(wrong)
    return seconds
