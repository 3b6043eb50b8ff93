"""New settings that the host tool is asked about, while the old ones still serve."""

import yaml

from ..base.paths import SETTINGS
from ..inventory.target import Target
from ..observe.host_state import HostState
from . import packages


def are_needed(target: Target, state: HostState) -> bool:
    """Whether the host's tool is to be asked: it is the one of this deploy, and they are new.

    Another one may know other settings.
    """
    unchanged = state.has_file(SETTINGS, target.settings_text.encode())
    return packages.ours_is_there(target, state) and not (unchanged and bool(state.settled))


def settings_to_try(target: Target, state: HostState) -> str:
    """The settings, without mail while its password is still on the way to the host."""
    email = target.settings.email
    if email is None or target.smtp_password is None or str(email.password_file) in state.files:
        return target.settings_text
    return yaml.safe_dump({**yaml.safe_load(target.settings_text), "email": None})
