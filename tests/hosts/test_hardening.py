"""The services run with few rights, and still work."""

import re

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.probes import assert_healthy


@pytest.mark.parametrize(("unit", "limit"), [("matrix-synapse", 2.0), ("nginx", 5.0)])
def test_systemd_rates_the_exposure_low(deployment: Deployment, unit: str, limit: float) -> None:
    report = deployment.host.run("systemd-analyze", "security", "--no-pager", f"{unit}.service")
    exposure = re.search(r"Overall exposure level for \S+: (\d+\.\d)", report.stdout)
    assert exposure is not None, report.stdout
    assert float(exposure[1]) <= limit, report.stdout


def test_both_work_after_a_restart(deployment: Deployment) -> None:
    deployment.host.run("systemctl", "restart", "nginx", "matrix-synapse")
    assert_healthy(deployment)


def test_the_journal_has_no_complaint_about_missing_rights(deployment: Deployment) -> None:
    journal = deployment.host.run(
        "journalctl", "-b", "-u", "nginx", "-u", "matrix-synapse", "--no-pager"
    ).stdout
    denied = ("Permission denied", "Operation not permitted", "Read-only file system")
    assert [line for line in journal.splitlines() if any(word in line for word in denied)] == []


def test_the_log_goes_to_the_journal(deployment: Deployment) -> None:
    journal = deployment.host.run("journalctl", "-b", "-u", "matrix-synapse", "--no-pager").stdout
    assert "synapse" in journal.lower()
    files = deployment.host.sh("find /var/log/matrix-synapse -type f -size +0 || true").stdout
    assert files == ""


def test_settings_are_checked_also_where_root_has_temporary_files_of_its_own(
    deployment: Deployment,
) -> None:
    """As with libpam-tmpdir: Synapse, which is asked, cannot enter root's TMPDIR."""
    deployment.host.run("env", "TMPDIR=/root", "altpeter-matrix", "check")
