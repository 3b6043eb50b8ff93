"""The services run with few rights, and still work."""

import re

from tests.hosts.deployments import Deployment
from tests.hosts.probes import assert_healthy

UNIT = re.compile(r".*/systemd/system/([^/]+)\.service(?:\.d/50-altpeter-matrix\.conf)?")
# Of 10. What may have more than 3 says why in its own file.
LIMIT = 3.0
LIMITS = {
    "altpeter-matrix-gate": 6.0,
    "altpeter-matrix-hold": 1.0,
    "altpeter-matrix-watch": 3.4,
    "matrix-synapse": 1.3,
    "nginx": 3.2,
}


def test_systemd_rates_the_exposure_of_every_unit_of_ours_low(deployment: Deployment) -> None:
    """Those that we ship, and those of others that have a drop-in of ours."""
    listed = deployment.host.run("dpkg-query", "-L", "altpeter-matrix-config").stdout.split()
    ours = {found[1]: found[0] for one in listed if (found := UNIT.fullmatch(one))}
    assert set(LIMITS) <= set(ours)
    for unit, file in ours.items():
        report = deployment.host.run("systemd-analyze", "security", "--no-pager", f"{unit}.service")
        exposure = re.search(r"Overall exposure level for \S+: (\d+\.\d)", report.stdout)
        assert exposure is not None, report.stdout
        print(f"Debian {deployment.host.debian}, {unit}: {exposure[1]}")
        assert float(exposure[1]) <= LIMITS.get(unit, LIMIT), report.stdout
        if float(exposure[1]) > LIMIT:
            assert "systemd-analyze rates" in deployment.host.read(file), f"{file}: no reason"


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
