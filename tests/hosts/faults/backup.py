"""Whether there is a backup to go back to."""

from collections.abc import Mapping

from . import Made

_SETTINGS = "/etc/altpeter-matrix/settings.yaml"

MADE: Mapping[str, Made] = {
    "own-backup-old": Made(
        f"cp {_SETTINGS} /root/kept-for-backup; python3 - <<'END'\n"
        "import yaml, pathlib\n"
        f"file = pathlib.Path('{_SETTINGS}')\n"
        "settings = yaml.safe_load(file.read_text())\n"
        "settings.setdefault('updates', {})['backup'] = '/var/backups/none'\n"
        "file.write_text(yaml.safe_dump(settings))\n"
        "END\n"
        "altpeter-matrix apply",
        cure=f"cp /root/kept-for-backup {_SETTINGS}; altpeter-matrix apply",
    ),
}
NOT_MADE: Mapping[str, str] = {
    "backup-failed": "hosts/test_backup.py",
    "backup-drill-failed": "hosts/test_backup.py: a backup that cannot be restored",
    "restore-unfinished": "hosts/test_backup.py: a restore that can still be undone",
    "restore-interrupted": "hosts/test_restore.py: a restore that was killed",
}
