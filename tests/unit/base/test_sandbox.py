"""What the code of a Synapse that is not installed may do, see and answer."""

import json
import os
import stat
from pathlib import Path

import pytest
import yaml

from altpeter_matrix.apt.candidates import Candidate
from altpeter_matrix.base import sandbox
from altpeter_matrix.base.commands import Result
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.upgrade import candidate_answers, candidate_code, in_candidate, stand_ins

from ..fake_host import FakeHost
from ..host_fixtures import fresh, serving
from ..upgrade.test_preflight import candidate

__all__ = ["fresh", "serving"]

DROP_IN = (
    Path(__file__).parents[3] / "files/systemd/matrix-synapse.service.d/50-altpeter-matrix.conf"
)
DATABASE = {
    "version": 150004,
    "answers": [["SHOW SERVER_ENCODING", [["UTF8"]]], ["SELECT datcollate  FROM x;", [["C"]]]],
    "options": {},
}


def test_what_synapses_unit_forbids_is_forbidden_here() -> None:
    """All of it: a line that is added there is added here."""
    text = DROP_IN.read_text()
    found = sandbox.hardening(text)
    assert "NoNewPrivileges=yes" in found and "SystemCallFilter=@system-service" in found
    security = text.partition("# What Synapse never needs.")[2].splitlines()
    lines = {line for line in security if "=" in line and not line.startswith("#")}
    replaced = {line for line in lines if line.startswith(("ProtectSystem", "RestrictAddress"))}
    assert set(found) == lines - replaced
    assert len(replaced) == 2


def test_where_systemd_is_not_nothing_is_run(tmp_path: Path) -> None:
    with sandbox.empty_root(Paths(tmp_path)) as root, pytest.raises(sandbox.NotConfined):
        sandbox.ask(Paths(tmp_path), "true", root=root)
    assert list((tmp_path / "run/altpeter-matrix").iterdir()) == []


@pytest.fixture
def booted(serving: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host with systemd, whose systemd-run starts the program as it is."""
    serving.paths.systemd_running.mkdir(parents=True, exist_ok=True)
    serving.write(str(serving.paths.synapse_drop_in.relative_to(serving.root)), DROP_IN.read_text())
    serving.write(
        "fake-bin/systemd-run",
        '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n',
        0o755,
    )
    return serving


def ask(host: FakeHost, script: str, *, seconds: int = 60) -> Result:
    with sandbox.empty_root(host.paths) as root:
        return sandbox.ask(host.paths, "sh", "-c", script, root=root, text="in", seconds=seconds)


def test_a_program_gets_its_input_and_says_its_output(booted: FakeHost) -> None:
    result = ask(booted, "cat; echo wrong >&2; exit 3")
    assert (result.stdout, result.stderr, result.returncode) == ("in", "wrong", 3)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("yes | head -c 2000000", "more than a megabyte"),
        ("yes | head -c 2000000 >&2", "more than a megabyte"),
        ("exit 1", "was killed"),
        ("sleep 1.2", "did not end within 1 s"),
    ],
)
def test_what_goes_beyond_its_bounds_is_told(booted: FakeHost, script: str, says: str) -> None:
    with pytest.raises(HostError) as refused:
        ask(booted, script, seconds=1 if "sleep" in script else 60)
    assert says in str(refused.value)
    assert not isinstance(refused.value, sandbox.NotConfined)


@pytest.mark.parametrize("script", ["exit 226", "echo Failed to start transient >&2; exit 1"])
def test_what_systemd_cannot_set_up_is_told_apart(booted: FakeHost, script: str) -> None:
    with pytest.raises(sandbox.NotConfined):
        ask(booted, script)


def configured(host: FakeHost, text: str) -> tuple[Path, dict[str, object]]:
    """The root with stand-ins, and what the file with these options has become there."""
    host.write("etc/matrix-synapse/conf.d/60-x.yaml", text)
    root = host.root / "sandbox"
    root.mkdir()
    stand_ins.configuration(host.paths, root, host.paths.current.resolve())
    return root, yaml.safe_load((root / "etc/matrix-synapse/conf.d/60-x.yaml").read_text())


def test_secrets_have_stand_ins_of_their_kind(serving: FakeHost) -> None:
    _, seen = configured(
        serving,
        """
database: {name: psycopg2, args: {user: a, password: "Pa55word!"}}
turn_shared_secret: abcdefgh
refreshable_access_token_lifetime: 100000m
oidc_providers: [{client_secret: hush-hush, token_endpoint: "https://a.test/"}]
signing_key: "ed25519 a_real c2VjcmV0"
recaptcha_private_key: abcdefgh
""",
    )
    text = json.dumps(seen)
    assert not any(one in text for one in ("Pa55word", "abcdefgh", "hush", "a_real", "c2VjcmV0"))
    assert "100000m" in text and "https://a.test/" in text
    assert len(str(seen["turn_shared_secret"])) == 8
    assert seen["turn_shared_secret"] == seen["recaptcha_private_key"]
    assert str(seen["signing_key"]).startswith("ed25519 a_stand ")


def test_files_that_options_name_lie_at_their_places(serving: FakeHost) -> None:
    serving.write("srv/bridge.yaml", "as_token: abc123\nhs_token: def456\nid: bridge\n")
    serving.write("srv/secret", "s3cret\n")
    serving.write("srv/mails/a.html", "Hello")
    serving.write("srv/media/photo", "private")
    serving.write("srv/closed", "for root\n", 0o600)
    root, _ = configured(
        serving,
        """
app_service_config_files: [/srv/bridge.yaml]
form_secret_path: /srv/secret
email: {template_dir: /srv/mails}
media_store_path: /srv/media
saml2_config: {config_path: /srv/missing, other_path: /srv/closed}
""",
    )
    bridge = yaml.safe_load((root / "srv/bridge.yaml").read_text())
    assert bridge["id"] == "bridge" and bridge["as_token"] not in {"abc123", bridge["hs_token"]}
    assert (root / "srv/secret").read_text() not in {"s3cret", "s3cret\n", ""}
    assert (root / "srv/mails/a.html").read_text() == "Hello"
    assert list((root / "srv/media").iterdir()) == []
    assert not (root / "srv/closed").exists(), "Synapse itself could not read it"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}
    assert modes == {0o755, 0o444}


def test_a_fifo_or_a_huge_file_stops_nobody(serving: FakeHost) -> None:
    (serving.root / "srv").mkdir()
    os.mkfifo(serving.root / "srv/fifo", 0o644)
    serving.write("srv/huge", "x" * (1024**2 + 1))
    root, _ = configured(serving, "form_secret_path: /srv/fifo\nlog_config: /srv/huge\n")
    assert not (root / "srv/fifo").exists() and not (root / "srv/huge").exists()


def test_the_packages_own_database_test_gets_answers_and_no_connection() -> None:
    recorded = in_candidate.Recorded(DATABASE)
    assert recorded.server_version == 150004
    with recorded.cursor() as cursor:
        cursor.execute("show  server_encoding;")
        assert cursor.fetchall() == [("UTF8",)]
        cursor.execute("select datcollate from x")
        assert cursor.fetchone() == ("C",)
        assert cursor.fetchone() is None
        with pytest.raises(in_candidate.Unknown):
            cursor.execute("DROP TABLE users")


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "{}", '{"python": 3}', "[" * 100_000, '{"schema": ' + "9" * 5000 + "}"],
    ids=["empty", "text", "list", "nothing", "number", "deep", "long"],
)
def test_what_is_no_answer_is_none(text: str) -> None:
    assert candidate_answers.read(text) is None


def test_answers_are_of_their_kind_or_are_left_out() -> None:
    said = {
        "python": "3.13\x1b]0;owned\x07",
        "schema": "94",
        "compat": True,
        "python_is_enough": 0,
        "dependencies_error": "a\nb" + "c" * 5000,
        "database_size": 1,
    }
    answers = candidate_answers.read(json.dumps(said))
    assert answers is not None
    assert set(answers) == {"python", "dependencies_error"}
    assert answers["python"] == "3.13 ]0;owned "
    assert answers["dependencies_error"].startswith("a bc")
    assert len(answers["dependencies_error"]) == 1000


def test_the_numbers_of_the_database_are_not_the_candidates(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"database": DATABASE, "database_compat": 84}
    said = {"python": "3.13", "compat": 84, "database_compat": 1}
    asked: list[str] = []

    def answer(*_argv: object, text: str, **_options: object) -> Result:
        asked.append(text)
        return Result((), 0, json.dumps(said), "")

    monkeypatch.setattr(candidate_code, "_database_facts", lambda *_: dict(found))
    monkeypatch.setattr(sandbox, "ask", answer)
    one: Candidate = candidate(serving.root)
    answers = candidate_code.ask(serving.paths, one, {})
    assert answers["database_compat"] == 84
    assert json.loads(asked[0]) == {"database": DATABASE}
