"""What a person who logs in reads: pam_motd shows /usr/lib/motd.d, where the package has a link."""

from collections.abc import Iterable

from ..base import disk
from ..base.paths import Paths
from .news import Finding


def show(paths: Paths, faults: Iterable[Finding]) -> None:
    """Show these at each login; none: nothing."""
    lines = [f"{one.problem.where}: {one.problem.what}\n    {one.problem.remedy}" for one in faults]
    if not lines:
        disk.remove(paths.login_message)
        return
    lines = ["", "*** altpeter-matrix ***", *lines, "`altpeter-matrix status` tells more.", ""]
    text = "\n".join(lines).encode(errors="replace") + b"\n"
    disk.ensure_directory(paths.state, 0o755)
    try:
        if paths.login_message.read_bytes() == text:
            return
    except FileNotFoundError:
        pass
    disk.replace(paths.login_message, text, 0o644)
