"""What the lab takes from the machine it runs on: apt sources, resolver, pip's configuration.

None of it is written into the repository: a registry's host name belongs to the machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .errors import LabUnavailable

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Options that decide whether a mirror can be used at all; all others are the machine's own taste.
APT_OPTIONS = re.compile(r'^(Acquire::(?:\w+::)*(?:Proxy|Check-Valid-Until)(?:::\S+)?) "(.+)";$')


@dataclass(frozen=True)
class AptSource:
    """One archive of the Debian project, as this machine reaches it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]

    def render(self, suites: tuple[str, ...]) -> str:
        """Write the entry in deb822 form for other suites of the same archive."""
        return (
            f"Types: deb\nURIs: {self.uri}\nSuites: {' '.join(suites)}\n"
            f"Components: {' '.join(self.components)}\nSigned-By: {KEYRING}\n"
        )


def codename(os_release: Path = Path("/etc/os-release")) -> str:
    """Return the controller's Debian release."""
    for line in os_release.read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip('"')
    raise LabUnavailable(f"{os_release} has no VERSION_CODENAME: the lab needs a Debian controller")


def apt_sources(suite: str, own: str | None = None, root: Path = Path("/etc/apt")) -> str:
    """Return ``debian.sources`` for a host of ``suite``, from the controller's own archives."""
    own = own or codename()
    entries = []
    for source in _debian_sources(own, root):
        suffixes = [name.removeprefix(own) for name in source.suites]
        # sid has neither updates nor security suites.
        wanted = [suite + suffix for suffix in suffixes if suite != "sid" or suffix == ""]
        if wanted:
            entries.append(source.render(tuple(wanted)))
    if not entries:
        raise LabUnavailable(f"no apt source for Debian {own} on this machine to take a mirror of")
    return "\n".join(entries)


def apt_options() -> str:
    """Return the apt options without which the controller's mirror cannot be used."""
    dump = run("apt-config", "dump").stdout.splitlines()
    return "".join(f"{line}\n" for line in dump if APT_OPTIONS.match(line))


def _debian_sources(own: str, root: Path) -> Iterator[AptSource]:
    suites = re.compile(rf"^{re.escape(own)}(-updates|-security)?$")
    for path in [root / "sources.list", *sorted((root / "sources.list.d").glob("*"))]:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        parse = _one_line if path.suffix == ".list" else _deb822
        for source in parse(path.read_text()):
            named = tuple(name for name in source.suites if suites.match(name))
            uri = _first_mirror(source.uri)
            if named and re.search(r"/debian(-security)?/?$", uri):
                yield AptSource(uri, named, source.components)


def _first_mirror(uri: str) -> str:
    # Debian's cloud images name their mirrors in a file of their own.
    scheme, _, place = uri.partition(":")
    if scheme != "mirror+file":
        return uri
    lines = map(str.split, Path("/" + place.lstrip("/")).read_text().splitlines())
    return next((words[0] for words in lines if words and not words[0].startswith("#")), uri)


def _deb822(text: str) -> Iterator[AptSource]:
    for paragraph in re.split(r"\n\s*\n", text):
        fields = {
            line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip()
            for line in paragraph.splitlines()
            if ":" in line and not line.startswith("#")
        }
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            for uri in fields["uris"].split():
                yield AptSource(
                    uri, tuple(fields["suites"].split()), tuple(fields["components"].split())
                )


def _one_line(text: str) -> Iterator[AptSource]:
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]|#.*", "", line).split()
        if len(words) > 3 and words[0] == "deb":
            yield AptSource(words[1], (words[2],), tuple(words[3:]))


def resolvers() -> tuple[str, ...]:
    """Return the name servers that also answer from behind the lab's bridge."""
    # A stub on loopback cannot be reached from a host; systemd-resolved names its upstreams here.
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        text = path.read_text() if path.is_file() else ""
        found = tuple(
            words[1]
            for words in map(str.split, text.splitlines())
            if words[:1] == ["nameserver"] and not words[1].startswith(("127.", "::1"))
        )
        if found:
            return found
    raise LabUnavailable("no name server in /etc/resolv.conf that a lab host could reach")


@dataclass(frozen=True)
class PipSettings:
    """How the controller's pip finds packages, in a form that another root can use."""

    config: str
    paths: tuple[Path, ...]


def pip_settings() -> PipSettings:
    """Return pip's effective configuration as a ``pip.conf``, and the local paths it names."""
    listing = run(sys.executable, "-m", "pip", "config", "list", check=False).stdout
    values: dict[str, str] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in ("global", "install", ":env:"):
            values[name] = value.strip("'\"").replace("\\n", " ")
    words = [word.removeprefix("file://") for value in values.values() for word in value.split()]
    paths = {Path(word) for word in words if word.startswith("/") and Path(word).exists()}
    lines = [f"{name} = {value}" for name, value in sorted(values.items())]
    # pip rewrites a simple index's links relative to it: "../../files/…" lies beside "simple".
    paths |= {path.parent for path in paths if path.name == "simple"}
    return PipSettings("\n".join(["[global]", *lines, ""]), tuple(sorted(paths)))
