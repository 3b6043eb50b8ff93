"""Whether the key that signs Synapse's repository goes on to be valid: else updates stop."""

import re
import time
from pathlib import Path

from .commands import run
from .errors import Finding, HostError, warning
from .paths import Paths

_SOON = 30 * 86400.0
_UNKNOWN = "when the keys of the repositories expire: install gnupg to have that checked"


def findings(paths: Paths) -> tuple[list[Finding], list[str]]:
    """Keys that have expired or soon will, and what could not be checked."""
    found: list[Finding] = []
    for keyring in sorted(_keyrings(paths)):
        try:
            shown = run("gpg", "--batch", "--with-colons", "--show-keys", keyring, check=False)
        except HostError:
            return found, [_UNKNOWN]
        found += _expiry(keyring, shown.stdout)
    return found, []


def _keyrings(paths: Paths) -> set[Path]:
    """The keys of the repositories that are not Debian's, whose own package renews its keys."""
    files = paths.on_host("/etc/apt/sources.list.d")
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files.glob("*.sources")]
    named = re.findall(r"^Signed-By:\s*(/\S+)", "\n".join(texts), re.MULTILINE)
    return {paths.on_host(name) for name in named if "debian-archive" not in name}


def _expiry(keyring: Path, colons: str) -> list[Finding]:
    """Of the last key to expire (gpg's doc/DETAILS: field 7 of `pub` and `sub`)."""
    rows = [line.split(":") for line in colons.splitlines()]
    keys = [row for row in rows if row[0] in {"pub", "sub"} and "s" in row[11].lower()]
    expiries = [row[6] for row in keys]
    if not expiries or "" in expiries:
        return []
    left = max(int(expiry) for expiry in expiries if expiry.isdigit()) - time.time()
    if left > _SOON:
        return []
    what = "has expired" if left < 0 else f"expires in {left / 86400:.0f} days"
    return [
        warning(
            str(keyring),
            f"the key that signs updates {what}: then no more of them come",
            "get the repository's present key (its web site, or the deploy)",
        )
    ]
