"""What a person who logs in reads: pam_motd shows /usr/lib/motd.d, where the package has a link."""

from collections.abc import Sequence

from ..base import disk
from ..base.errors import Problem
from ..base.paths import Paths


def show(paths: Paths, problems: Sequence[Problem]) -> None:
    """Show these problems at each login; none: nothing."""
    if not problems:
        paths.login_message.unlink(missing_ok=True)
        return
    lines = ["", "*** altpeter-matrix ***"]
    lines += [f"{one.where}: {one.what}\n    {one.remedy}" for one in problems]
    lines += ["`altpeter-matrix status` tells more.", ""]
    text = "\n".join(lines).encode(errors="replace") + b"\n"
    disk.ensure_directory(paths.state, 0o755)
    try:
        if paths.login_message.read_bytes() == text:
            return
    except FileNotFoundError:
        pass
    disk.replace(paths.login_message, text, 0o644)
