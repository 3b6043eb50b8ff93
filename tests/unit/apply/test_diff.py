"""`altpeter-matrix diff`: what apply would change, without a secret."""

from altpeter_matrix.apply.diff import diff
from altpeter_matrix.apply.transaction import apply

from ..active_files import MAIL
from ..fake_host import NAME, FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


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
