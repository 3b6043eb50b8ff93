"""Bringing back the version of Synapse that worked.

Each step may be repeated: a run that was killed anywhere is completed by the next one.
"""

import subprocess
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ..apply.services import SYNAPSE, UNITS
from ..apt import kept_packages
from ..apt.release import Release
from ..base import disk
from ..base.commands import last_lines, run
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.paths import Paths
from ..base.resources import document
from ..synapse import schema_numbers
from . import observation
from .observation import Installed

UNIT = UNITS[SYNAPSE]
_STOP_WITHIN = 30.0
_LOCK_WITHIN = 3600.0
# dpkg waits for Synapse to be ready; a Synapse that is not would keep it waiting for ever.
_DPKG_WITHIN = 150.0


class NoWayBack(HostError):
    """To try again within minutes would be of no use."""


def find(paths: Paths, release: Release, database_name: str | None) -> Path:
    """The package to go back to; NoWayBack says why there is none, and what to do.

    Asks the repositories when it is not at hand.
    """
    try:
        deb = kept_packages.keep(paths, release, installed=False)
    except kept_packages.Nowhere as nowhere:
        raise NoWayBack(nowhere.problems) from nowhere
    own, demanded = schema_numbers.of_package(deb), None
    if own is not None:
        demanded = schema_numbers.demanded_now(paths, database_name)
    if own is not None and demanded is not None and demanded > own:
        raise NoWayBack(
            Problem(
                "database",
                f"was changed by the new version so that {release} cannot use it any more"
                f" (it demands schema {demanded}, and that version has {own})",
                "wait for a corrected version, or restore the backup from before the upgrade"
                f" and then the old version, as {document('undo.md')} says",
            )
        )  # fmt: skip
    return deb


def stop(paths: Paths) -> None:
    """Stop Synapse and have nothing start it: neither dpkg, which may be waiting for it to be
    ready, nor apply, nor systemd."""
    disk.ensure_directory(paths.runtime, 0o755)
    paths.refused.touch()
    try:
        run("systemctl", "stop", UNIT, timeout=_STOP_WITHIN, check=False)
    except HostError:
        # It ignores SIGTERM. systemd's own patience is three times ours.
        run("systemctl", "kill", "--signal=KILL", UNIT, check=False)
    # Its limit on failed starts must not forbid the next one.
    run("systemctl", "reset-failed", UNIT, check=False)


def allow(paths: Paths) -> None:
    """Undo `stop`, if a run that was killed or overtaken has left it in force."""
    if paths.refused.exists():
        give_up(paths)


def wait_while_replacing(paths: Paths) -> Installed | None:
    """Wait for a dpkg that is just between two versions; what is installed then."""
    while (found := observation.installed()) is not None:
        if not found.half_replaced or not observation.dpkg_busy(paths):
            break
        time.sleep(0.5)
    return found


def wait_for_dpkg(paths: Paths, release: Release) -> None:
    """Wait for a dpkg that is replacing this version, such as one that a killed run has left; not
    for one that waits for this very version to be ready."""
    while observation.dpkg_busy(paths):
        found = observation.installed()
        if found is not None and found.release == release and not found.half_replaced:
            return
        time.sleep(0.5)


def install(paths: Paths, deb: Path, instead_of: Collection[Release], *, running: bool) -> bool:
    """Install the package once apt and dpkg are done, and have Synapse started by it.

    instead_of: what it may replace; False: somebody has installed another version meanwhile.
    running: the version that is there serves to some degree, so it is stopped at the last moment.
    """
    if not running:
        stop(paths)
    begun = time.monotonic()
    while True:
        try:
            with observation.dpkg_locked(paths):
                found = observation.installed()
                if found is None or found.release not in instead_of:
                    allow(paths)
                    return False
                stop(paths)
                paths.refused.unlink(missing_ok=True)
                _dpkg(deb)
                return True
        except BlockingIOError:
            if time.monotonic() - begun > _LOCK_WITHIN:
                raise HostError(
                    Problem(
                        "dpkg", "another program has kept its lock for an hour",
                        "look at `fuser -v /var/lib/dpkg/lock-frontend`",
                    )
                ) from None  # fmt: skip
            time.sleep(0.5)


def _dpkg(deb: Path) -> None:
    """dpkg alone, not apt: a host with half-installed packages must not stand in the way.

    A conffile that nobody edited becomes the old version's without a word. For an edited one dpkg
    would ask: the answer is to keep it, and where there is nothing to choose, what dpkg prefers.
    Its many small writes are not waited for, because the server stands still meanwhile: after a
    power cut all is done again, and the gate synchronises before it closes the matter.
    """
    command = [
        "dpkg", "--force-confdef", "--force-confold", "--force-downgrade", "--force-unsafe-io",
        "--install", str(deb),
    ]  # fmt: skip
    environment = {
        "DEBIAN_FRONTEND": "noninteractive",
        "DPKG_FRONTEND_LOCKED": "1",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", env=environment, cwd="/",
    )  # fmt: skip
    while True:
        try:
            output, _ = process.communicate(timeout=_DPKG_WITHIN)
            break
        except subprocess.TimeoutExpired:
            # Never dpkg itself, which must not be killed half-way.
            run("systemctl", "stop", UNIT, timeout=_STOP_WITHIN * 4, check=False)
    if process.returncode != 0:
        raise HostError(
            Problem(
                "dpkg", f"could not install {deb.name}: {reason(output)}",
                f"`dpkg --configure -a`, then `dpkg --install {deb}`",
            )
        )  # fmt: skip


def reason(output: str) -> str:
    """Why dpkg could not install a package; what follows only names the package again."""
    lines = [line.strip() for line in output.splitlines()]
    for at, line in enumerate(lines):
        if line.startswith("dpkg: error processing"):
            return " ".join(lines[at : at + 2])
    return last_lines(output)


def give_up(paths: Paths) -> None:
    """Let Synapse run as it is: better than nothing."""
    paths.refused.unlink(missing_ok=True)
    with suppress(MatrixConfigError):
        run("systemctl", "reset-failed", UNIT, check=False)
        run("systemctl", "start", "--no-block", UNIT, check=False)
