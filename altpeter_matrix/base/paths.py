"""Where everything is on a host. `root` is another directory in tests and in image builds."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# In a generation: our own file of Synapse's configuration.
SYNAPSE_OPTIONS = PurePosixPath("synapse/altpeter-matrix.yaml")


@dataclass(frozen=True)
class Paths:
    """All paths that the host tool reads or writes."""

    root: Path = Path("/")

    def on_host(self, path: str | Path) -> Path:
        """The place of an absolute path of the host under this root."""
        return self.root / str(path).lstrip("/")

    # What the administrator edits.
    @property
    def configuration(self) -> Path:
        return self.root / "etc/altpeter-matrix"

    @property
    def settings(self) -> Path:
        return self.configuration / "settings.yaml"

    @property
    def synapse_additions(self) -> Path:
        return self.configuration / "synapse.d"

    @property
    def nginx_additions(self) -> Path:
        return self.configuration / "nginx.d"

    @property
    def secrets(self) -> Path:
        return self.configuration / "secrets"

    # What this tool owns.
    @property
    def state(self) -> Path:
        return self.root / "var/lib/altpeter-matrix"

    @property
    def generations(self) -> Path:
        return self.state / "generations"

    @property
    def current(self) -> Path:
        return self.state / "current"

    @property
    def links_manifest(self) -> Path:
        return self.state / "links.json"

    @property
    def adopted(self) -> Path:
        """What adoptions of a hand-made server replaced."""
        return self.state / "adopted"

    @property
    def move_from_sqlite(self) -> Path:
        """While it exists, a move of the database is under way, or was killed."""
        return self.state / "move-from-sqlite"

    @property
    def placeholder(self) -> Path:
        return self.state / "placeholder"

    @property
    def acme_webroot(self) -> Path:
        return self.state / "acme"

    @property
    def replaced(self) -> Path:
        return self.state / "replaced"

    @property
    def outcome(self) -> Path:
        return self.state / "status.json"

    @property
    def deployed(self) -> Path:
        """What only the deploy needs, and makes."""
        return self.state / "deploy"

    @property
    def database_record(self) -> Path:
        """Which database holds this server."""
        return self.state / "database.json"

    @property
    def database_move(self) -> Path:
        return self.state / "database-upgrade.json"

    @property
    def database_rehearsal(self) -> Path:
        return self.state / "database-rehearsal.json"

    @property
    def database_standstill(self) -> Path:
        """While it exists, Synapse does not start (a condition of its unit)."""
        return self.state / "database-standstill"

    @property
    def cluster_options_trial(self) -> Path:
        """What PostgreSQL's options were, while it has not started with new ones yet."""
        return self.state / "postgresql-options.json"

    @property
    def backup_state(self) -> Path:
        """What became of the last backup and of the last drill (host/backup_record.py)."""
        return self.state / "backup.json"

    @property
    def backup_manifest(self) -> Path:
        """What a backup says of itself; it is in the backup."""
        return self.state / "backup-manifest.json"

    @property
    def backup_known_hosts(self) -> Path:
        """The host key of the machine that backups go to."""
        return self.state / "backup-known-hosts"

    @property
    def backup_cache(self) -> Path:
        """restic's; whatever is lost there is fetched again."""
        return self.root / "var/cache/altpeter-matrix/restic"

    @property
    def point_in_time(self) -> Path:
        """What pgBackRest needs: PostgreSQL's user finds it there."""
        return self.state / "point-in-time"

    @property
    def archive_state(self) -> Path:
        """What became of pgBackRest's last backup (host/archive_record.py)."""
        return self.state / "archive.json"

    @property
    def restore_journal(self) -> Path:
        return self.state / "restore.json"

    @property
    def restore_standstill(self) -> Path:
        """While it exists, Synapse does not start (a condition of its unit)."""
        return self.state / "restore-standstill"

    @property
    def restore(self) -> Path:
        """What a restore needs beside its journal: root's alone."""
        return self.state / "restore"

    @property
    def held_back(self) -> Path:
        """Which versions of which packages are held back, and why."""
        return self.state / "held-back.json"

    @property
    def preflight_results(self) -> Path:
        """What the checks of candidates found last."""
        return self.state / "upgrade-checks.json"

    @property
    def candidate(self) -> Path:
        """Where a package that may be installed is unpacked for its check."""
        return self.state / "candidate"

    @property
    def login_message(self) -> Path:
        """What people read when they log in; /usr/lib/motd.d has a link to it."""
        return self.state / "login-message"

    @property
    def notify_record(self) -> Path:
        """Which faults were found and told, and what has to be told yet."""
        return self.state / "notify.json"

    @property
    def held_back_pin(self) -> Path:
        return self.root / "etc/apt/preferences.d/altpeter-matrix-held-back.pref"

    @property
    def key_renewal(self) -> Path:
        """What was found when the key of Synapse's repository was fetched last."""
        return self.state / "key-renewal.json"

    @property
    def upgrades(self) -> Path:
        """What became of each upgrade of Synapse."""
        return self.state / "upgrades.json"

    @property
    def kept_packages(self) -> Path:
        """The packages to go back to."""
        return self.state / "packages"

    @property
    def usage_samples(self) -> Path:
        """How full the disks were each day, and with what (usage/samples.py)."""
        return self.state / "usage-samples.jsonl"

    @property
    def reclaimed(self) -> Path:
        """What was given back, and when (usage/reclaimed.py)."""
        return self.state / "reclaimed.json"

    @property
    def canary(self) -> Path:
        """The account with which a new version of Synapse is tried."""
        return self.state / "canary.json"

    @property
    def runtime(self) -> Path:
        return self.root / "run/altpeter-matrix"

    @property
    def locks(self) -> Path:
        """Root's alone: who can open a lock can hold it."""
        return self.runtime / "locks"

    @property
    def refused(self) -> Path:
        """While it exists, Synapse does not start: its version is being undone."""
        return self.runtime / "synapse-refused"

    def loaded(self, program: str) -> Path:
        """The fingerprint of what the running `program` (synapse, nginx) has loaded."""
        return self.runtime / f"{program}.loaded"

    @property
    def nginx_main(self) -> Path:
        """What nginx.service runs with, see nginx/main_file.py."""
        return self.runtime / "nginx.conf"

    @property
    def nginx_environment(self) -> Path:
        """Tells nginx.service to do so."""
        return self.runtime / "nginx.env"

    # What others own.
    @property
    def nginx(self) -> Path:
        return self.root / "etc/nginx"

    @property
    def synapse(self) -> Path:
        return self.root / "etc/matrix-synapse"

    @property
    def synapse_conf_d(self) -> Path:
        return self.synapse / "conf.d"

    @property
    def synapse_data(self) -> Path:
        return self.root / "var/lib/matrix-synapse"

    @property
    def synapse_drop_in(self) -> Path:
        return (
            self.root
            / "usr/lib/systemd/system/matrix-synapse.service.d"
            / "50-altpeter-matrix.conf"
        )

    @property
    def letsencrypt(self) -> Path:
        return self.root / "etc/letsencrypt"

    @property
    def systemd_running(self) -> Path:
        """Exists when systemd is the init (sd_booted(3)); in a chroot it does not."""
        return self.root / "run/systemd/system"

    @property
    def package_lists(self) -> Path:
        return self.root / "var/lib/dpkg/info"


# As generated files and links name it, which are read on the host itself.
CURRENT = Paths().current
