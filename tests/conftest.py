"""For all tests: how processes share them, and pyinfra without its effect on them."""

from typing import Any
from unittest import mock

import pytest
from xdist.scheduler import LoadScopeScheduling

# Importing it makes threads and subprocesses of the process cooperative (gevent): tests of the same
# run that start programs from a thread would then wait for ever. Once imported, it does not again.
with mock.patch("gevent.monkey.patch_all"):
    import pyinfra_cli  # noqa: F401

# What takes longest begins first, so that all processes end at about the same time; of these, what
# does without the two servers that the others share comes between, as those are being deployed.
LONGEST = (
    "hosts/test_undo_interrupted.py", "hosts/test_apt_install.py", "hosts/test_previous_release.py",
    "hosts/test_readme.py", "package/test_dpkg.py", "hosts/test_interruptions.py",
    "hosts/test_no_request_lost.py", "hosts/test_undo.py", "hosts/upgrades/test_upgrades.py",
    "hosts/test_bad_input.py", "hosts/test_updates.py", "hosts/test_backup.py",
    "package/test_debconf.py", "hosts/test_removal.py", "hosts/test_repository.py",
    "hosts/test_federation.py", "hosts/test_first_deploy_killed.py", "hosts/test_sudo_password.py",
    "hosts/test_lab.py", "hosts/test_lab_cleanup.py", "hosts/test_certificates.py",
    "hosts/test_divided_run.py", "hosts/test_deploy.py", "package/test_piuparts.py",
    "package/test_build.py", "hosts/test_autopkgtest.py", "hosts/test_exposure.py",
    "unit/base/test_yaml_text.py", "unit/render/test_hostile_settings.py",
    "unit/settings/test_remedies.py", "unit/apply/test_crash_safety.py",
    "unit/apply/test_transaction.py",
)  # fmt: skip


def group(nodeid: str) -> str:
    """The tests of one group, a module, run in one process, one after the other."""
    return nodeid.partition("::")[0].removeprefix("tests/")


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
    if name in LONGEST:
        return LONGEST.index(name)
    return len(LONGEST) + name.startswith("unit/")
