"""For all tests: how they share two processes, and pyinfra without its effect on them."""

from unittest import mock

import pytest

# Importing it makes threads and subprocesses of the process cooperative (gevent): tests of the same
# run that start programs from a thread would then wait for ever. Once imported, it does not again.
with mock.patch("gevent.monkey.patch_all"):
    import pyinfra_cli  # noqa: F401

# What takes longest begins first, so that both processes end at about the same time.
LONGEST = ("tests/hosts/test_apt_install.py", "tests/hosts/test_readme.py", "tests/package")


# First, because pytest-xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` runs in two processes (pytest-xdist), which divide whole groups among them."""
    if not hasattr(config, "workerinput"):
        return
    of_fleet = {item.path for item in items if "fleet" in getattr(item, "fixturenames", ())}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item, item.path in of_fleet)))
    items.sort(key=_begins_late)


def _group(item: pytest.Item, of_fleet: bool) -> str:
    """Tests of one group run in one process, one after the other."""
    if of_fleet:
        return "fleet"  # one process deploys the two servers for all
    folder, module = item.nodeid.split("::")[0].rsplit("/", 1)
    return folder if folder == "tests/package" else f"{folder}/{module}"


def _begins_late(item: pytest.Item) -> int:
    marker = item.get_closest_marker("xdist_group")
    group = marker.args[0] if marker else ""
    order = ("fleet", *LONGEST)
    return order.index(group) if group in order else len(order)
