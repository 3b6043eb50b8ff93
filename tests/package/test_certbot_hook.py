"""The hook that certbot runs after a renewal, with programs that only note how they were called."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.package.builds import TOP

HOOK = TOP / "files/certbot/certbot-deploy-hook"
PROGRAMS = ("altpeter-matrix", "logger", "nginx", "systemctl")
FAKE = """#!/bin/sh
echo "{name} $*" >> "{calls}"
case " {failing} " in
*" {name} "*) echo "no {name} today" >&2; exit 1 ;;
esac
if [ "{name} $1" = "systemctl is-active" ]; then echo {nginx_state}; fi
"""


@dataclass(frozen=True)
class Renewal:
    status: int
    calls: Sequence[str]

    @property
    def journal(self) -> str:
        return "\n".join(call for call in self.calls if call.startswith("logger "))


def renew(tmp_path: Path, *failing: str, nginx_state: str = "active") -> Renewal:
    programs, calls = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    for name in PROGRAMS:
        text = FAKE.format(
            name=name, calls=calls, failing=" ".join(failing), nginx_state=nginx_state
        )
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    done = subprocess.run(
        [HOOK],
        check=False,
        capture_output=True,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "RENEWED_DOMAINS": "matrix.example.org"},
        timeout=30,
    )
    return Renewal(done.returncode, calls.read_text().splitlines())


@pytest.mark.parametrize("state", ["active", "reloading"])
def test_a_renewed_certificate_is_loaded(tmp_path: Path, state: str) -> None:
    renewal = renew(tmp_path, nginx_state=state)
    assert renewal.status == 0
    assert "systemctl reload nginx.service" in renewal.calls
    assert "daemon.info -- certificate of matrix.example.org renewed" in renewal.journal


def test_a_refused_setting_does_not_let_the_certificate_expire(tmp_path: Path) -> None:
    renewal = renew(tmp_path, "altpeter-matrix")
    assert renewal.status == 0
    assert "systemctl reload nginx.service" in renewal.calls
    assert "daemon.warning" in renewal.journal
    assert "no altpeter-matrix today" in renewal.journal


def test_a_configuration_that_nginx_rejects_is_told_to_the_journal(tmp_path: Path) -> None:
    renewal = renew(tmp_path, "nginx")
    assert renewal.status == 1
    assert "systemctl reload nginx.service" not in renewal.calls
    assert "daemon.err" in renewal.journal
    assert "no nginx today" in renewal.journal


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_a_stopped_nginx_is_not_started(tmp_path: Path, state: str) -> None:
    renewal = renew(tmp_path, nginx_state=state)
    assert renewal.status == 0
    called = [call for call in renewal.calls if call.startswith("systemctl")]
    assert called == ["systemctl is-active nginx.service"]


def test_a_journal_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    renewal = renew(tmp_path, "logger")
    assert "systemctl reload nginx.service" in renewal.calls
