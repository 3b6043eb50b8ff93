"""Accounts that are made through Synapse: their names, and those that exist already."""

import pytest

from altpeter_matrix.apply.prepared import read_settings
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.synapse import user_records
from altpeter_matrix.synapse.user_records import Record
from altpeter_matrix.synapse.users import Account, create_user

from ..fake_host import NAME, FakeHost
from ..host_fixtures import serving
from .fake_registration import Registration, registration

__all__ = ["registration", "serving"]


def test_users_are_made_once(serving: FakeHost, registration: type[Registration]) -> None:
    settings = read_settings(serving.paths)
    made = create_user(serving.paths, settings, f"@alice:{NAME}", "long enough", admin=True)
    assert made == Account(f"@alice:{NAME}")
    assert create_user(serving.paths, settings, "bob", "long enough").made
    assert (registration.taken, registration.admins) == ({"alice", "bob"}, {"alice"})
    assert not create_user(serving.paths, settings, "bob", "another", exists_ok=True).made
    with pytest.raises(HostError, match="User ID already taken"):
        create_user(serving.paths, settings, "bob", "another")
    with pytest.raises(HostError, match=f"is not of this server, {NAME}"):
        create_user(serving.paths, settings, "@carol:elsewhere.example.org", "long enough")


def test_a_user_gets_the_id_that_synapse_makes_of_the_name(
    serving: FakeHost, registration: type[Registration]
) -> None:
    for name in ("Bugs.Upper", f"@BUGS.upper:{NAME}", f"bugs.upper:{NAME.upper()}"):
        made = create_user(serving.paths, read_settings(serving.paths), name, "long enough")
        assert made == Account(f"@bugs.upper:{NAME}")
        registration.taken.remove("bugs.upper")


@pytest.mark.parametrize("exists_ok", [False, True])
def test_a_deactivated_account_is_not_well(
    serving: FakeHost,
    registration: type[Registration],
    monkeypatch: pytest.MonkeyPatch,
    exists_ok: bool,
) -> None:
    registration.taken.add("bob")
    record = Record(f"@bob:{NAME}", deactivated=True, admin=False)
    monkeypatch.setattr(user_records, "find", lambda *_: record)
    settings = read_settings(serving.paths)
    with pytest.raises(HostError, match=f"user @bob:{NAME}: exists and is deactivated"):
        create_user(serving.paths, settings, "bob", "long enough", exists_ok=exists_ok)


def test_what_synapse_would_refuse_is_told_with_its_rule_before(serving: FakeHost) -> None:
    """No Synapse is needed to say so."""
    characters = "is not a user name; write lower-case letters, digits and . _ = - / +, as in admin"
    for name, password, message in (
        ("bugs bunny", "long enough", characters),
        ("bücher", "long enough", characters),
        ("4711", "long enough", characters),
        ("", "long enough", characters),
        ("bugs@example.org", "long enough", "is not a user name; write bugs"),
        ("a" * (254 - len(NAME)), "long enough", "a user ID has at most 255, server name included"),
        ("a" * 300, "long enough", "has 300 characters, of which a user ID allows 255"),
        ("bob", "a" * 513, "the password: has 513 characters, of which Synapse takes 512"),
        ("bob", "a\0b", "the password: has a character that Synapse does not take"),
        ("bob", "a\udcffb", "the password: has a character that Synapse does not take"),
        ("bob", "", "the password: is empty"),
    ):
        with pytest.raises(HostError) as refused:
            create_user(serving.paths, read_settings(serving.paths), name, password)
        assert message in str(refused.value)


def test_no_user_without_a_running_synapse(serving: FakeHost) -> None:
    serving.settings(f"server_name: {NAME}\nlistener: {{port: 1024}}\n")
    with pytest.raises(HostError, match="Synapse does not answer"):
        create_user(serving.paths, read_settings(serving.paths), "bob", "long enough")
