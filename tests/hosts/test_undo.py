"""A new Synapse that is wrong: the server goes back by itself, says why, and keeps it away.

On each release one clone takes all candidates, one after the other: each is undone before the next
comes. They are installed by dpkg alone, as if they had come past the check of candidates.
"""

import time

import pytest

from altpeter_matrix.base.resources import DOCUMENTS
from tests.hosts.status import status_of
from tests.hosts.upgrades import candidates
from tests.hosts.upgrades.candidates import UPSTREAM, Candidate
from tests.hosts.upgrades.gate_patient import DROP_IN, GATE, WITHIN, Patient, patient
from tests.hosts.upgrades.states import SYNAPSE

__all__ = ["patient"]


def undone(patient: Patient, candidate: Candidate) -> None:
    good = patient.until_good()
    try:
        version = patient.install(candidate)
        patient.until_installed(version)
        begun = time.monotonic()
        patient.until_serving_as(good, WITHIN + candidate.sound_for)
        print(f"Debian {patient.host.debian}, {candidate.name}: {time.monotonic() - begun:.0f} s")
        patient.assert_undone(candidate, version, good)
    finally:
        patient.host.sh(f"if [ -e {DROP_IN} ]; then rm {DROP_IN}; systemctl daemon-reload; fi")


def test_a_broken_version_is_undone(patient: Patient) -> None:
    """The short form: one candidate on each release."""
    short = {"12": candidates.ANSWERS_500, "13": candidates.DOES_NOT_START}
    undone(patient, short[patient.host.debian])


@pytest.mark.upgrades
@pytest.mark.parametrize("candidate", candidates.BROKEN, ids=str)
def test_a_broken_version_is_undone_within_two_minutes(
    patient: Patient, candidate: Candidate
) -> None:
    undone(patient, candidate)


@pytest.mark.upgrades
def test_a_version_that_limits_everybody_for_ever_is_undone(patient: Patient) -> None:
    """Ten minutes later: only then can it be no limit that somebody has set."""
    undone(patient, candidates.LIMITS_FOR_EVER)


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.upgrades)])
def test_a_long_migration_is_neither_killed_nor_undone(patient: Patient, seconds: int) -> None:
    patient.until_good()
    candidate = candidates.slow_migration(seconds)
    version = patient.install(candidate)
    patient.until_installed(version)
    patient.until(lambda: bool((patient.history()["trial"] or {}).get("migrating")), 60)
    assert "do not interrupt it" in patient.host.run("altpeter-matrix", "upgrades").stdout
    status = status_of(patient.host).stdout
    assert "migrates the database" in status
    patient.until_serving_as(version, seconds + 60)
    restarts = patient.host.run("systemctl", "show", "-P", "NRestarts", "matrix-synapse").stdout
    assert restarts.strip() == "0"
    assert patient.on_trial() == version


@pytest.mark.upgrades
def test_a_version_that_has_migrated_is_watched_like_any_other(patient: Patient) -> None:
    """It goes on from there."""
    good = patient.history()["good"]["version"]
    version = patient.installed()
    entry = patient.until_over(version, 120)
    assert entry["result"] == "passed"
    assert patient.until_good() == version
    patient.until(lambda: set(patient.kept()) == {good, version}, 30)
    assert "held back" not in status_of(patient.host).stdout


@pytest.mark.upgrades
def test_no_version_has_to_pay_for_files_of_ours_that_somebody_changed(patient: Patient) -> None:
    """Neither one that comes while the one before is still watched, nor one that was ready."""
    patient.until_good()
    first, second = (patient.upload(candidates.SOUND) for _ in range(2))
    patient.host.sh(f"dpkg --force-unsafe-io -i {first} </dev/null")
    patient.until(lambda: patient.phase() == "watching", 30)
    patient.host.run("chmod", "000", SYNAPSE)
    patient.host.sh(f"dpkg --force-unsafe-io -i {second} </dev/null")
    version = patient.installed()
    patient.until_serving_as(version, 60)
    patient.until(lambda: bool((patient.history()["trial"] or {}).get("ready")), 60)
    patient.host.run("chmod", "000", SYNAPSE)
    patient.host.run("systemctl", "kill", "--signal=KILL", "matrix-synapse")
    patient.until_serving_as(version, 120)
    assert patient.until_over(version, 150)["result"] == "passed"
    assert status_of(patient.host).stdout.startswith("healthy\n")


@pytest.mark.upgrades
def test_a_gate_that_is_killed_at_any_moment_finishes(patient: Patient) -> None:
    """kill -9 every three seconds while it watches, and again and again while it goes back."""
    good = patient.until_good()
    version = patient.install(candidates.NEVER_SAYS_READY)
    patient.until_installed(version)
    end = time.monotonic() + 45
    while time.monotonic() < end:
        patient.host.run(
            "systemctl", "kill", "--signal=KILL", "--kill-whom=main", GATE, check=False
        )
        time.sleep(3)
    patient.until(lambda: patient.phase() == "going back", 120)
    # A second later each time: systemd starts it after two, and reading the package takes some.
    for seconds in range(3, 15):
        time.sleep(seconds)
        if patient.phase() != "going back":
            break
        patient.host.run(
            "systemctl", "kill", "--signal=KILL", "--kill-whom=main", GATE, check=False
        )
    patient.until_serving_as(good, 120)
    patient.assert_undone(candidates.NEVER_SAYS_READY, version, good)
    assert patient.host.sh("test ! -e /run/altpeter-matrix/synapse-refused").returncode == 0


@pytest.mark.upgrades
@pytest.mark.parametrize("stage", ["upgrade", "status half-installed", "configure"])
def test_a_power_cut_while_it_goes_back_is_survived(patient: Patient, stage: str) -> None:
    good = patient.until_good()
    version = patient.install(candidates.DOES_NOT_START)
    patient.until_installed(version)
    log = patient.host.root / "var/log/dpkg.log"
    patient.until(lambda: patient.phase() == "going back", 120)
    seen = log.read_text().count(f"{stage} {UPSTREAM}")
    patient.until(lambda: log.read_text().count(f"{stage} {UPSTREAM}") > seen, 60)
    patient.host.kill()
    patient.host.start()
    patient.until_serving_as(good, 180)
    patient.assert_undone(candidates.DOES_NOT_START, version, good)


@pytest.mark.upgrades
def test_a_version_that_changed_the_database_for_good_stays_and_status_says_why(
    patient: Patient,
) -> None:
    good = patient.until_good()
    candidate = candidates.CHANGES_THE_DATABASE
    version = patient.install(candidate)
    patient.until_installed(version)
    entry = patient.until_over(version, WITHIN)
    assert entry["result"] == "failed"
    assert candidate.says in entry["reason"]["what"]
    assert patient.installed() == version
    status = status_of(patient.host)
    assert status.returncode == 1
    assert candidate.says in status.stdout and f"{DOCUMENTS}/undo.md" in status.stdout
    assert "is held back" not in status.stdout, "it is installed"
    # As the page says, with a smaller number standing for a backup.
    backup = (
        "update schema_compat_version set compat_version = 84;"
        " update schema_version set version = 94"
    )
    patient.host.sh(
        "systemctl stop matrix-synapse;"
        f" runuser -u postgres -- psql --quiet synapse --command='{backup}';"
        f" dpkg --install /var/lib/altpeter-matrix/packages/{UPSTREAM}_{good}.deb </dev/null;"
        " altpeter-matrix apply"
    )
    patient.until_serving_as(good, 60)
    assert patient.until_good() == good


@pytest.mark.upgrades
def test_a_version_that_is_stuck_and_recovers_is_well_also_after_many_boots(
    patient: Patient,
) -> None:
    """The last one: the database stays changed."""
    patient.until_good()
    version = patient.install(candidates.CHANGES_THE_DATABASE_AND_RECOVERS)
    patient.until_installed(version)
    assert patient.until_over(version, WITHIN)["result"] == "failed"
    for number in range(2, 6):
        patient.host.kill()
        patient.host.start()
        patient.until(lambda number=number: patient.history()["trial"]["boots"] == number, 60)  # type: ignore[misc]
    patient.host.run("touch", "/etc/matrix-synapse/recovered")
    patient.host.run("systemctl", "restart", "matrix-synapse")
    assert patient.until_good() == version
    assert status_of(patient.host).stdout.startswith("healthy\n")
