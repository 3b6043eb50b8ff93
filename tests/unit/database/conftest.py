"""For all tests of the move: a host with a database in PostgreSQL 15."""

from pathlib import Path

import pytest

from altpeter_matrix.base.paths import Paths

from .fake_clusters import World
from .moves import DATA

CONFIGURATION = """\
database:
  name: psycopg2
  args: {dbname: synapse, user: matrix-synapse, host: /var/run/postgresql}
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    for path, text in {
        "etc/nginx/nginx.conf": "",
        "etc/os-release": 'ID=debian\nVERSION_ID="13"\n',
        "etc/altpeter-matrix/settings.yaml": "server_name: example.org\n",
        "var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml": CONFIGURATION,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return paths


@pytest.fixture
def world() -> World:
    world = World()
    world.add(15, 5432, dict(DATA))
    return world
