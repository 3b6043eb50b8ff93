"""Who can read what is secret."""

import os
from pathlib import Path

import pytest

from altpeter_matrix.status.checks import permissions

from .given import Given


@pytest.fixture
def host(tmp_path: Path) -> Given:
    etc = tmp_path / "etc"
    secrets = etc / "altpeter-matrix/secrets"
    secrets.mkdir(parents=True)
    (etc / "group").write_text(f"matrix-synapse:x:{os.getegid()}:\n")
    (etc / "passwd").write_text(f"matrix-synapse:x:1234:{os.getegid()}::/:/bin/false\n")
    for name, mode in (("macaroon_secret_key", 0o640), ("smtp_password", 0o600)):
        (secrets / name).write_text("x")
        (secrets / name).chmod(mode)
    secrets.chmod(0o750)
    (etc / "altpeter-matrix/settings.yaml").write_text("turn_shared_secret: x\n")
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory != Path("/"):
            directory.chmod(0o755)
    return Given({}, tmp_path)


def ids(look: object, host: Given) -> list[str]:
    return [one.id for one in look(host)]  # type: ignore[operator]


def test_what_is_right(host: Given) -> None:
    assert ids(permissions.secrets, host) == []


def test_modes_of_secrets(host: Given) -> None:
    (host.paths.secrets / "macaroon_secret_key").chmod(0o644)
    (host.paths.secrets / "smtp_password").chmod(0o604)
    host.paths.secrets.chmod(0o755)
    assert ids(permissions.secrets, host) == [
        "secrets-directory-open", "secret-readable", "secret-readable",
    ]  # fmt: skip
    modes = [dict(one.values).get("mode") for one in permissions.secrets(host)]
    assert modes == [None, "640", "640"]


def test_settings_with_a_secret(host: Given) -> None:
    host.paths.settings.chmod(0o644)
    reachable = permissions.open_to_all(host.paths.settings)
    assert ids(permissions.written, host) == ["setting-readable"] * reachable
    host.paths.settings.chmod(0o640)
    assert ids(permissions.written, host) == []


def test_a_closed_way_closes_what_is_behind_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "key").write_text("x")
    (closed / "key").chmod(0o644)
    (tmp_path / "link").symlink_to(closed / "key")
    assert not permissions.open_to_all(tmp_path / "link")
    assert not permissions.open_to_all(tmp_path / "missing")


def test_what_others_can_change(host: Given) -> None:
    assert ids(permissions.believed, host) == []
    host.paths.settings.chmod(0o664)
    assert ids(permissions.believed, host) == ["configuration-writable"]
