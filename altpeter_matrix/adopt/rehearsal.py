"""What an adoption would do, told to a deploy that has not installed anything yet.

Runs on the host, from a copy of this code in a directory of its own and with whatever Python has
the libraries (Synapse's always has): so click, which Synapse has not, is not used here.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..apply.preflight import require_suitable
from ..base.errors import MatrixConfigError
from ..base.failures import problems_of
from ..base.locks import exclusive
from ..base.paths import Paths
from ..host import memory
from ..host.adoption_backup import newest
from .options import Change
from .report import report
from .survey import Survey, survey
from .transaction import require_adoptable


def main(arguments: Sequence[str]) -> int:
    """Print the report, or each problem as `error: …` and return 1.

    arguments: the file with the settings that the host is to have.
    """
    paths = Paths()
    try:
        with exclusive(paths):
            for line in _told(paths, Path(arguments[0])):
                print(line)
    except (MatrixConfigError, OSError) as error:
        for problem in problems_of(error):
            print(f"error: {problem}")
        return 1
    return 0


def _told(paths: Paths, settings_file: Path) -> list[str]:
    backup = newest(paths)
    if backup is not None and backup.state == "unfinished":
        # What is there is half of each; the adoption looks when it has put the old files back.
        return ["An adoption was interrupted: it puts the old files back and begins anew."]
    require_adoptable(paths)
    decided = survey(paths, settings_file)
    systemd, moving = paths.systemd_running.exists(), decided.move is not None
    require_suitable(paths, decided.rendered, systemd, moving=moving)
    announced = (*decided.changes, *with_jemalloc(paths, decided))
    return list(report(paths, replace(decided, changes=announced)))


def with_jemalloc(paths: Paths, decided: Survey) -> list[Change]:
    """What changes, too, because the deploy installs libjemalloc2, with which Synapse's caches are
    bounded."""
    comes = not decided.rendered.facts.jemalloc and not memory.allocator_is_decided(paths)
    own = {*decided.reading.options, *decided.rendered.options}
    if not comes or not decided.settings.sizing.enabled or "caches" in own:
        return []
    return [Change("caches", "not set", "sized to this machine", "with libjemalloc2")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
