"""What the administrator wrote, and what was made of it."""

from collections.abc import Mapping

from . import Made

_SETTINGS = "/etc/altpeter-matrix/settings.yaml"
_APPLY = "altpeter-matrix apply"

MADE: Mapping[str, Made] = {
    "current-generation-missing": Made(
        "rm /var/lib/altpeter-matrix/current", beside=("no-answer", "change-pending")
    ),
    "never-applied": Made("rm /var/lib/altpeter-matrix/status.json", cure=_APPLY),
    "apply-refused": Made(
        f"cp {_SETTINGS} /root/kept; echo 'presense: true' >>{_SETTINGS}; ! altpeter-matrix apply",
        cure=f"cp /root/kept {_SETTINGS}; {_APPLY}",
        beside=("settings-refused",),
    ),
    "change-pending": Made(f"echo '# a word' >>{_SETTINGS}", cure=_APPLY),
    "settings-refused": Made(
        f"cp {_SETTINGS} /root/kept; echo 'presense: true' >>{_SETTINGS}",
        cure=f"cp /root/kept {_SETTINGS}; {_APPLY}",
        beside=("change-pending",),
    ),
    "generation-damaged": Made(
        "echo '{' >/var/lib/altpeter-matrix/current/generation.json",
    ),
    "generated-file-changed": Made(
        "echo '# mine' >>/var/lib/altpeter-matrix/current/nginx/site.conf"
    ),
    "link-deleted": Made("rm /etc/apt/preferences.d/zz-altpeter-matrix.pref"),
    "link-missing": Made(
        "rm /etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml", beside=("change-pending",)
    ),
    "link-replaced": Made(
        "cd /etc/nginx/sites-available; cp altpeter-matrix mine; mv mine altpeter-matrix"
    ),
    "synapse-file-unusable": Made(
        "mkfifo /etc/matrix-synapse/conf.d/pipe.yaml",
        cure="rm /etc/matrix-synapse/conf.d/pipe.yaml",
        beside=("change-pending",),
    ),
}
NOT_MADE: Mapping[str, str] = {
    "set-up-by-hand": "hosts/test_adoption.py: a server that was set up by hand",
    "apply-failed": "only an apply that was killed by an older version leaves no reason",
    "configuration-held": "unit/apply/test_rollback.py: after a rollback",
    "packaged-file-edited": "hosts/test_release_upgrade.py, hosts/upgrades/test_edits.py",
}
