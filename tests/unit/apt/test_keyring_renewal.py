"""A repository's key that goes on: fetched, followed, or told of."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from altpeter_matrix.apt import gpg, keyring_renewal
from altpeter_matrix.apt.gpg import SigningKey
from altpeter_matrix.base import journal
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.settings.model import SynapseRepository

from .fake_keyring import DAY, FIRST, ONE_LINE, OTHER, SUBKEY, FakeKeyring, key, repositories

REPOSITORY = SynapseRepository(
    "https://packages.example.org", "https://packages.example.org/key.gpg", FIRST
)


@pytest.fixture
def renewing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A host with the repository's key in a file that no package owns."""
    paths = repositories(tmp_path, matrix_list=ONE_LINE)
    file = tmp_path / "usr/share/keyrings/matrix-org.gpg"
    file.parent.mkdir(parents=True)
    file.write_text("trusted")

    @contextmanager
    def fetched(_url: str) -> Iterator[Path]:
        yield Path("published")

    monkeypatch.setattr(keyring_renewal, "_fetched", fetched)
    monkeypatch.setattr(keyring_renewal, "_keyring", lambda *_: file)
    monkeypatch.setattr(journal, "write", lambda *_, **__: None)
    return paths


def renew(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    present: tuple[SigningKey, ...],
    published: tuple[SigningKey, ...],
    certified: bool = False,
) -> tuple[str, list[Problem]]:
    answers = FakeKeyring({"matrix-org.gpg": present, "published": published}, certified=certified)
    monkeypatch.setattr(gpg, "keyring", answers)
    found = keyring_renewal.renew(paths, REPOSITORY)
    assert list(keyring_renewal.last_problems(paths)) == list(found.problems)
    return (paths.root / "usr/share/keyrings/matrix-org.gpg").read_text(), list(found.problems)


@pytest.mark.parametrize(
    "published", [(key(900),), (key(10), key(900, SUBKEY)), (key(900), key(900, OTHER, OTHER))]
)
def test_what_the_trusted_key_says_of_itself_is_followed(
    renewing: Paths, monkeypatch: pytest.MonkeyPatch, published: tuple[SigningKey, ...]
) -> None:
    text, problems = renew(renewing, monkeypatch, (key(10),), published)
    assert text == f"False {FIRST}"  # and no other key
    assert problems == []


@pytest.mark.parametrize("certified", [True, False])
def test_another_key_is_told_and_not_trusted(
    renewing: Paths, monkeypatch: pytest.MonkeyPatch, certified: bool
) -> None:
    published = (key(10), key(900, OTHER, OTHER))
    present = published[:1]
    text, (problem,) = renew(renewing, monkeypatch, present, published, certified)
    assert text == "trusted"
    assert f"now publishes the key {OTHER}" in problem.what
    assert ("NOT signed" in problem.what) is not certified


def test_nothing_is_told_of_other_keys_while_the_trusted_one_goes_on(
    renewing: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = (key(400),)
    assert renew(renewing, monkeypatch, present, (*present, key(9, OTHER, OTHER))) == (
        "trusted",
        [],
    )


def test_a_keyring_without_the_key_of_the_settings_stays_as_it_is(
    renewing: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = (key(10, OTHER, OTHER),)
    assert renew(renewing, monkeypatch, own, (key(900, OTHER, OTHER),)) == ("trusted", [])


def test_a_key_is_fetched_once_a_day_and_a_problem_is_told_once(
    renewing: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    told: list[str] = []

    def fails(url: str) -> Path:
        asked.append(url)
        raise HostError(Problem(url, "cannot be fetched", "wait"))

    monkeypatch.setattr(keyring_renewal, "_fetched", fails)
    monkeypatch.setattr(journal, "write", lambda text, **_: told.append(text))
    for _ in range(2):
        keyring_renewal.renew_daily(renewing, REPOSITORY)
    assert asked == [REPOSITORY.key_url] and len(told) == 1
    yesterday = time.time() - DAY
    os.utime(renewing.key_renewal, (yesterday, yesterday))
    keyring_renewal.renew_daily(renewing, REPOSITORY)
    assert len(asked) == 2 and len(told) == 1
    (problem,) = keyring_renewal.last_problems(renewing)
    assert problem.what == "cannot be fetched"


@pytest.mark.parametrize("kind", ["pipe", "link", "directory", "nothing"])
def test_what_apts_user_puts_in_the_place_of_the_key_is_not_read(tmp_path: Path, kind: str) -> None:
    """A pipe that is looked at and then opened would never end."""
    file, secret = tmp_path / "keyring", tmp_path / "secret"
    secret.write_text("root's alone")
    make: dict[str, Callable[[], object]] = {
        "pipe": lambda: os.mkfifo(file),
        "link": lambda: file.symlink_to(secret),
        "directory": file.mkdir,
        "nothing": lambda: None,
    }
    make[kind]()
    with pytest.raises((HostError, OSError)):
        keyring_renewal._read(file)
