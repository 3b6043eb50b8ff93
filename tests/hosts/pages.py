"""The commands that pages in docs/ tell an administrator, for tests that run them as they are."""

import re

from tests.hosts.deployments import TOP


def commands(page: str, heading: str) -> str:
    """The first shell block below a heading of a page in docs/."""
    text = (TOP / "docs" / page).read_text()
    section = re.split(rf"^##+ {re.escape(heading)}$", text, maxsplit=1, flags=re.MULTILINE)[-1]
    section = re.split("^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found, f"docs/{page} has no commands below {heading!r}"
    return found[1]
