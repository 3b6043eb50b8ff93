"""For all tests: how they share two processes, and pyinfra without its effect on them."""

from pathlib import PurePath
from typing import Any
from unittest import mock

import pytest
from xdist.scheduler import LoadScopeScheduling

# Importing it makes threads and subprocesses of the process cooperative (gevent): tests of the same
# run that start programs from a thread would then wait for ever. Once imported, it does not again.
with mock.patch("gevent.monkey.patch_all"):
    import pyinfra_cli  # noqa: F401

# Modules of tests/hosts that do without the two servers that the others share.
APART = (
    "test_apt_install.py", "test_readme.py", "test_first_deploy_killed.py", "test_lab.py",
    "test_divided_run.py", "test_lab_controller.py", "test_adoption.py", "test_release_upgrade.py",
    "test_two_clusters.py", "test_lab_cleanup.py",
)  # fmt: skip
SERVERS = "servers"
PACKAGE = "package"
# What takes longest begins first, so that both processes end at about the same time.
LONGEST = (SERVERS, "test_apt_install.py", "test_readme.py", PACKAGE, *APART)


def group(nodeid: str) -> str:
    """The tests of one group run in one process, one after the other."""
    module = PurePath(nodeid.partition("::")[0])
    if module.is_relative_to("tests/hosts") and module.name not in APART:
        return SERVERS
    return PACKAGE if module.is_relative_to("tests/package") else module.name


class Groups(LoadScopeScheduling):
    """Divides whole groups among the processes. `--dist loadgroup` would be it, but pytest-xdist
    3.8 marks the groups in an attribute that pytest 9.2 does not read any more."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=_begins_late)


def _begins_late(item: pytest.Item) -> int:
    name = group(item.nodeid)
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)
