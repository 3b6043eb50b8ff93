"""What `altpeter-matrix user create` tells."""

import pytest
from click.testing import CliRunner

from altpeter_matrix.cli.main import cli
from altpeter_matrix.synapse import user_records
from altpeter_matrix.synapse.user_records import Record

from ..fake_host import NAME, FakeHost
from ..host_fixtures import serving
from ..synapse.fake_registration import Registration, registration

__all__ = ["registration", "serving"]


def test_an_account_that_exists_is_told_with_its_own_id_and_rights(
    serving: FakeHost, registration: type[Registration], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old servers have accounts with capitals, which Synapse takes for the same name."""
    registration.taken.add("bob")
    monkeypatch.setattr("altpeter_matrix.cli.user.Paths", lambda: serving.paths)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    words = ["user", "create", "bob", "--exists-ok", "--admin", "--password-file", "-"]
    for record, told in (
        (None, f"@bob:{NAME} exists already; whether somebody can log in as it could not be found"),
        (Record(f"@Bob:{NAME}", False, True), f"@Bob:{NAME} exists already.\n"),
        (Record(f"@bob:{NAME}", False, False), "already, and is no server administrator.\n"),
    ):
        monkeypatch.setattr(user_records, "find", lambda *_, found=record: found)
        result = CliRunner().invoke(cli, words, input="long enough\n")
        assert (result.exit_code, told in result.output) == (0, True), result.output
