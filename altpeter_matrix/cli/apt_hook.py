"""What apt calls (render/apt_options.py): after an update of its lists, and before it installs.

Fails in one way only, with the status that apt takes for a refusal.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ..base.errors import MatrixConfigError
from ..host.facts import SYNAPSE_PACKAGES
from ..render.apt_options import REFUSED

UNIT = "altpeter-matrix-upgrade-check.service"
# A check takes a quarter of a minute, and only after a new Synapse came. Who does not wait for
# it may begin an upgrade before the pin is there.
_PATIENCE = 180.0


def after_update() -> int:
    """Have a new candidate checked, and wait for it: then the pin is there when apt goes on."""
    if Path("/run/systemd/system").is_dir():
        with_time_limit = ["timeout", f"{_PATIENCE:.0f}", "systemctl", "start", "--quiet", UNIT]
        subprocess.run(with_time_limit, check=False, stderr=subprocess.DEVNULL)
    return 0


def before_install(lines: list[str]) -> int:
    """lines: the package files, as apt writes them to a hook of the first version."""
    for deb in (Path(line.strip()) for line in lines):
        package = deb.name.partition("_")[0]
        if package in SYNAPSE_PACKAGES and (status := _check(deb, package)):
            return status
    return 0


def _answer_questions(package: str) -> None:
    """Before debconf asks them, which it does as a later hook of apt's (70debconf)."""
    from ..apply.prepared import read_settings  # noqa: PLC0415
    from ..synapse.identity import answer_debconf  # noqa: PLC0415
    from .support import host  # noqa: PLC0415

    paths = host().paths
    # What is not adopted, or cannot be used, is not ours to answer from.
    with suppress(MatrixConfigError, OSError):
        if paths.current.exists():
            answer_debconf(read_settings(paths), package)


def _check(deb: Path, package: str) -> int:
    # Loaded here: nearly all transactions bring no Synapse.
    from ..base.failures import problems_of  # noqa: PLC0415
    from ..upgrade.preflight_run import check_file  # noqa: PLC0415
    from .support import host, say  # noqa: PLC0415

    try:
        result = check_file(host(), deb, anew=False)
    except (MatrixConfigError, OSError) as error:
        # Nothing is known against it, and a host on which apt does nothing cannot be repaired.
        say("warning", problems_of(error))
        return 0
    if result is None or result.ok:
        _answer_questions(package)
        return 0
    say("error", result.errors)
    what = f"{result.package} {result.version}"
    print(
        f"altpeter-matrix: {what} would not serve here, so it is held back from now on.\n"
        "Nothing was installed. Run the same command again: it leaves this version out.",
        file=sys.stderr,
    )
    return REFUSED


def main() -> None:
    # All of it, before anything else: apt must not write into a closed pipe.
    lines = [] if sys.stdin.closed else list(sys.stdin)
    sys.exit(after_update() if sys.argv[1:] == ["update"] else before_install(lines))


if __name__ == "__main__":
    main()
