"""Good settings to spoil, and what is said of bad ones."""

import pytest

from altpeter_matrix.base.errors import SettingsError

from ..samples import settings

GOOD = "server_name: example.org\n"
MAIL = GOOD + "email: {smtp_host: smtp.example.org, from: m@example.org, "


def refused(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(text)
    return [str(problem) for problem in caught.value.problems]
