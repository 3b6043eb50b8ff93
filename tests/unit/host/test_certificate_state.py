"""Certificates as they are on disk."""

from pathlib import Path

import pytest

from altpeter_matrix.base.commands import Result, run
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.host import certificate_state


@pytest.fixture
def file(tmp_path: Path) -> Path:
    run(
        "openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-subj", "/CN=x", "-addext",
        "subjectAltName=DNS:example.org,DNS:a.test", "-days", "10",
        "-keyout", tmp_path / "key", "-out", tmp_path / "pem",
    )  # fmt: skip
    return tmp_path / "pem"


def test_a_certificate(file: Path) -> None:
    state = certificate_state.on_disk(file)
    assert state is not None
    assert state.names == ("example.org", "a.test")
    assert state.days_left == 9


@pytest.mark.parametrize("text", ["", "no certificate", "-----END CERTIFICATE-----", "ü"])
def test_no_certificate(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    assert certificate_state.on_disk(file) is None
    assert certificate_state.on_disk(file.parent / "none") is None


def test_what_nobody_could_say_is_not_taken_for_none(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else `status` would say on a busy host that there is no certificate."""

    def hangs(*_words: object, **_options: object) -> Result:
        raise HostError(Problem("openssl", "did not end within 5 s", "look at the load"))

    monkeypatch.setattr(certificate_state, "run", hangs)
    with pytest.raises(HostError, match="did not end"):
        certificate_state.on_disk(file)
