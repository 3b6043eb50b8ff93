"""Between any two changes of a file, Synapse and nginx could start: as before, or as adopted."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from altpeter_matrix.adopt.reading import Reading
from altpeter_matrix.adopt.swap import keep_options, swap, swap_back
from altpeter_matrix.adopt.transaction import _changing
from altpeter_matrix.base.accounts import Accounts
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host import adoption_backup

PRISTINE = {"database": {"name": "sqlite3"}, "turn_uris": []}
EDITED = {"database": {"name": "psycopg2"}, "turn_uris": ["a"], "form_secret": "f"}
SNIPPETS = {
    "60-a.yaml": {"turn_uris": ["b"], "registration_shared_secret": "r"},
    "99-b.yaml": {"turn_uris": ["c"]},
}
NAME = {"server_name": "example.org"}
OURS = {
    "database": {"name": "psycopg2"},
    "turn_uris": ["c"],
    "form_secret_path": "/f",
    "registration_shared_secret_path": "/r",
}
SITE = "etc/nginx/sites-enabled/matrix"
CHANGES = {"os.rename", "os.symlink", "os.remove"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
checks: list[Callable[[], None]] = []


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Before each change: all that were made before it are on the disk."""
    writes = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & WRITING)
    if checks and (event in CHANGES or writes):
        check = checks.pop()
        check()
        checks.append(check)


@dataclass
class Server:
    """A hand-made one in a directory, and its decided adoption."""

    root: Path

    @property
    def paths(self) -> Paths:
        return Paths(self.root)

    def write(self, name: str, data: Any) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
        return path

    def on_host(self, path: Path) -> Path:
        """Where a link leads on the host that this root stands for."""
        while path.is_symlink():
            target = os.readlink(path)
            path = self.root / target[1:] if target.startswith("/") else path.parent / target
        parent = path.parent
        return self.on_host(parent) / path.name if parent != path else path

    def options(self) -> dict[str, Any]:
        """As Synapse reads them."""
        directory = self.root / "etc/matrix-synapse"
        files = [directory / "homeserver.yaml", *sorted((directory / "conf.d").glob("*.yaml"))]
        found: dict[str, Any] = {}
        for file in files:
            if file.is_symlink() or not file.name.startswith("."):
                found |= yaml.safe_load(self.on_host(file).read_text())
        return found

    def sites(self) -> list[str]:
        """What nginx reads; a link to nothing stops it."""
        directory = self.root / "etc/nginx/sites-enabled"
        names = sorted(path.name for path in directory.iterdir() if path.name[0] != ".")
        return [self.on_host(directory / name).read_text() for name in names]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    made = Server(tmp_path)
    made.write("etc/matrix-synapse/homeserver.yaml", EDITED)
    for name, options in SNIPPETS.items():
        made.write(f"etc/matrix-synapse/conf.d/{name}", options)
    made.write("etc/matrix-synapse/conf.d/server_name.yaml", NAME)
    made.write("var/lib/altpeter-matrix/generations/1/synapse/altpeter-matrix.yaml", OURS)
    made.write("usr/share/altpeter-matrix-config/nginx/current-site.conf", "ours")
    made.write("etc/nginx/sites-available/matrix", "old")
    (tmp_path / "etc/nginx/sites-enabled").mkdir()
    (tmp_path / SITE).symlink_to("../sites-available/matrix")
    return made


@pytest.fixture
def decided(server: Server) -> Any:
    homeserver = server.root / "etc/matrix-synapse/homeserver.yaml"
    conf_d = homeserver.parent / "conf.d"
    return SimpleNamespace(
        packaged={homeserver: yaml.safe_dump(PRISTINE).encode()},
        snippets=tuple(conf_d / name for name in SNIPPETS),
        leftovers=(),
        sites=(server.root / SITE,),
        renewals={},
        reading=Reading(server.options(), {}),
        rendered=SimpleNamespace(accounts=Accounts({}, {}, {})),
    )


@contextmanager
def always(check: Callable[[], None]) -> Iterator[None]:
    checks.append(check)
    try:
        yield
    finally:
        checks.clear()
    check()


sys.addaudithook(hook)


def test_both_programs_could_start_at_every_moment(server: Server, decided: Any) -> None:
    old, new = server.options(), {**PRISTINE, **OURS, **NAME}
    seen: list[tuple[bool, str]] = []

    def startable() -> None:
        options, sites = server.options(), server.sites()
        assert options in (old, new)
        assert sites in (["old"], ["ours"])
        state = options == new, sites[0]
        if not seen or seen[-1] != state:
            seen.append(state)

    backup = adoption_backup.begin(server.paths, tuple(_changing(server.paths, decided)))
    keep_options(backup, decided.reading.options, None)
    with always(startable):
        swap(server.paths, decided, 1, None)
    there = [(False, "old"), (True, "old"), (True, "ours")]
    assert seen == there
    seen.clear()
    with always(startable):
        swap_back(server.paths, backup)
    assert seen == [(True, "ours"), (False, "ours"), (False, "old")]
    snippets = (server.root / "etc/matrix-synapse/conf.d").iterdir()
    assert sorted(path.name for path in snippets) == [*SNIPPETS, "server_name.yaml"]
    assert (
        yaml.safe_load((server.root / "etc/matrix-synapse/homeserver.yaml").read_text()) == EDITED
    )
