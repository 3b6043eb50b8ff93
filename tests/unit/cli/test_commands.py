"""check, diff, rollback, init, user create and status, on a fake host."""

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from altpeter_matrix.apply.check import check
from altpeter_matrix.apply.diff import diff
from altpeter_matrix.apply.init import init
from altpeter_matrix.apply.prepared import read_settings
from altpeter_matrix.apply.rollback import rollback
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import HostError, MatrixConfigError, Problem
from altpeter_matrix.cli.main import cli
from altpeter_matrix.settings.model import Settings
from altpeter_matrix.status.findings import Status, status
from altpeter_matrix.status.text import text
from altpeter_matrix.synapse import user_records
from altpeter_matrix.synapse.secrets_store import smtp_password
from altpeter_matrix.synapse.user_records import Record
from altpeter_matrix.synapse.users import Account, create_user

from ..fake_host import NAME, SYNAPSE_UNIT, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

MAIL = (
    f"server_name: {NAME}\n"
    "email: {smtp_host: mail.example.org, username: matrix, from: matrix@example.org}\n"
)


def snapshot(host: FakeHost) -> dict[Path, int]:
    """Everything but what running a program leaves."""
    besides = (host.paths.locks / "apply", host.root / "calls")
    return {path: path.lstat().st_mtime_ns for path in host.root.rglob("*")
            if not path.is_dir() and path not in besides}  # fmt: skip


def test_check_accepts_and_changes_nothing(serving: FakeHost, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(f"server_name: {NAME}\npresence: false\nsynapse: {{no_such_option: 1}}\n")
    before = snapshot(serving)
    warnings = check(serving.host, other)
    assert [warning.where for warning in warnings] == ["settings.yaml: synapse.no_such_option"]
    assert snapshot(serving) == before
    assert serving.actions() == []


def test_check_refuses_what_apply_refuses(serving: FakeHost, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("server_name: 192.0.2.1\n")
    with pytest.raises(MatrixConfigError, match=r"other.yaml: server_name"):
        check(serving.host, other)
    serving.break_program("synapse", "Error in configuration:\n  no")
    with pytest.raises(MatrixConfigError, match="Synapse"):
        check(serving.host)


def test_diff_is_empty_after_apply_and_shows_what_apply_would_change(serving: FakeHost) -> None:
    assert diff(serving.paths) == []
    serving.settings(f"server_name: {NAME}\nuploads: {{max_size: 7M}}\n")
    lines = diff(serving.paths)
    assert any(line.startswith("+") and "client_max_body_size" in line for line in lines)
    assert any(line == "+++ candidate/synapse/altpeter-matrix.yaml" for line in lines)


def test_diff_hides_secrets_and_still_shows_that_they_change(serving: FakeHost) -> None:
    password = serving.write("etc/altpeter-matrix/secrets/smtp_password", "hunter2\n", 0o600)
    serving.settings(MAIL)
    lines = diff(serving.paths)
    assert not any("hunter2" in line for line in lines)
    assert any("smtp_pass" in line for line in lines)
    apply(serving.host)
    password.write_text("correct horse\n")
    lines = diff(serving.paths)
    assert [line.strip("+- ") for line in lines if "smtp_pass" in line] == [
        "smtp_pass: «secret»",
        "smtp_pass: «another secret»",
    ]
    assert not any("hunter2" in line or "horse" in line for line in lines)


def test_a_mail_password_of_any_system_is_the_password(serving: FakeHost) -> None:
    file = serving.write("etc/altpeter-matrix/secrets/smtp_password", "", 0o600)
    serving.settings(MAIL)
    for content in ("hunter2 ", "hunter2 \r\n", "\ufeffhunter2 \n", "\ufeffhunter2 \r\n\r\n"):
        file.write_bytes(content.encode())
        found = smtp_password(serving.paths, read_settings(serving.paths))
        assert found == "hunter2 ", content
    for content in ("hunter2\rb", "a\nb", "\r\n", "\ufeff"):
        file.write_bytes(content.encode())
        with pytest.raises(MatrixConfigError, match="does not hold one line"):
            smtp_password(serving.paths, read_settings(serving.paths))


def test_files_of_an_administrator_may_begin_with_a_byte_order_mark(serving: FakeHost) -> None:
    serving.settings(f"\ufeffserver_name: {NAME}\r\npresence: false\r\n")
    serving.write("etc/altpeter-matrix/nginx.d/a.conf", "\ufefflocation /a { return 204; }\n")
    serving.write("etc/altpeter-matrix/synapse.d/a.yaml", "\ufeffrc_login: {}\r\n")
    apply(serving.host)
    assert (serving.paths.current / "nginx/local/a.conf").read_text()[0] == "l"
    options = (serving.paths.current / "synapse/altpeter-matrix.yaml").read_text()
    assert "\nrc_login: {}\n" in options
    assert "enabled: false" in options


def test_a_changed_mail_password_is_noticed(serving: FakeHost) -> None:
    password = serving.write("etc/altpeter-matrix/secrets/smtp_password", "hunter2\n", 0o600)
    serving.settings(MAIL)
    apply(serving.host)
    password.write_text("correct horse\n")
    assert "restarted matrix-synapse" in apply(serving.host).done


def test_rollback_brings_the_files_of_before_and_holds_packages_still(serving: FakeHost) -> None:
    before = (serving.paths.current / "synapse/altpeter-matrix.yaml").read_bytes()
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    apply(serving.host)
    serving.forget_calls()
    assert rollback(serving.host, None).generation == 1
    assert (serving.paths.current / "synapse/altpeter-matrix.yaml").read_bytes() == before
    assert serving.actions() == ["restart matrix-synapse.service"]
    report = apply(serving.host, from_postinst=True)
    assert "brought back by `altpeter-matrix rollback`" in str(report.notices[0])
    assert serving.paths.current.readlink().name == "1"
    assert apply(serving.host).generation == 2


def test_rollback_and_status_ask_for_what_the_active_generation_was_told_to_serve(
    serving: FakeHost,
) -> None:
    asked: list[Settings] = []

    def probe(settings: Settings, **_options: object) -> list[Problem]:
        asked.append(settings)
        return []

    host = replace(serving.host, probe=probe)
    serving.settings(f"server_name: {NAME}\nwell_known: {{client: {{org.example: 1}}}}\n")
    status(host)
    apply(host)
    rollback(host, None)
    status(host)
    assert [settings.well_known.client for settings in asked] == [{}, {"org.example": 1}, {}, {}]


def test_rollback_to_a_damaged_or_missing_generation_is_refused(serving: FakeHost) -> None:
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    apply(serving.host)
    with pytest.raises(HostError, match="generation 7: is not there"):
        rollback(serving.host, 7)
    (serving.paths.generations / "1/nginx/site.conf").write_text("# mine\n")
    with pytest.raises(HostError, match="was edited by hand"):
        rollback(serving.host, 1)


def test_init_writes_settings_once_with_the_name_of_the_server(fresh: FakeHost) -> None:
    fresh.paths.settings.unlink()
    fresh.write("etc/matrix-synapse/conf.d/report_stats.yaml", "report_stats: true\n")
    assert init(fresh.paths) == NAME
    settings = read_settings(fresh.paths)
    assert (settings.server_name, settings.report_stats) == (NAME, True)
    fresh.settings(f"server_name: {NAME}\n# mine\n")
    assert init(fresh.paths, "other.example.org") is None
    assert "# mine" in fresh.paths.settings.read_text()


def test_init_on_a_server_in_use_writes_the_settings_it_serves(serving: FakeHost) -> None:
    text = f"# mine\nserver_name: {NAME}\naliases: [chat.example.org]\n"
    serving.paths.settings.write_text(text)
    apply(serving.host)
    serving.paths.settings.unlink()
    assert init(serving.paths) == NAME
    assert serving.paths.settings.read_text() == text


def test_init_takes_the_preseeded_answer(fresh: FakeHost) -> None:
    fresh.paths.settings.unlink()
    fresh.write("etc/matrix-synapse/conf.d/server_name.yaml", "server_name: \n")
    fresh.write("fake-bin/debconf-communicate", "#!/bin/sh\necho 0 preseeded.example.org\n", 0o755)
    assert init(fresh.paths) == "preseeded.example.org"


def test_init_takes_the_answer_to_our_question_only_when_synapse_has_no_name(
    fresh: FakeHost,
) -> None:
    fresh.paths.settings.unlink()
    assert init(fresh.paths, if_unknown="answer.example.org") == NAME
    fresh.paths.settings.unlink()
    (fresh.paths.synapse_conf_d / "server_name.yaml").write_text("server_name: ''\n")
    assert init(fresh.paths, if_unknown="answer.example.org") == "answer.example.org"


def test_init_without_any_usable_name_says_what_to_do(
    fresh: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.paths.settings.unlink()
    fresh.write("etc/matrix-synapse/conf.d/server_name.yaml", "server_name: \n")
    fresh.write("fake-bin/debconf-communicate", "#!/bin/sh\necho 10 no question\n", 0o755)
    monkeypatch.setattr("socket.getfqdn", lambda: "debian")
    with pytest.raises(HostError, match=r"init --server-name example\.org"):
        init(fresh.paths)
    assert not fresh.paths.settings.exists()


class Registration(http.server.BaseHTTPRequestHandler):
    """Synapse's registration API, as far as it decides whom to believe."""

    taken: set[str]
    admins: set[str]
    secret = ""

    def do_GET(self) -> None:
        self._answer(200, {"nonce": "n1"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        admin = "admin" if body["admin"] else "notadmin"
        message = "\0".join((body["nonce"], body["username"], body["password"], admin))
        mac = hmac.new(self.secret.encode(), message.encode(), hashlib.sha1).hexdigest()
        if mac != body["mac"]:
            self._answer(403, {"errcode": "M_FORBIDDEN", "error": "HMAC incorrect"})
        elif body["username"] in self.taken:
            self._answer(400, {"errcode": "M_USER_IN_USE", "error": "User ID already taken."})
        else:
            self.taken.add(body["username"])
            if body["admin"]:
                self.admins.add(body["username"])
            self._answer(200, {"user_id": f"@{body['username'].lower()}:{NAME}"})

    def _answer(self, code: int, data: dict[str, str]) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(data).encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def registration(serving: FakeHost) -> Iterator[type[Registration]]:
    """The API on a free port, which the settings name."""
    Registration.taken, Registration.admins = set(), set()
    Registration.secret = (serving.paths.secrets / "registration_shared_secret").read_text().strip()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registration) as server:
        serving.settings(f"server_name: {NAME}\nlistener: {{port: {server.server_port}}}\n")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Registration
        server.shutdown()


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


@pytest.mark.parametrize(
    ("rows", "record"),
    [
        ([["@a:b.org", 1, 0]], Record("@a:b.org", True, False)),
        ([["@a:b.org", 0, 1]], Record("@a:b.org", False, True)),
        ([], None),
        ([["@a:b.org", 0]], None),
        ([["@a:b.org", "no", 1]], None),
        ([["@a:b.org", None, 1]], None),
        ([[1, 0, 1]], None),
    ],
)
def test_a_record_counts_only_in_the_form_that_was_asked_for(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch, rows: list[Any], record: Record | None
) -> None:
    monkeypatch.setattr(user_records, "as_synapse", lambda *_: [rows])
    assert user_records.find(serving.paths, "@a:b.org") == record


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


def look(host: FakeHost) -> Status:
    return status(host.host)


def errors(found: Status) -> str:
    return "\n".join(
        str(finding.problem) for finding in found.findings if finding.severity == "error"
    )


def notices(found: Status) -> str:
    return "\n".join(
        str(finding.problem) for finding in found.findings if finding.severity == "warning"
    )


def test_status_of_a_healthy_server(serving: FakeHost) -> None:
    found = look(serving)
    # The fake openssl shows no certificate: that one error is its own.
    assert errors(found).count("\n") == 0
    assert (found.generation, found.last_apply.ok, found.pending) == (1, True, False)
    assert found.units["nginx.service"].startswith("active")
    json.dumps(found.as_json(), default=str)


def test_status_before_the_first_apply_says_so(fresh: FakeHost) -> None:
    found = look(fresh)
    assert not found.healthy
    assert "nothing was applied yet; run `altpeter-matrix apply`" in errors(found)
    assert text(found).startswith("NOT HEALTHY")


def test_status_repeats_why_the_last_apply_failed(serving: FakeHost) -> None:
    serving.settings(f"server_name: {NAME}\npresense: false\n")
    with pytest.raises(MatrixConfigError):
        apply(serving.host)
    assert "did you mean presence?" in errors(look(serving))


def test_status_sees_a_pending_change(serving: FakeHost) -> None:
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    found = look(serving)
    assert found.pending
    assert "see `altpeter-matrix diff`" in notices(found)


def test_status_sees_edits_deleted_links_and_stopped_services(serving: FakeHost) -> None:
    (serving.paths.current / "nginx/site.conf").write_text("# mine\n")
    (serving.root / "etc/nginx/sites-enabled/altpeter-matrix").unlink()
    serving.unit(SYNAPSE_UNIT, "stopped on purpose")
    found = look(serving)
    assert "site.conf: was edited by hand" in errors(found)
    assert "is stopped; `systemctl start matrix-synapse.service`" in errors(found)
    assert "was deleted, so it stays away" in notices(found)


def test_status_sees_that_synapse_could_not_start_again(serving: FakeHost) -> None:
    (serving.root / "etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml").unlink()
    assert "50-altpeter-matrix.yaml: is missing; run `altpeter-matrix apply`" in errors(
        look(serving)
    )


def test_status_sees_a_lost_restart(serving: FakeHost) -> None:
    serving.paths.loaded("synapse").write_text("older\n")
    assert "runs with an older configuration" in errors(look(serving))


def test_status_sees_that_requests_would_not_wait_for_a_restart(serving: FakeHost) -> None:
    systemctl = serving.root / "fake-bin/systemctl"
    real = systemctl.rename(systemctl.with_name("systemctl.real"))
    serving.write(
        "fake-bin/systemctl",
        f'#!/bin/sh\ncase "$*" in *hold.socket) exit 3 ;; esac\nexec {real} "$@"\n',
        0o755,
    )
    assert "does not listen, so requests fail while Synapse restarts" in errors(look(serving))


def test_status_sees_what_does_not_answer(serving: FakeHost) -> None:
    problem = Problem(f"https://{NAME}:443", "answers 502", "look")
    found = status(replace(serving.host, probe=lambda *_arguments, **_options: [problem]))
    assert "answers 502" in errors(found)
