"""The certificate, where nothing of a host is needed to judge it."""

from pathlib import Path

import pytest

from altpeter_matrix.base.commands import run
from altpeter_matrix.host import certificate_state
from altpeter_matrix.host.certificate_state import CertificateState
from altpeter_matrix.settings.model import load_settings
from altpeter_matrix.status import looks
from altpeter_matrix.status.checks import certificate

from .given import Given


@pytest.mark.parametrize(
    ("port_8448", "served", "faults"),
    [
        (True, "b", ["certificate-not-served-to-servers"]),
        (True, "a", []),
        (True, "", []),
        (False, "b", []),
    ],
)
def test_another_certificate_on_the_federation_port(
    monkeypatch: pytest.MonkeyPatch, port_8448: bool, served: str, faults: list[str]
) -> None:
    settings = load_settings(
        {"server_name": "example.org", "federation": {"port_8448": port_8448}}, source="test"
    )
    state = CertificateState(served, 60, ()) if served else None
    monkeypatch.setattr(certificate_state, "served", lambda _name, _port: state)
    given = Given({looks.settings: settings, looks.certificate: {"fingerprint": "a"}})
    assert [one.id for one in certificate.on_federation_port(given)] == faults


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """A host with a certificate of an authority that it trusts, and certbot's files."""
    made = tmp_path / "made"
    made.mkdir()
    for name, more in (("root", ["-x509"]), ("leaf", [])):
        run(
            "openssl", "req", *more, "-nodes", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-subj", f"/CN={name}", "-keyout", made / f"{name}.key",
            "-out", made / f"{name}.pem",
        )  # fmt: skip
    run(
        "openssl", "x509", "-req", "-in", made / "leaf.pem", "-CA", made / "root.pem", "-CAkey",
        made / "root.key", "-CAcreateserial", "-out", made / "signed.pem",
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(made / "root.pem"))
    settings = load_settings({"server_name": "example.org"}, source="test")
    given = Given({looks.settings: settings, looks.certificate: {"fingerprint": "a"}}, tmp_path)
    live = given.paths.letsencrypt / "live/example.org"
    for directory in (live, given.paths.letsencrypt / "renewal", tmp_path / "etc/ssl/certs"):
        directory.mkdir(parents=True)
    (tmp_path / "etc/ssl/certs/ca-certificates.crt").touch()
    (live / "fullchain.pem").write_bytes((made / "signed.pem").read_bytes())
    (live / "privkey.pem").write_bytes((made / "leaf.key").read_bytes())
    (given.paths.letsencrypt / "renewal/example.org.conf").touch()
    return given


def faults(given: Given) -> list[str]:
    asked = (certificate.trust, certificate.key, certificate.renewal)
    return [one.id for ask in asked for one in ask(given)]


def test_a_certificate_that_others_trust(host: Given) -> None:
    assert faults(host) == []


def test_one_without_those_that_it_was_signed_by(
    host: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Debian trusts has signed one that has signed it."""
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    assert faults(host) == ["certificate-chain-incomplete"]


def test_one_that_nobody_has_signed(host: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    live, made = host.paths.letsencrypt / "live/example.org", host.paths.root / "made"
    (live / "fullchain.pem").write_bytes((made / "root.pem").read_bytes())
    (live / "privkey.pem").write_bytes((made / "root.key").read_bytes())
    assert faults(host) == ["certificate-not-trusted"]


def test_another_key(host: Given) -> None:
    made = host.paths.root / "made"
    key = host.paths.letsencrypt / "live/example.org/privkey.pem"
    key.write_bytes((made / "root.key").read_bytes())
    assert faults(host) == ["certificate-key-does-not-fit"]
    key.write_text("nothing")
    assert faults(host) == ["certificate-key-does-not-fit"]


def test_one_that_certbot_does_not_know(host: Given) -> None:
    (host.paths.letsencrypt / "renewal/example.org.conf").unlink()
    assert faults(host) == ["certificate-renewal-missing"]
