"""What a hand-made nginx serves for Synapse, and whether our site can take its place."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from ..base.errors import Problem
from ..nginx.syntax import Directive, parse

_WELL_KNOWN = "/.well-known/matrix"
_CHALLENGE = "/.well-known/acme-challenge"
_OURS = {80, 443, 8448}
# Directives that give a location a content of its own.
_CONTENT = ("proxy_pass", "root", "alias", "try_files", "fastcgi_pass", "uwsgi_pass", "grpc_pass",
            "scgi_pass", "content_by_lua_block", "autoindex", "rewrite", "auth_basic", "allow",
            "deny")  # fmt: skip


@dataclass(frozen=True)
class Server:
    """One `server` block."""

    file: str
    names: frozenset[str]
    ports: frozenset[int]
    certificate: str | None
    proxies: bool  # something of it goes to Synapse
    well_known: bool  # it answers Matrix's well-known documents
    everything: bool  # also paths that our site keeps from the world, as /_synapse/admin
    foreign: tuple[str, ...]  # what else it serves


@dataclass(frozen=True)
class Sites:
    """The servers that our site is to take the place of."""

    servers: tuple[Server, ...] = ()
    problems: tuple[Problem, ...] = ()
    others: tuple[Server, ...] = ()  # that stay

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for server in self.servers for name in server.names)

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(sorted({server.file for server in self.servers}))

    @property
    def certificates(self) -> frozenset[str]:
        return frozenset(one.certificate for one in self.servers if one.certificate)

    def listens(self, port: int) -> bool:
        return any(port in server.ports for server in self.servers)


def sites(files: Mapping[str, Directive], synapse_port: int, known: Iterable[str]) -> Sites:
    """What serves Synapse on this port.

    known: locations that the administrator has in nginx.d already, so that they are not lost.
    """
    servers = [
        _server(path, _inlined(block, files), _upstreams(files), synapse_port, frozenset(known))
        for path, file in files.items()
        for block in file.deep("server")
        if block.block
    ]
    names = {name for one in servers if one.proxies for name in one.names}
    # A site that only publishes the documents is replaced if it does nothing else.
    names |= {n for one in servers if one.well_known and not one.foreign for n in one.names}
    ours = tuple(one for one in servers if one.proxies or (one.names and one.names <= names))
    others = tuple(one for one in servers if one not in ours)
    return Sites(ours, tuple(_problems(ours, servers)), others)


def rivals(found: Sites, names: Iterable[str]) -> Iterator[Problem]:
    """Sites that stay and answer for one of our names: nginx would silently prefer one of both."""
    for one in found.others:
        if one.ports and not one.ports & _OURS:
            continue
        for name in sorted(one.names & set(names)):
            yield Problem(
                f"{one.file}: server {name}",
                "answers for a name of Synapse's, and nothing of it is seen to go to Synapse",
                "have it pass /_matrix to http://127.0.0.1 and Synapse's port, or take the name out"
                " of it, then adopt",
            )


def _inlined(block: Directive, files: Mapping[str, Directive]) -> Directive:
    """A block with what its files of snippets say in the place of `include`."""
    inside: list[Directive] = []
    for one in block.block:
        if one.name == "include" and one.arguments:
            pattern = one.arguments[0]
            pattern = pattern if pattern.startswith("/") else f"/etc/nginx/{pattern}"
            for path in sorted(files):
                if fnmatchcase(path, pattern):
                    inside += _inlined(files[path], files).block
        else:
            inside.append(_inlined(one, files))
    return replace(block, block=tuple(inside))


def _problems(ours: tuple[Server, ...], servers: list[Server]) -> Iterator[Problem]:
    keep = "move it into a file of its own, then adopt"
    for one in ours:
        where = f"{one.file}: server {' '.join(sorted(one.names)) or '_'}"
        for what in one.foreign:
            yield Problem(
                where, f"serves {what} besides Synapse",
                "copy what you need of it into a file in /etc/altpeter-matrix/nginx.d, or remove"
                " it, then adopt",
            )  # fmt: skip
        for name in sorted(one.names):
            if not re.fullmatch(r"[a-z0-9.-]+", name):
                yield Problem(where, f"its name {name} is a pattern", "write the names instead")
        if not one.file.startswith(("/etc/nginx/sites-enabled/", "/etc/nginx/conf.d/")):
            yield Problem(where, "is not in sites-enabled or conf.d", keep)
    files = {one.file for one in ours}
    for one in servers:
        if one.file in files and one not in ours:
            names = " ".join(sorted(one.names)) or "_"
            yield Problem(f"{one.file}: server {names}", "is another site in the same file", keep)


def _upstreams(files: Mapping[str, Directive]) -> Mapping[str, tuple[str, ...]]:
    return {
        block.arguments[0]: tuple(one.arguments[0] for one in block.all("server"))
        for file in files.values()
        for block in file.deep("upstream")
    }


def _server(
    file: str,
    block: Directive,
    upstreams: Mapping[str, tuple[str, ...]],
    port: int,
    known: frozenset[str],
) -> Server:
    locations = list(block.all("location"))
    to_synapse = [one for one in locations if _goes_to_synapse(one, upstreams, port)]
    names = {n.lower() for one in block.all("server_name") for n in one.arguments} - {"_", ""}
    certificate = next((one.arguments[0] for one in block.all("ssl_certificate")), None)
    return Server(
        file=file,
        names=frozenset(names),
        ports=frozenset(filter(None, (_port(one) for one in block.all("listen")))),
        certificate=certificate,
        proxies=bool(to_synapse),
        well_known=any(_path(one).startswith(_WELL_KNOWN) for one in locations),
        everything=any(_covers_administration(_path(one)) for one in to_synapse),
        foreign=tuple(_foreign(block, locations, to_synapse, known)),
    )


def _foreign(
    block: Directive,
    locations: list[Directive],
    to_synapse: list[Directive],
    known: frozenset[str],
) -> Iterator[str]:
    for one in locations:
        path = _path(one)
        if one in to_synapse or path.startswith((_WELL_KNOWN, _CHALLENGE)) or path in known:
            continue
        content = next((name for name in _CONTENT if any(one.deep(name))), None)
        redirects = all(r.arguments[:1] in {("301",), ("302",), ("307",), ("308",), ("404",)}
                        for r in one.deep("return"))  # fmt: skip
        if content or not redirects:
            yield f"location {path}" + (f" ({content})" if content else "")
    answers = any(block.all("return")) or any(_path(one) == "/" for one in locations)
    if not answers and any(block.all("root")):
        yield "the files of its root"
    if any(block.all("auth_basic", "allow", "deny", "ssl_verify_client")):
        yield "only clients that it lets in (auth_basic, allow, deny or ssl_verify_client)"


def _goes_to_synapse(
    location: Directive, upstreams: Mapping[str, tuple[str, ...]], port: int
) -> bool:
    for one in location.deep("proxy_pass"):
        target = re.sub(r"^https?://", "", one.arguments[0]).partition("/")[0]
        for address in upstreams.get(target, (target,)):
            host, _, found = address.rpartition(":")
            if found == str(port) and host in {"127.0.0.1", "localhost", "[::1]"}:
                return True
    return False


def _path(location: Directive) -> str:
    return location.arguments[-1] if location.arguments else ""


def _covers_administration(path: str) -> bool:
    return path in {"/", "/_synapse", "/_synapse/", "/_synapse/admin"} or "_synapse/admin" in path


def _port(listen: Directive) -> int | None:
    text = listen.arguments[0].rpartition(":")[2] if listen.arguments else ""
    return int(text) if text.isdigit() else 80 if listen.arguments else None


def locations_of(texts: Iterable[str], source: str) -> frozenset[str]:
    """The locations that files of nginx.d have."""
    return frozenset(
        _path(one)
        for text in texts
        for one in Directive("", (), parse(text, source)).all("location")
    )
