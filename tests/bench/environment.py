"""The environment of every program that is timed: alike for both sides."""

from __future__ import annotations

import os


def environment(**more: str) -> dict[str, str]:
    """This process's environment, less what would slow down an interpreter's start."""
    # Without compiled modules each run would compile them again, which nobody's computer does.
    ours = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, "PYINFRA_PROGRESS": "off", "ANSIBLE_NOCOLOR": "1", **more}
