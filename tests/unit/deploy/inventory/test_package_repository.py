"""What the inventory may say of the repository of our own package."""

from typing import Any

import pytest

from tasks.run.errors import Refused
from tests.unit.deploy.fake_deploy import BARE, answers, fake_state, run, told
from tests.unit.deploy.runs import data_with_repository as data
from tests.unit.deploy.runs import deploy_bare


@pytest.mark.parametrize(
    ("repository", "words"),
    [
        ({"uri": "packages.example.org"}, r"package_repository .*\.uri: 'packages"),
        ({"uri": None}, r"\.uri: is missing; write the address"),
        ({"key_fingerprint": "abc"}, r"\.key_fingerprint: 'abc' is none; write the 40 digits"),
        ({"version": "newest"}, r"\.version: 'newest' is none"),
        ({"versoin": "1-1"}, r"\.versoin: is unknown; write one of uri, key_fingerprint"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refused(repository: dict[str, Any], words: str) -> None:
    with fake_state({"host": data(**repository)}) as state:
        [host] = state.inventory
        answers(host, BARE)
        with pytest.raises(Refused, match=words):
            run(state)
        assert told(host) == []


def test_both_a_file_and_a_repository_are_refused() -> None:
    with pytest.raises(Refused, match="is given beside `package`"):
        deploy_bare({**data(), "package": "dist/altpeter-matrix-config_9_all.deb"})
