"""A bare host, and what is wanted of it."""

from pathlib import Path
from typing import Any

from altpeter_matrix.settings.model import load_settings
from tasks.inventory.target import Target
from tasks.observe.host_state import HostState
from tasks.observe.observed import parse
from tests.unit.deploy.fake_deploy import BARE, observation


def wanted(**settings: Any) -> Target:
    raw = {"server_name": "example.org", "public_name": "matrix.example.org", **settings}
    return Target(
        name="host",
        source="group_data/homeserver.py",
        settings=load_settings(raw, source="group_data/homeserver.py"),
        settings_text="",
        package=Path(),
        package_version="1",
    )


def bare() -> HostState:
    return parse(HostState, observation(BARE).splitlines())
