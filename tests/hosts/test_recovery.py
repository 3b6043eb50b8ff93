"""Back over a schema border, with the very commands that docs/ tells an administrator."""

import pytest

from tests.hosts.backups import backed_up_to, tool
from tests.hosts.pages import commands
from tests.hosts.status import status_of
from tests.hosts.upgrades import candidates
from tests.hosts.upgrades.candidates import Candidate
from tests.hosts.upgrades.gate_patient import WITHIN, Patient, patient
from tests.hosts.upgrades.packages import Repository
from tests.hosts.writers import UPLOAD, Writer, writer

__all__ = ["patient"]

pytestmark = pytest.mark.upgrades
BEFORE = "before the backup"
# Unlike one that only raises the numbers, no earlier version could serve what it leaves.
FOR_GOOD = Candidate(
    "changes the database for good",
    {
        **candidates.CHANGES_THE_DATABASE.changes,
        "storage/prepare_database.py": """
_upgrade = _upgrade_existing_database

def _upgrade_existing_database(cur, *args, **kwargs):
    cur.execute("ALTER TABLE IF EXISTS access_tokens RENAME TO access_tokens_of_before")
    _upgrade(cur, *args, **kwargs)
""",
    },
    says=candidates.CHANGES_THE_DATABASE.says,
)


@pytest.fixture(scope="module")
def backed_up(patient: Patient) -> Writer:
    backed_up_to(patient.server)
    found = writer(patient.server)
    found.send(BEFORE)
    tool(patient.host, "backup", "now")
    found.send("after the backup")
    return found


def assert_only_held_back(patient: Patient) -> None:
    """Nothing is wrong but that a version is held back, which is loud on purpose."""
    status = status_of(patient.host).stdout
    wrong = [line for line in status.splitlines() if line.startswith("error:")]
    assert len(wrong) == 1 and "is held back" in wrong[0], status


def test_a_version_that_changed_the_database_for_good_is_undone_by_the_backup(
    patient: Patient, backed_up: Writer
) -> None:
    good = patient.until_good()
    version = patient.install(FOR_GOOD)
    patient.until_installed(version)
    entry = patient.until_over(version, WITHIN)
    assert entry["result"] == "failed" and patient.installed() == version, entry
    tables = "select count(*) from pg_tables where tablename = 'access_tokens'"
    left = patient.host.run("runuser", "-u", "postgres", "--", "psql", "-Atc", tables, "synapse")
    assert left.stdout == "0\n"
    status = status_of(patient.host).stdout
    assert FOR_GOOD.says in status and "/altpeter-matrix-config/undo.md" in status
    told = commands("undo.md", "When it cannot go back")
    assert told.count("_OLD.deb") == 1
    assert good in patient.host.sh(told.replace("_OLD.deb", f"_{good}.deb")).stdout
    patient.until_serving_as(good, 60)
    assert backed_up.reads() == [BEFORE]
    backed_up.send("after the restore")
    assert backed_up.reads() == [BEFORE, "after the restore"]
    assert backed_up.downloads() == UPLOAD
    assert backed_up.account.login()
    assert patient.until_good() == good
    assert_only_held_back(patient)
    (bad,) = (patient.host.root / "root").glob(f"{candidates.UPSTREAM}_{version}_*.deb")
    Repository(patient.lab, patient.host).publish([bad])
    again = f"Inst {candidates.UPSTREAM} "
    assert again not in patient.host.sh("apt-get -s upgrade").stdout
    unpinned = patient.host.sh("apt-get -s -o Dir::Etc::PreferencesParts=$(mktemp -d) upgrade")
    assert again in unpinned.stdout, "the pin is what keeps it away"
