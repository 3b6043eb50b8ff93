"""The keys of apt's repositories: which are looked at, and what is told of them before they end."""

from pathlib import Path

import pytest

from altpeter_matrix.apt import gpg, keyrings
from altpeter_matrix.apt.gpg import SigningKey

from .fake_keyring import FIRST, ONE_LINE, OTHER, STANZA, SUBKEY, FakeKeyring, key, repositories

INLINE = """
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZw
 -----END PGP PUBLIC KEY BLOCK-----
"""


def whats(states: list[keyrings.State]) -> list[tuple[bool, str]]:
    return [(state.stopped, state.problem.what) for state in states]


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
    found, unchecked = keyrings.objections(paths)
    assert found == []
    (said,) = unchecked
    assert "/usr/share/keyrings/matrix-org.gpg cannot be read" in said
