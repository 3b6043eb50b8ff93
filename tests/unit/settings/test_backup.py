"""`backup:` in the settings: where it may go, and what is refused."""

from pathlib import Path

import pytest

from altpeter_matrix.settings.backup_place import BackupPlace, parse_place

from ..samples import settings
from .refusals import GOOD, refused


@pytest.mark.parametrize(
    ("text", "kind", "user", "host"),
    [
        ("/srv/backup/matrix", "directory", "", ""),
        ("sftp:backup@nas.example.org:/srv/matrix", "sftp", "backup", "nas.example.org"),
        ("sftp:u123@u123.example.org:matrix", "sftp", "u123", "u123.example.org"),
        ("sftp:backup@[2001:db8::1]:/srv", "sftp", "backup", "2001:db8::1"),
        ("s3:https://s3.example.org/bucket/matrix", "s3", "", "s3.example.org"),
        ("s3:http://192.0.2.1:9000/bucket", "s3", "", "192.0.2.1"),
    ],
)
def test_places(text: str, kind: str, user: str, host: str) -> None:
    assert parse_place(text) == BackupPlace(kind, text, user, host)  # type: ignore[arg-type]


def test_a_place_is_enough() -> None:
    found = settings(GOOD + "backup: {to: /srv/backup}").backup
    assert found is not None
    assert (found.time, found.keep.daily, found.bandwidth) == ("03:30", 7, None)
    assert found.password_file == Path("/etc/altpeter-matrix/secrets/backup_password")
    assert settings(GOOD).backup is None


@pytest.mark.parametrize(
    ("backup", "message"),
    [
        ("{time: '03:30'}", "backup.to: is missing; add `to: sftp:backup@nas.example.org:"),
        ("/srv/backup", 'backup: "/srv/backup" is not a group of keys'),
        (
            "{to: backups}",
            '"backups" is no place for backups; write sftp:USER@HOST:/PATH, s3:',
        ),
        ("{to: /}", "is the whole disk; write a directory"),
        ("{to: /srv/backup/}", "is not a full path; write /srv/backup"),
        ("{to: 'sftp:nas.example.org:/srv'}", "is no place for backups"),
        ("{to: 'sftp:backup@nas.example.org'}", "is no place for backups"),
        ("{to: 'sftp:backup@nas_1.example.org:/srv'}", "is not a host"),
        ("{to: 'backup@nas.example.org:/srv'}", "write sftp:backup@nas.example.org:/srv"),
        ("{to: 's3:https://s3.example.org'}", "is no place for backups"),
        ("{to: 's3:s3.example.org/bucket'}", "write s3:https://s3.example.org/bucket"),
        ("{to: 'ftp://nas.example.org/srv'}", "is no place for backups"),
        ("{to: /var/lib/matrix-synapse/backup}", "is in /var/lib/matrix-synapse, where no backup"),
        ("{to: /etc}", "is in /etc, where no backup is safe"),
        ("{to: /tmp/backup}", "is in /tmp, where no backup is safe"),
        ("{to: /srv, time: '24:00'}", 'backup.time: "24:00" is not a time of the day'),
        ("{to: /srv, time: 3am}", 'is not a time of the day; write "03:30"'),
        ("{to: /srv, time: 13:30}", 'backup.time: 13:30 is not a text; write "13:30"'),
        ("{to: /srv, time: '3:30'}", "write 03:30"),
        ("{to: /srv, keep: {daily: 0}}", "backup.keep.daily: 0 is too small; write 1 or more"),
        ("{to: /srv, keep: {weekly: -1}}", "backup.keep.weekly: -1 is too small"),
        ("{to: /srv, keep: {yearly: 1}}", "backup.keep.yearly: is not a known setting"),
        ("{to: /srv, keep: 7}", "backup.keep: 7 is not a group of keys"),
        ("{to: /srv, bandwidth: fast}", 'backup.bandwidth: "fast" is not a size'),
        ("{to: /srv, bandwidth: '100'}", '"100" is too little; write 1K or more'),
        ("{to: /srv, drill: daily}", "write one of weekly, monthly, never"),
        ("{to: /srv, ssh_port: 0}", "backup.ssh_port: 0 is too small"),
        ("{to: /srv, password_file: password}", "is not a full path"),
        ("{to: /srv, password_file: /srv/password}", "is beside what it protects, in /srv"),
        ("{to: /srv, point_in_time: true}", "backup.point_in_time: true is not a text"),
        ("{to: /srv, point_in_time: 'sftp:b@n:/wal'}", "backup.point_in_time"),
        ("{to: /srv, point_in_time: /mnt/wal/}", "is not a full path; write /mnt/wal"),
        ("{to: /srv/a, point_in_time: /}", "backup.point_in_time: is the whole disk"),
        ("{to: /srv, point_in_time: /tmp/wal}", "backup.point_in_time: /tmp/wal is in /tmp"),
        (
            "{to: /srv, point_in_time: /var/lib/postgresql/wal}",
            "is in /var/lib/postgresql, where no backup is safe",
        ),
        ("{to: /srv/a, point_in_time: /srv/a}", "are in each other; write a directory beside it"),
        ("{to: /srv/a, point_in_time: /srv/a/wal}", "are in each other"),
        ("{to: /srv/a/b, point_in_time: /srv/a}", "are in each other; write a directory beside"),
        (
            "{to: 'sftp:b@n.example.org:/srv', password_file: /root/key, ssh_key_file: /root/key}",
            "backup.password_file: names the file of another secret",
        ),
    ],
)
def test_refused(backup: str, message: str) -> None:
    found = refused(f"{GOOD}backup: {backup}")
    assert any(message in one for one in found), found
