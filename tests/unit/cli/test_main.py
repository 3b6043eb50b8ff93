"""The command line: exit codes and errors as an administrator sees them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.cli import generations, main, support
from altpeter_matrix.synapse.users import Account

from ..fake_host import NAME, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)


def run(host: FakeHost, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    """A command on the fake host."""

    def at_root() -> Paths:
        return host.paths

    for module in (main, generations, support):
        monkeypatch.setattr(module, "Paths", at_root)
    return CliRunner().invoke(main.cli, words)


def test_without_root_every_command_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for words in (["apply"], ["check"], ["status"], ["diff"], ["rollback"], ["init"]):
        result = CliRunner().invoke(main.cli, words)
        # Monitoring must not take it for an answer.
        assert result.exit_code == (2 if words == ["status"] else 1)
        assert result.output == "error: altpeter-matrix: needs root; run it with sudo, or as root\n"


def test_wrong_usage_is_2() -> None:
    assert CliRunner().invoke(main.cli, ["aply"]).exit_code == 2
    assert CliRunner().invoke(main.cli, ["apply", "--no-such-option"]).exit_code == 2


def test_apply_with_nothing_to_do(serving: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(serving, monkeypatch, "apply")
    assert (result.exit_code, result.output) == (0, "Nothing to do: generation 1 is active.\n")
    report = json.loads(run(serving, monkeypatch, "apply", "--json").output)
    assert (report["changed"], report["generation"]) == (False, 1)


def test_every_problem_is_one_line_on_its_own(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.settings(f"server_name: {NAME}\npresense: true\nuploads: {{max_size: much}}\n")
    result = run(serving, monkeypatch, "apply")
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.output.splitlines()] == ["error", "error"]


def test_packages_learn_of_a_refusal_without_failing(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A maintainer script that fails blocks apt."""
    told: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, line: told.append(line))
    serving.settings(f"server_name: {NAME}\npresense: true\n")
    result = run(serving, monkeypatch, "apply", "--from-postinst")
    assert result.exit_code == 0
    assert "did you mean presence?" in result.output
    assert "did you mean presence?" in told[0]


def test_diff_and_check_answer_by_their_exit_codes(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(serving, monkeypatch, "diff").exit_code == 0
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    assert run(serving, monkeypatch, "diff").exit_code == 1
    assert run(serving, monkeypatch, "check").exit_code == 0
    serving.settings(f"server_name: {NAME}\npresense: false\n")
    result = run(serving, monkeypatch, "check", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["errors"][0]["where"] == "settings.yaml: presense"


def test_records_lists_what_others_have_to_publish(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "altpeter_matrix.host.addresses.public_addresses", lambda: (["192.0.2.7"], [])
    )
    serving.settings(
        "server_name: example.org\npublic_name: matrix.example.org\n"
        "federation: {delegation: elsewhere}\n"
    )
    told = run(serving, monkeypatch, "records").output
    assert "matrix.example.org. 3600 IN A 192.0.2.7\n" in told
    assert "https://example.org/.well-known/matrix/client must answer\n{" in told
    assert "Access-Control-Allow-Origin: *" in told
    listed = json.loads(run(serving, monkeypatch, "records", "--json").output)
    assert [record["type"] for record in listed["records"]] == ["A"]
    assert len(listed["documents"]) == 2


def test_generations_lists_what_can_be_brought_back(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    apply(serving.host)
    rows = json.loads(run(serving, monkeypatch, "generations", "--json").output)
    assert [(row["number"], row["current"], row["whole"]) for row in rows] == [
        (1, False, True),
        (2, True, True),
    ]


def test_a_password_of_any_system_is_the_password(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else there is an account that nobody can enter: its password ends in \\r."""
    given: list[str] = []

    def make(*arguments: Any, **_options: object) -> Account:
        given.append(arguments[-1])
        return Account(f"@bob:{NAME}")

    monkeypatch.setattr("altpeter_matrix.cli.user.Paths", lambda: serving.paths)
    monkeypatch.setattr("altpeter_matrix.synapse.users.create_user", make)
    file = tmp_path / "password"
    for mark in (b"", b"\xef\xbb\xbf"):
        for end in (b"", b"\n", b"\r\n", b"\r", b"\nanother line\r\n"):
            content = mark + "schön lang ".encode() + end
            file.write_bytes(content)
            for place, piped in ((str(file), None), ("-", content)):
                words = ["user", "create", "bob", "--password-file", place]
                result = CliRunner().invoke(main.cli, words, input=piped)
                assert (result.exit_code, given.pop()) == (0, "schön lang "), (place, content)
                assert result.output == f"@bob:{NAME} was made.\n"


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "holds no password"), (b"\xff\n", "is not UTF-8 text")]
)
def test_an_unusable_password_file_is_refused(
    serving: FakeHost,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: bytes,
    message: str,
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    monkeypatch.setattr("altpeter_matrix.cli.user.Paths", lambda: serving.paths)
    result = run(serving, monkeypatch, "user", "create", "bob", "--password-file", str(file))
    assert result.exit_code == 1
    assert message in result.output


def test_status_answers_by_its_exit_code_and_in_each_form(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.unit("matrix-synapse.service", "stopped on purpose")
    said = run(serving, monkeypatch, "status", "--json")
    assert said.exit_code == 1
    assert "synapse-stopped" in {one["id"] for one in json.loads(said.output)["findings"]}
    said = run(serving, monkeypatch, "status", "--check")
    assert (said.exit_code, said.output[:17]) == (2, "MATRIX CRITICAL -")
    said = run(serving, monkeypatch, "status", "--metrics")
    assert 'altpeter_matrix_fault{id="synapse-stopped",severity="error"} 1' in said.output


def test_status_explains_a_fault_and_finds_the_one_that_was_meant() -> None:
    said = CliRunner().invoke(main.cli, ["status", "--explain", "synapse-stopped"])
    assert said.exit_code == 0 and "Did somebody stop, disable or mask Synapse?" in said.output
    said = CliRunner().invoke(main.cli, ["status", "--explain", "synapse-stoped"])
    assert said.exit_code == 1 and "did you mean synapse-stopped?" in said.output
