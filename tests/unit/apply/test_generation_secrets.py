"""What generations keep of secrets: nothing wider than it was, and no longer than it is of use."""

import json
import time

import pytest

from altpeter_matrix.apply import generation_secrets
from altpeter_matrix.apply.generations import RECORD, Store
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.accounts import read_accounts

from ..fake_host import NAME, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

SYNAPSE_D, NGINX_D = "etc/altpeter-matrix/synapse.d/a.yaml", "etc/altpeter-matrix/nginx.d/a.conf"


def store(host: FakeHost) -> Store:
    return Store(host.paths, read_accounts(host.root))


def addition(host: FakeHost, text: str) -> None:
    host.write(SYNAPSE_D, text, 0o600)
    apply(host.host)


def later(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time() + generation_secrets.KEPT_FOR + 60
    monkeypatch.setattr(time, "time", lambda: now)


def test_an_addition_for_nginx_is_roots_alone(serving: FakeHost) -> None:
    host = serving
    host.write(NGINX_D, "# secret\n", 0o600)
    apply(host.host)
    file = host.paths.current / "nginx/local/a.conf"
    assert file.stat().st_mode & 0o777 == 0o600


def test_hashes_of_secrets_are_roots_alone(serving: FakeHost) -> None:
    for name in (RECORD, "synapse/fingerprint", "settings.yaml"):
        assert (serving.paths.current / name).stat().st_mode & 0o777 == 0o600, name


def test_generations_that_made_a_mode_wider_are_repaired(serving: FakeHost) -> None:
    host = serving
    host.write(NGINX_D, "# secret\n", 0o600)
    apply(host.host)
    number = store(host).current_number()
    record, file = (host.paths.current / name for name in (RECORD, "nginx/local/a.conf"))
    data = json.loads(record.read_text())
    data["files"]["nginx/local/a.conf"]["mode"] = 0o644
    record.write_text(json.dumps(data))
    record.chmod(0o644)
    file.chmod(0o644)
    host.settings(f"server_name: {NAME}\nuploads: {{max_size: 20M}}\n")
    report = apply(host.host)
    assert not report.notices
    old = store(host).load(number or 0)
    assert old is not None and store(host).tampering(old) == []
    for path in (old.directory / RECORD, old.directory / "nginx/local/a.conf"):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("before", "after", "goes"),
    [
        ("turn_shared_secret: old-turn-secret\n", "turn_shared_secret: new-turn-secret\n", True),
        ("turn_shared_secret: old-turn-secret\n", "{}\n", True),
        ("x: {smtp_pass: 'old-turn-secret'}\n", "x: {smtp_pass: old-turn-other}\n", True),
        ("turn_shared_secret: the-turn-secret\n", "turn_shared_secret: the-turn-secret\na: 1\n",
         False),
        ("presence: {enabled: true}\n", "presence: {enabled: false}\n", False),
    ],
    ids=["changed", "removed", "nested", "kept", "none"],
)  # fmt: skip
def test_a_secret_that_was_removed_is_gone_after_a_day(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch, before: str, after: str, goes: bool
) -> None:
    host = serving
    addition(host, before)
    old = store(host).current_number()
    addition(host, after)
    assert old != store(host).current_number()
    assert generation_secrets.forget(store(host)) == [], "a mistyped one is to be rolled back"
    later(host, monkeypatch)
    assert (old in generation_secrets.forget(store(host))) == goes
    assert (old in store(host).numbers()) != goes
    assert store(host).current() is not None
    content = b"".join(f.read_bytes() for f in host.paths.generations.rglob("*") if f.is_file())
    assert (b"old-turn-secret" in content) == (not goes and "old" in before)


def test_a_secret_of_nginx_goes_likewise(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = serving
    host.write(NGINX_D, 'proxy_set_header Authorization "Basic b2xkOnNlY3JldA==";\n', 0o600)
    apply(host.host)
    old = store(host).current_number()
    (host.root / NGINX_D).unlink()
    apply(host.host)
    later(host, monkeypatch)
    assert generation_secrets.forget(store(host)) == [old]


def test_a_clock_that_was_set_back_removes_nothing(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    addition(serving, "turn_shared_secret: old-turn-secret\n")
    addition(serving, "{}\n")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert generation_secrets.forget(store(serving)) == []
