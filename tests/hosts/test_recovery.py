"""A backup and the ways back from it, with the very commands that docs/ tells an administrator."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.clients.accounts import Account
from tests.hosts.deployments import run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.pages import commands
from tests.hosts.people import new_account
from tests.hosts.probes import assert_healthy, wait_until_serving
from tests.hosts.upgrades import candidates
from tests.hosts.upgrades.candidates import Candidate
from tests.hosts.upgrades.gate_patient import WITHIN, Patient, patient
from tests.hosts.upgrades.packages import SOURCE, Repository

__all__ = ["patient"]

pytestmark = pytest.mark.upgrades
API = "/_matrix/client/v3"
KEY = "/_matrix/key/v2/server"
PLACE = "/var/backups/matrix"
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


@dataclass(frozen=True)
class Writer:
    """Somebody who is logged in, with a room and an upload from before the backup."""

    account: Account
    token: str
    room: str
    media: str

    def send(self, text: str) -> str:
        """The event's ID."""
        place = f"{API}/rooms/{self.room}/send/m.room.message/{abs(hash(text))}"
        body = {"msgtype": "m.text", "body": text}
        answer = self.account.homeserver.request("PUT", place, token=self.token, body=body)
        return str(answer.expect(200).json["event_id"])

    def reads(self) -> list[str]:
        """The room's messages, the oldest first."""
        answer = self.account.homeserver.request(
            "GET", f"{API}/rooms/{self.room}/messages?dir=b&limit=50", token=self.token
        )
        events = answer.expect(200).json["chunk"]
        return [e["content"]["body"] for e in reversed(events) if e["type"] == "m.room.message"]

    def downloads(self) -> bytes:
        uri = urlsplit(self.media)
        place = f"/_matrix/client/v1/media/download/{uri.netloc}{uri.path}"
        return self.account.homeserver.request("GET", place, token=self.token).expect(200).body

    def keys(self) -> dict[str, dict[str, str]]:
        """The server's signing keys by name."""
        answer = self.account.homeserver.request("GET", KEY).expect(200).json
        found: dict[str, dict[str, str]] = answer["verify_keys"]
        return found


@pytest.fixture(scope="module")
def writer(patient: Patient) -> Writer:
    account = new_account(patient.server, "writer")
    server, token = account.homeserver, account.login()
    made = server.request("POST", f"{API}/createRoom", token=token, body={}).expect(200)
    sent = server.request(
        "POST", "/_matrix/media/v3/upload?filename=a.txt", token=token, body=b"an upload",
        headers={"Content-Type": "text/plain"},
    )  # fmt: skip
    return Writer(account, token, made.json["room_id"], sent.expect(200).json["content_uri"])


@pytest.fixture(scope="module")
def backed_up(patient: Patient, writer: Writer) -> Writer:
    writer.send("before the backup")
    patient.host.sh(commands("recovery.md", "Back up"))
    writer.send("after the backup")
    return writer


def assert_only_held_back(patient: Patient) -> None:
    """Nothing is wrong but that a version is held back, which is loud on purpose."""
    status = patient.host.run("altpeter-matrix", "status", check=False).stdout
    wrong = [line for line in status.splitlines() if line.startswith("error:")]
    assert len(wrong) == 1 and "is held back" in wrong[0], status


def test_nobody_else_reads_the_backup(patient: Patient, backed_up: Writer) -> None:
    shown = patient.host.run("find", PLACE, "-printf", "%P %m %u\\n").stdout.split("\n")
    assert sorted(line for line in shown if line) == [
        " 700 root", "files.tar.gz 644 root", "synapse.dump 644 root",
    ]  # fmt: skip
    listed = patient.host.run("tar", "--list", f"--file={PLACE}/files.tar.gz").stdout
    assert "signing.key" in listed and "etc/altpeter-matrix/settings.yaml" in listed
    refused = patient.host.run("runuser", "-u", "nobody", "--", "ls", PLACE, check=False)
    assert refused.returncode != 0


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
    status = patient.host.run("altpeter-matrix", "status", check=False).stdout
    assert FOR_GOOD.says in status and "/altpeter-matrix-config/undo.md" in status
    told = commands("undo.md", "When it cannot go back")
    assert told.count("_OLD.deb") == 1
    assert good in patient.host.sh(told.replace("_OLD.deb", f"_{good}.deb")).stdout
    patient.until_serving_as(good, 60)
    assert backed_up.reads() == ["before the backup"]
    backed_up.send("after the restore")
    assert backed_up.reads() == ["before the backup", "after the restore"]
    assert backed_up.downloads() == b"an upload"
    assert backed_up.account.login()
    assert patient.until_good() == good
    assert_only_held_back(patient)
    (bad,) = (patient.host.root / "root").glob(f"{candidates.UPSTREAM}_{version}_*.deb")
    Repository(patient.lab, patient.host).publish([bad])
    again = f"Inst {candidates.UPSTREAM} "
    assert again not in patient.host.sh("apt-get -s upgrade").stdout
    unpinned = patient.host.sh("apt-get -s -o Dir::Etc::PreferencesParts=$(mktemp -d) upgrade")
    assert again in unpinned.stdout, "the pin is what keeps it away"


def test_a_server_whose_files_are_lost_comes_back(patient: Patient, backed_up: Writer) -> None:
    keys = backed_up.keys()
    patient.host.sh(
        "systemctl stop matrix-synapse;"
        " rm -r /var/lib/matrix-synapse/* /etc/matrix-synapse/*.signing.key"
        " /etc/altpeter-matrix/settings.yaml /etc/altpeter-matrix/secrets;"
        " runuser -u postgres -- psql --quiet synapse --command='drop table events cascade'"
    )
    patient.host.sh(commands("recovery.md", "Restore"))
    wait_until_serving(patient.server)
    assert backed_up.reads() == ["before the backup"]
    assert backed_up.downloads() == b"an upload"
    assert backed_up.keys() == keys
    assert_only_held_back(patient)


def test_a_new_host_takes_over(patient: Patient, backed_up: Writer, fleet: Fleet) -> None:
    """The same one, of which everything was taken; also the offer of the bad version."""
    keys = backed_up.keys()
    patient.host.sh(
        f"rm -f {SOURCE}; DEBIAN_FRONTEND=noninteractive apt-get -qy purge altpeter-matrix-config"
        f" {candidates.UPSTREAM} </dev/null 2>&1;"
        " rm -rf /etc/matrix-synapse /etc/altpeter-matrix /var/lib/matrix-synapse"
        " /var/lib/altpeter-matrix; runuser -u postgres -- dropdb --force synapse"
    )
    run_pyinfra(fleet.inventory(patient.server), "-y")
    wait_until_serving(patient.server)
    assert backed_up.keys() != keys, "it has made its own"
    patient.host.sh(commands("recovery.md", "Restore"))
    wait_until_serving(patient.server)
    assert backed_up.reads() == ["before the backup"]
    assert backed_up.downloads() == b"an upload"
    assert backed_up.keys() == keys
    assert backed_up.account.login()
    patient.until_good()
    assert_healthy(patient.server)
