"""Synapse's secrets: made once, for Synapse alone; and the mail password, which a person writes."""

import os

import pytest

from altpeter_matrix.apply.prepared import read_settings
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import HostError, MatrixConfigError
from altpeter_matrix.synapse.secrets_store import smtp_password

from ..active_files import MAIL, settings
from ..fake_host import FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]


def test_secrets_are_made_once(serving: FakeHost) -> None:
    before = {path.name: path.read_text() for path in serving.paths.secrets.iterdir()}
    settings(serving, "presence: false\n")
    apply(serving.host)
    assert {path.name: path.read_text() for path in serving.paths.secrets.iterdir()} == before
    assert {path.stat().st_mode & 0o777 for path in serving.paths.secrets.iterdir()} == {0o640}


def test_secrets_are_not_for_the_group_that_all_daemons_share(fresh: FakeHost) -> None:
    """Debian's own package leaves Synapse's user in nogroup."""
    fresh.write("etc/passwd", "matrix-synapse:x:100:65534::/:\n")
    fresh.write("etc/group", "nogroup:x:65534:\n")
    apply(fresh.host)
    assert (
        f"matrix-synapse:x:{os.getgid()}:matrix-synapse" in (fresh.root / "etc/group").read_text()
    )
    assert {path.stat().st_gid for path in fresh.paths.secrets.iterdir()} == {os.getgid()}
    assert apply(fresh.host).done == ()
    assert len(fresh.calls("groupadd")) == len(fresh.calls("usermod")) == 1


def test_an_empty_secret_is_refused_not_replaced(serving: FakeHost) -> None:
    """A new macaroon key would log everybody out."""
    (serving.paths.secrets / "macaroon_secret_key").write_text("")
    with pytest.raises(HostError, match="macaroon_secret_key: is empty"):
        apply(serving.host)


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


def test_a_changed_mail_password_is_noticed(serving: FakeHost) -> None:
    password = serving.write("etc/altpeter-matrix/secrets/smtp_password", "hunter2\n", 0o600)
    serving.settings(MAIL)
    apply(serving.host)
    password.write_text("correct horse\n")
    assert "restarted matrix-synapse" in apply(serving.host).done
