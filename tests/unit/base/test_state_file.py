"""What is taken for a file of ours that is missing, damaged, or of a later version."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.apply import last_apply
from altpeter_matrix.apply.generations import Store
from altpeter_matrix.apply.last_apply import Outcome
from altpeter_matrix.apt import kept_packages, keyring_renewal, pins
from altpeter_matrix.base.accounts import Accounts
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.base.state_file import StateFile, known_fields
from altpeter_matrix.host import adoption_backup
from altpeter_matrix.host.links import TARGETS, Links
from altpeter_matrix.postgresql import database_record
from altpeter_matrix.postgresql.upgrade_journal import Journal
from altpeter_matrix.synapse import canary_account
from altpeter_matrix.synapse.canary_account import Account
from altpeter_matrix.upgrade import history, preflight_result
from altpeter_matrix.upgrade.history import Book

LATER = json.dumps({"format": 99, "what": ["nobody", {"knows": "yet"}]})
BAD = ("", "{", "[]", "null", "7", '"text"', "\ud800", LATER)
KINDS: dict[str, tuple[str, Callable[[Paths], Any], Any]] = {
    "the last apply": ("status.json", lambda p: last_apply.Record(p).read(), Outcome()),
    "a generation": (
        "generations/1/generation.json",
        lambda p: Store(p, Accounts({}, {}, {})).load(1),
        None,
    ),
    "what is held back": ("held-back.json", pins.held, ()),
    "an adoption": ("adoption.json", adoption_backup.newest, None),
    "the database": ("database.json", database_record.read, None),
    "a renewed key": ("key-renewal.json", keyring_renewal.last_problems, ()),
    "upgrades": ("upgrades.json", history.read, Book()),
    "checks before upgrades": ("upgrade-checks.json", preflight_result.checks, ()),
    "packages to go back to": ("packages/packages.json", kept_packages._read, ()),
    "the canary's account": ("canary.json", canary_account.read, Account()),
}


def put(paths: Paths, name: str, text: str) -> Path:
    file = paths.state / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(errors="surrogatepass"))
    return file


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_cannot_be_used_is_as_none(tmp_path: Path, kind: str) -> None:
    paths, (name, read, none) = Paths(tmp_path), KINDS[kind]
    assert read(paths) == none
    for text in BAD:
        file = put(paths, name, text)
        assert read(paths) == none, text
        file.unlink()
    (paths.state / name).mkdir(parents=True)
    assert read(paths) == none


@pytest.mark.parametrize("text", BAD)
def test_a_move_that_cannot_be_read_is_no_move_that_never_was(tmp_path: Path, text: str) -> None:
    journal = Journal(Paths(tmp_path))
    assert journal.read() is None
    file = put(journal.paths, "database-upgrade.json", text)
    with pytest.raises(HostError) as refused:
        journal.read()
    assert refused.value.problems[0].where == str(file)


def test_links_of_a_later_version_were_all_made_and_those_of_no_file_none(tmp_path: Path) -> None:
    links = Links(Paths(tmp_path))
    found = {}
    for text in BAD:
        put(links.paths, "links.json", text)
        found[text] = links._read()
    assert found == {**dict.fromkeys(BAD, frozenset()), LATER: frozenset(TARGETS)}


def test_what_is_written_has_its_mode_and_is_read_again(tmp_path: Path) -> None:
    file, path = StateFile(lambda raw: int(raw["number"]), missing=0, exact=True), tmp_path / "a"
    file.write(path, {"number": 7})
    assert (file.read(path), path.stat().st_mode & 0o777) == (7, 0o600)
    assert json.loads(path.read_bytes()) == {"format": 1, "number": 7}
    path.write_text('{"format": 2, "number": 7}')
    assert file.read(path) == 0
    assert StateFile(file.parse, missing=0).read(path) == 7


def test_fields_of_a_later_version_are_left_out() -> None:
    assert known_fields(Outcome, {"ok": True, "later": 1}) == {"ok": True}
