"""Which packages a host is to have."""

import pytest

from tasks.base.packages import KNOWN
from tasks.decide.packages import wanted

from ...samples import settings
from .hosts import bare

SERVER = "server_name: example.org\n"


@pytest.mark.parametrize(
    ("backup", "needed"),
    [
        ("", set()),
        ("backup: {to: /srv/backup}", {"restic"}),
        ("backup: {to: /srv/backup, point_in_time: /mnt/wal}", {"restic", "pgbackrest"}),
        ("backup: {to: 's3:https://s3.example.org/b'}", {"restic"}),
        ("backup: {to: 'sftp:b@nas.example.org:/srv'}", {"restic", "openssh-client"}),
    ],
)
def test_a_backup_brings_what_it_needs(backup: str, needed: set[str]) -> None:
    without = set(wanted(settings(SERVER), bare()))
    assert set(wanted(settings(SERVER + backup), bare())) - without == needed


@pytest.mark.parametrize("backup", ["/srv/backup, point_in_time: /mnt/wal", "'sftp:b@nas.org:/b'"])
def test_what_is_wanted_is_looked_for(backup: str) -> None:
    """Else each deploy would install it again."""
    host = settings(f"{SERVER}backup: {{to: {backup}}}\n")
    assert set(wanted(host, bare())) <= set(KNOWN)
