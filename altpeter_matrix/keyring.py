"""Whether the key that signs Synapse's repository goes on to be valid: else updates stop."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

from .commands import run
from .errors import Finding, HostError, warning
from .paths import Paths

_SOON = 30 * 86400.0
_UNKNOWN = "when the keys of the repositories expire: install gnupg to have that checked"
# One line of a .list file: deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg,/b.gpg] https://…
_LIST_KEYS = re.compile(
    r"^\s*deb(?:-src)?\s+\[[^]]*\bsigned-by=([^]\s]+)", re.MULTILINE | re.IGNORECASE
)
# A field of a .sources file, with the lines that go on from it: these are a key itself.
_SOURCES_KEYS = re.compile(r"^Signed-By:(.*(?:\n[ \t].*)*)", re.MULTILINE | re.IGNORECASE)
_INLINE = "-----BEGIN"


def findings(paths: Paths) -> tuple[list[Finding], list[str]]:
    """Keys that have expired or soon will, and what could not be checked."""
    found: list[Finding] = []
    keyrings, unchecked = _keyrings(paths)
    for keyring in sorted(keyrings):
        try:
            shown = run("gpg", "--batch", "--with-colons", "--show-keys", keyring, check=False)
        except HostError:
            return found, [*unchecked, _UNKNOWN]
        if re.search("^pub:", shown.stdout, re.MULTILINE):
            found += _expiry(keyring, shown.stdout)
        else:
            unchecked.append(f"when the key of a repository expires: {keyring} cannot be read")
    return found, unchecked


def _keyrings(paths: Paths) -> tuple[set[Path], list[str]]:
    """The keys of the repositories that are not Debian's, whose own package renews its keys; and
    what says in another way than by a file which key it is."""
    apt = paths.on_host("/etc/apt")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.*"))]
    keyrings: set[Path] = set()
    unchecked: list[str] = []
    for file in files:
        for name in _signed_by(file):
            if not name.startswith("/"):
                unchecked.append(
                    f"when the key of a repository expires: {file} names no file for it"
                )
            elif "debian-archive" not in name:
                keyrings.add(paths.on_host(name))
    return keyrings, list(dict.fromkeys(unchecked))


def _signed_by(file: Path) -> Iterator[str]:
    """Each key that a file of repositories names: a path, a fingerprint, or the key itself."""
    if file.suffix not in {".list", ".sources"} or not file.is_file():
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".list":
        for keys in _LIST_KEYS.findall(text):
            yield from keys.split(",")
        return
    for keys in _SOURCES_KEYS.findall(text):
        yield from [keys.strip()] if _INLINE in keys else re.split(r"[\s,]+", keys.strip())


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
