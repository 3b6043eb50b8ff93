"""The commands of README.md, and which of them a test runs."""

import re
from collections.abc import Callable
from typing import TypeVar

from tests.hosts.deployments import TOP

README = TOP / "README.md"
# A command is anything in a shell block, in the table of day 2, or elsewhere in the text when it
# begins like one of these.
COMMAND = re.compile(
    r"make |build/venv/bin/|altpeter-matrix |apt remove |pyinfra |/etc/altpeter-matrix/|register_"
)
# Synapse's own, as its manual has it but for the file.
REGISTER = (
    "register_new_matrix_user -c /etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml "
    "http://localhost:8008"
)
# Commands that another test runs, or that run the tests.
ELSEWHERE = {
    "make test": "what is running now",
    "make test-upgrades": "it takes a night",
    "make test-all": "the two above",
    "make lint": ".ci/run begins with it",
    "make repo": "test_repository.py, by the command in the Makefile",
    "build/venv/bin/pyinfra my-server/local.py deploy.py": "test_deploy.py, on a host",
    "apt install postgresql ./altpeter-matrix-config_*_all.deb": "test_apt_install.py, by apt-get",
    "altpeter-matrix backup now": "test_backup.py",
    "altpeter-matrix restore": "test_backup.py",
    "altpeter-matrix notify test": "test_watching.py",
    "altpeter-matrix mail test you@example.org": "test_watching_ways.py",
    "altpeter-matrix user create alice --admin": "test_apt_install.py",
}
proved: set[str] = set()
Test = TypeVar("Test", bound=Callable[..., None])


def proves(*commands: str) -> Callable[[Test], Test]:
    """Note which of README.md's commands a test runs."""
    proved.update(commands)
    return lambda test: test


def readme_commands() -> set[str]:
    """Every command that README.md tells its reader to run."""
    text = README.read_text()
    found: set[str] = set()
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        lines = (re.sub(r"\s+#.*", "", line).strip() for line in block.splitlines())
        found.update(line for line in lines if line)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", prose)
    found.update(span for span in spans if COMMAND.match(span))
    return found
