"""That there is one Synapse."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from sys import executable

import pytest

from altpeter_matrix.status.checks import other_servers

from .given import Given

# Says what it was called with by the time that it is looked for.
SLEEP = "import sys; sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"


@contextmanager
def process(*words: str) -> Iterator[str]:
    with Popen([executable, "-c", SLEEP, *words], stdin=-1, stdout=-1) as started:
        assert started.stdout is not None
        started.stdout.read(1)
        try:
            yield str(started.pid)
        finally:
            started.kill()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("synapse.app.homeserver", "-c", "{}/homeserver.yaml"), True),
        (("synapse.app.homeserver", "--config-path={}/conf.d/"), True),
        (("synapse.app.homeserver", "-c", "{}/homeserver.yaml", "--generate-keys"), False),
        # Another server of somebody's.
        (("synapse.app.homeserver", "-c", "/srv/other/homeserver.yaml"), False),
        (("synapse.config", "-c", "{}/homeserver.yaml"), False),
    ],
)
def test_processes_with_this_configuration(
    tmp_path: Path, words: tuple[str, ...], found: bool
) -> None:
    given = Given({}, tmp_path)
    with process(*(one.format(given.paths.synapse) for one in words)) as number:
        told = [dict(one.values)["process"] for one in other_servers.processes(given)]
    assert told == [number] * found
