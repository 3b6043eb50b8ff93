"""The keys of apt's repositories: which are looked at, when they end, which are followed."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from altpeter_matrix.apt import gpg, keyring_renewal, keyrings
from altpeter_matrix.apt.gpg import SigningKey
from altpeter_matrix.base import notify
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.settings.model import SynapseRepository

DAY = 86400.0
FIRST, SUBKEY, OTHER = "A" * 40, "B" * 40, "C" * 40
ONE_LINE = """\
deb [arch=amd64 signed-by=/usr/share/keyrings/matrix-org.gpg] https://packages.example.org b main
# deb [signed-by=/usr/share/keyrings/commented.gpg] https://packages.example.org b main
deb http://deb.example.org/debian bookworm main
"""
STANZA = "Types: deb\nURIs: https://packages.example.org\nSuites: bookworm\nSigned-By:"
INLINE = """
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZw
 -----END PGP PUBLIC KEY BLOCK-----
"""
REPOSITORY = SynapseRepository(
    "https://packages.example.org", "https://packages.example.org/key.gpg", FIRST
)


def repositories(root: Path, **files: str) -> Paths:
    """A host with these files of repositories; the last underscore of a name is its dot."""
    place = root / "etc/apt/sources.list.d"
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / ".".join(name.rsplit("_", 1))).write_text(text)
    return Paths(root)


class FakeKeyring:
    """gpg's answers. keys: per file, in its own order."""

    def __init__(
        self,
        keys: dict[str, tuple[SigningKey, ...]],
        signers: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
        certified: bool = False,
    ) -> None:
        self._answers, self._signers, self._certified = keys, signers, certified
        self._read: dict[str, SigningKey] = {}

    def read(self, file: Path) -> None:
        self._read |= {key.fingerprint: key for key in self._answers.get(file.name, ())}

    def signing_keys(self) -> tuple[SigningKey, ...]:
        return tuple(self._read.values())

    def signers(self, _signed: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self._signers

    def certified_by(self, _fingerprint: str, _others: list[str]) -> bool:
        return self._certified

    def export(self, fingerprints: list[str], *, armour: bool) -> bytes:
        return f"{armour} {' '.join(fingerprints)}".encode()

    @contextmanager
    def __call__(self, *files: Path) -> Iterator["FakeKeyring"]:
        for file in files:
            self.read(file)
        yield self


def key(
    days: float | None, fingerprint: str = FIRST, primary: str = FIRST, useful: bool = True
) -> SigningKey:
    expires = None if days is None else time.time() + days * DAY + 60
    return SigningKey(fingerprint, primary, expires, useful)


def whats(states: list[keyrings.State]) -> list[tuple[bool, str]]:
    return [(state.stopped, state.problem.what) for state in states]


LISTING = """\
tru::1:1795939955:0:3:1:5
pub:-:255:22:88AF70136630F78D:1795939954:1953619954::-:::{primary}:::::ed25519:::0:
fpr:::::::::AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:
uid:-::::1795939955::65611A74::Repository::::::::::0:
sub:{validity}:255:22:25708D3E934231CF:1795939954:{subkey}:::::s:::::ed25519::
fpr:::::::::BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB:
"""


@pytest.mark.parametrize(
    ("primary", "subkey", "validity", "expected"),
    [
        ("scSC", "", "-", [(FIRST, 1953619954, True), (SUBKEY, 1953619954, True)]),
        ("scSC", "1800000000", "-", [(FIRST, 1953619954, True), (SUBKEY, 1800000000, True)]),
        # The key itself only certifies; that it can sign at all is its subkey's.
        ("cSC", "1800000000", "-", [(SUBKEY, 1800000000, True)]),
        ("cSC", "1953619999", "-", [(SUBKEY, 1953619954, True)]),
        ("cSC", "", "r", [(SUBKEY, 1953619954, False)]),
    ],
)
def test_only_what_may_sign_counts_and_a_subkey_ends_with_its_key(
    primary: str, subkey: str, validity: str, expected: list[tuple[str, float, bool]]
) -> None:
    lines = LISTING.format(primary=primary, subkey=subkey, validity=validity).splitlines()
    found = [(one.fingerprint, one.expires, one.useful) for one in gpg._signing_keys(lines)]
    assert found == expected
    assert {one.primary for one in gpg._signing_keys(lines)} == {FIRST}


@pytest.mark.parametrize(
    ("keys", "signers", "expected"),
    [
        ((key(400),), (), []),
        ((key(None),), (), []),
        ((key(10),), (), [(False, "expires in 10 days")]),
        ((key(-3),), (), [(True, "has expired")]),
        ((key(-3), key(400, SUBKEY)), (), []),
        # What another key of the keyring says does not help once it is known which one signs.
        ((key(10), key(400, SUBKEY)), (FIRST,), [(False, "expires in 10 days")]),
        ((key(10), key(400, SUBKEY)), (SUBKEY,), []),
        ((key(400, useful=False),), (), [(True, "was revoked")]),
    ],
)
def test_a_key_that_ends_is_told_before(
    keys: tuple[SigningKey, ...], signers: tuple[str, ...], expected: list[tuple[bool, str]]
) -> None:
    found = whats(list(keyrings._expiry(Path("/k.gpg"), keys, set(signers))))
    assert len(found) == len(expected)
    for (stopped, what), (must_stop, words) in zip(found, expected, strict=True):
        assert stopped is must_stop and words in what


def test_a_second_signature_by_a_key_that_is_not_trusted_announces_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = repositories(tmp_path, matrix_list=ONE_LINE)
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    (lists / "packages.example.org_dists_b_InRelease").write_text("signed twice")
    answers = FakeKeyring({"matrix-org.gpg": (key(400),)}, ((FIRST,), (OTHER,)))
    monkeypatch.setattr(gpg, "keyring", answers)
    found, unchecked = keyrings.states(paths)
    assert unchecked == []
    ((stopped, what),) = whats(found)
    assert not stopped and f"also signed by {OTHER}, which is not trusted here" in what


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"matrix-org_list": ONE_LINE}, {"matrix-org.gpg"}),
        ({"matrix_sources": f"{STANZA} /usr/share/keyrings/matrix.gpg\n"}, {"matrix.gpg"}),
        ({"debian_sources": f"{STANZA} /usr/share/keyrings/debian-archive-keyring.gpg\n"}, set()),
        ({"x_list": "deb [signed-by=/usr/share/keyrings/a.gpg,/usr/share/keyrings/b.asc] u b\n"},
         {"a.gpg", "b.asc"}),
        ({"old_list.save": ONE_LINE}, set()),  # apt does not read it
    ],
    ids=["one line", "stanza", "Debian's own", "two keys", "backup"],
)  # fmt: skip
def test_the_keys_of_all_repositories_are_looked_at(
    tmp_path: Path, files: dict[str, str], expected: set[str]
) -> None:
    unchecked: list[str] = []
    found = keyrings._repositories(repositories(tmp_path, **files), unchecked)
    looked_at = {file for files_of_one in found for file in files_of_one}
    assert looked_at == {tmp_path / "usr/share/keyrings" / name for name in expected}
    assert unchecked == []


@pytest.mark.parametrize("key", [INLINE, " 0123456789ABCDEF0123456789ABCDEF01234567\n"])
def test_a_key_that_is_in_no_file_is_told_as_not_checked(tmp_path: Path, key: str) -> None:
    unchecked: list[str] = []
    paths = repositories(tmp_path, matrix_sources=STANZA + key)
    assert keyrings._repositories(paths, unchecked) == {}
    (said,) = unchecked
    assert "sources.list.d/matrix.sources names no file" in said


def test_a_key_that_cannot_be_read_is_told_as_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = repositories(tmp_path, matrix_list=ONE_LINE)
    monkeypatch.setattr(gpg, "keyring", FakeKeyring({}))
    found, unchecked = keyrings.findings(paths)
    assert found == []
    (said,) = unchecked
    assert "/usr/share/keyrings/matrix-org.gpg cannot be read" in said


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
    monkeypatch.setattr(notify, "journal", lambda *_, **__: None)
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
    mails: list[str] = []

    def fails(url: str) -> Path:
        asked.append(url)
        raise HostError(Problem(url, "cannot be fetched", "wait"))

    monkeypatch.setattr(keyring_renewal, "_fetched", fails)
    monkeypatch.setattr(notify, "mail", lambda subject, _text: mails.append(subject))
    for _ in range(2):
        keyring_renewal.renew_daily(renewing, REPOSITORY)
    assert asked == [REPOSITORY.key_url] and len(mails) == 1
    yesterday = time.time() - DAY
    os.utime(renewing.key_renewal, (yesterday, yesterday))
    keyring_renewal.renew_daily(renewing, REPOSITORY)
    assert len(asked) == 2 and len(mails) == 1
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
