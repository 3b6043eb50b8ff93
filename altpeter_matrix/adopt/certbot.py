"""certbot's renewal of a certificate that was had in another way: through our site from now on.

certbot's nginx plugin edits the site while it renews; ours is generated, and answers challenges
from a directory, so the webroot plugin is all that is needed.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ..base.paths import Paths
from ..host import certificate_state

_OURS = r"(authenticator|installer|webroot_path|nginx_\w+|standalone_\w+)\s*="


def renewal(paths: Paths, fullchain: Path) -> Path | None:
    """The renewal configuration of a certificate in live/."""
    file = paths.letsencrypt / "renewal" / f"{fullchain.parent.name}.conf"
    return file if file.is_file() else None


def authenticator(text: str) -> str:
    found = re.search(r"^authenticator\s*=\s*(\S+)", text, re.MULTILINE)
    return found[1] if found else "manual"


def names(paths: Paths, fullchain: Path) -> tuple[str, ...]:
    state = certificate_state.on_disk(paths.on_host(fullchain))
    return state.names if state else ()


def through_webroot(text: str, covered: Sequence[str], webroot: Path) -> str:
    """The renewal configuration with the webroot plugin for all names."""
    lines = text.split("[[webroot_map]]", maxsplit=1)[0].rstrip("\n").splitlines()
    kept = [line for line in lines if not re.match(_OURS, line)]
    return "\n".join(
        [
            *kept,
            "authenticator = webroot",
            f"webroot_path = {webroot},",
            "[[webroot_map]]",
            *(f"{name} = {webroot}" for name in covered),
            "",
        ]
    )
