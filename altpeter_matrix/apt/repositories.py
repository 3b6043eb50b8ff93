"""Which repositories apt is told of (sources.list(5)), in both of its formats."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..base.paths import Paths

# What `make repo` signs in our own repository: hosts know it by these, so they never change.
OWN_ORIGIN, OWN_LABEL, OWN_SUITE = "Altpeter", "altpeter-matrix-config", "altpeter"
# deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg,/b.gpg] https://packages.example.org b main
_LINE = re.compile(
    r"^[ \t]*deb(?:-src)?[ \t]+(?:\[(?P<options>[^]]*)\][ \t]+)?(?P<uri>\S+)[ \t]+(?P<suite>\S+)",
    re.MULTILINE,
)
_KEYS = re.compile(r"\bsigned-by=(\S+)", re.IGNORECASE)
# A field of a stanza, with the lines that go on from it: these may be a key itself.
_FIELD = re.compile(r"^(?P<name>[\w-]+):(?P<value>.*(?:\n[ \t].*)*)", re.MULTILINE)
_INLINE = "-----BEGIN"


@dataclass(frozen=True)
class Source:
    """One entry. signed_by: each a path, a fingerprint, or a whole key in ASCII armour."""

    file: Path
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    signed_by: tuple[str, ...]


def sources(paths: Paths) -> Iterator[Source]:
    """Every entry that apt uses."""
    apt = paths.on_host("/etc/apt")
    for file in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.*"))):
        if file.suffix in {".list", ".sources"} and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            yield from _lines(file, text) if file.suffix == ".list" else _stanzas(file, text)


def shared_hosts(paths: Paths) -> frozenset[str]:
    """Hosts that more than one repository comes from, such as a mirror of everything.

    By its host apt cannot tell one of them from another. Our own is not counted: it is told by
    what it signs.
    """
    places: dict[str, set[str]] = {}
    for source in sources(paths):
        if source.suites != (OWN_SUITE,):
            for uri in source.uris:
                places.setdefault(host_of(uri), set()).add(uri.rstrip("/"))
    return frozenset(host for host, uris in places.items() if host and len(uris) > 1)


def host_of(uri: str) -> str:
    """As apt's `Pin: origin` and unattended-upgrades' `site` know a repository."""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""


def _lines(file: Path, text: str) -> Iterator[Source]:
    for line in _LINE.finditer(text):
        keys = [key for found in _KEYS.findall(line["options"] or "") for key in found.split(",")]
        yield Source(file, (line["uri"],), (line["suite"],), tuple(keys))


def _stanzas(file: Path, text: str) -> Iterator[Source]:
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = {one["name"].lower(): one["value"].strip() for one in _FIELD.finditer(stanza)}
        if "uris" in fields and fields.get("enabled", "yes").lower() not in {"no", "false", "0"}:
            key = fields.get("signed-by", "")
            keys: Iterable[str] = [key] if _INLINE in key else re.split(r"[\s,]+", key)
            yield Source(
                file, tuple(fields["uris"].split()), tuple(fields.get("suites", "").split()),
                tuple(filter(None, keys)),
            )  # fmt: skip
