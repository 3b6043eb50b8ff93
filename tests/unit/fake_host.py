"""A host in a directory: enough files, and small programs in the place of the real ones.

The programs keep their state in files under the root, so a killed run leaves what it would leave
on a real host. A file in <root>/broken/ makes the program of that name refuse.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from altpeter_matrix.apply.activation import Host
from altpeter_matrix.apply.services import Services
from altpeter_matrix.base.paths import Paths

NAME = "matrix.example.org"
SYNAPSE_UNIT, NGINX_UNIT = "matrix-synapse.service", "nginx.service"

# The unit tests start tens of thousands: they do without other programs wherever they can. Some are
# started with hardly any environment.
_LOG = ': "${FAKE_ROOT:=${0%/*/*}}"; export FAKE_ROOT\necho "${0##*/} $*" >>"$FAKE_ROOT/calls"\n'
_REFUSE = (
    'if [ -e "$FAKE_ROOT/broken/{name}" ]; then cat "$FAKE_ROOT/broken/{name}" >&2; exit 1; fi\n'
)

_PROGRAMS = {
    "nginx": """
case "$1" in
    -v) echo "nginx version: nginx/1.22.1" >&2 ;;
    *) if grep -Rqs syntax-error "${4%/*}/sites-enabled/"; then
           echo 'nginx: [emerg] unknown directive "syntax-error" in site:1' >&2; exit 1; fi ;;
esac
""",
    "openssl": """
case "$1" in
    version) echo "OpenSSL 3.0.20 7 Apr 2026" ;;
    req) while [ $# -gt 0 ]; do
            case "$1" in -keyout | -out) echo "pair" >"$2"; shift ;; esac; shift; done ;;
    *) echo pair ;;
esac
""",
    "systemctl": """
case "$1" in
    show) for unit in matrix-synapse.service nginx.service; do
            printf 'Id=%s\\nLoadState=loaded\\nUnitFileState=enabled\\nResult=success\\n' "$unit"
            printf 'NeedDaemonReload=no\\nSubState=x\\n'
            while read -r line; do echo "$line"; done <"$FAKE_ROOT/units/$unit"; echo
        done ;;
    is-active)
        case "$3" in *-hold.service) exit 3 ;; esac
        [ ! -e "$FAKE_ROOT/hold-is-down" ] ;;
    start | restart | reload)
        case "$2" in *.socket | *.timer | *.path) rm -f "$FAKE_ROOT/hold-is-down"; exit ;; esac
        if [ -e "$FAKE_ROOT/power-cut-before/$1" ]; then kill -9 "$PPID"; exit 1; fi
        program=nginx; [ "$2" = nginx.service ] || program=synapse
        cp "$FAKE_ROOT/var/lib/altpeter-matrix/current/$program/fingerprint" \\
            "$FAKE_ROOT/run/altpeter-matrix/$program.loaded"
        printf 'ActiveState=active\\nConditionResult=yes\\nConditionTimestampMonotonic=7\\n' \\
            >"$FAKE_ROOT/units/$2" ;;
esac
""",
    "runuser": """
shift 3
# The client of PostgreSQL is one of our own programs, and has no name on this host.
case "$*" in *"exec(json.loads"*) exec "$(dirname "$0")/postgresql" ;; *) exec "$@" ;; esac
""",
    "postgresql": """
read -r client; read -r request
answer() { printf '{"answers": [[%s]]}' "$1"; }
case "$request" in
    *pg_roles*) [ ! -e "$FAKE_ROOT/cluster/role" ] && answer || answer '[1]' ;;
    *to_regclass*) [ ! -e "$FAKE_ROOT/cluster/users" ] && answer '[false]' || answer '[true]' ;;
    *) for name in "$FAKE_ROOT"/cluster/database-*; do
        case "$request" in *"[\\"${name##*database-}\\"]"*) read -r row <"$name" ;; esac
    done
    answer "$row" ;;
esac
""",
    "createuser": 'touch "$FAKE_ROOT/cluster/role"\n',
    "createdb": """
for name; do :; done
echo '["UTF8", "C", "C", "matrix-synapse", ""]' >"$FAKE_ROOT/cluster/database-$name"
""",
    "groupadd": 'echo "$2:x:$(id -g):" >>"$FAKE_ROOT/etc/group"\n',
    "usermod": 'sed -i "s/^$3:.*/&$4/" "$FAKE_ROOT/etc/group"\n',
    "dpkg-query": 'echo "1.163.2"\n',
    "dpkg": "",
    "debconf-communicate": 'cat >/dev/null; echo "0 value set"\n',
    "journalctl": "",
}

_SYNAPSE_PYTHON = """
case "$*" in
    *--generate-keys*) echo key >"$FAKE_ROOT/etc/matrix-synapse/homeserver.signing.key" ;;
esac
"""

_STOPPED = "ActiveState=inactive\nConditionResult=no\nConditionTimestampMonotonic=7\n"
_RUNNING = "ActiveState=active\nConditionResult=yes\nConditionTimestampMonotonic=7\n"
_STOPPED_ON_PURPOSE = "ActiveState=inactive\nConditionResult=yes\nConditionTimestampMonotonic=7\n"


@dataclass(frozen=True)
class FakeHost:
    """A freshly installed host: nginx runs, Synapse waits for the first generation."""

    root: Path

    @property
    def paths(self) -> Paths:
        return Paths(self.root)

    @property
    def host(self) -> Host:
        """What apply works on; the probe finds everything well."""
        return Host(self.paths, Services(self.paths), lambda *_args, **_options: [])

    @property
    def environment(self) -> dict[str, str]:
        # A killed process leaves its scratch directories.
        scratch = self.root / "tmp"
        scratch.mkdir(exist_ok=True)
        return {
            **os.environ,
            "PATH": f"{self.root / 'fake-bin'}:{os.environ['PATH']}",
            "FAKE_ROOT": str(self.root),
            "TMPDIR": str(scratch),
        }

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have what is started find this host's programs."""
        for name in ("PATH", "FAKE_ROOT"):
            monkeypatch.setenv(name, self.environment[name])

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)
        return target

    def settings(self, text: str) -> None:
        self.write("etc/altpeter-matrix/settings.yaml", text)

    def break_program(self, name: str, output: str) -> None:
        self.write(f"broken/{name}", f"{output}\n")

    def calls(self, program: str) -> list[str]:
        """The arguments of each call of a program so far."""
        lines = (self.root / "calls").read_text(encoding="utf-8").splitlines()
        return [line.partition(" ")[2] for line in lines if line.split()[0] == program]

    def forget_calls(self) -> None:
        self.write("calls", "")

    def actions(self) -> list[str]:
        """What systemd was told to do with the services."""
        looks = ("show", "is-active")
        return [call for call in self.calls("systemctl") if not call.startswith(looks)]

    def unit(self, unit: str, state: str) -> None:
        states = {
            "running": _RUNNING, "waiting": _STOPPED, "stopped on purpose": _STOPPED_ON_PURPOSE,
        }  # fmt: skip
        self.write(f"units/{unit}", states[state])

    def copy(self, root: Path) -> "FakeHost":
        shutil.copytree(self.root, root, symlinks=True)
        return FakeHost(root)


def make(root: Path, settings: str = f"server_name: {NAME}\n") -> FakeHost:
    host = FakeHost(root)
    host.write("etc/passwd", f"root:x:0:0::/root:\nmatrix-synapse:x:100:{os.getgid()}::/:\n")
    host.write("etc/group", f"matrix-synapse:x:{os.getgid()}:\n")
    host.write("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
    host.write("etc/nginx/nginx.conf", "http {\n    include /etc/nginx/sites-enabled/*;\n}\n")
    host.write("etc/nginx/sites-enabled/default", "server {}\n")
    host.write("etc/nginx/sites-available/default", "server {}\n")
    host.write("etc/matrix-synapse/homeserver.yaml", _HOMESERVER)
    host.write("etc/matrix-synapse/conf.d/server_name.yaml", f"server_name: {NAME}\n")
    host.write("etc/matrix-synapse/conf.d/report_stats.yaml", "report_stats: false\n")
    host.write("etc/postgresql/15/main/postgresql.conf", "port = 5432\n")
    host.write("var/lib/dpkg/info/matrix-synapse-py3.list", "")
    host.write("calls", "")
    for directory in ("run/systemd/system", "cluster", "etc/letsencrypt", "broken"):
        (root / directory).mkdir(parents=True)
    host.unit(SYNAPSE_UNIT, "waiting")
    host.unit(NGINX_UNIT, "running")
    for name, body in _PROGRAMS.items():
        host.write(f"fake-bin/{name}", f"#!/bin/sh\n{_LOG}{_REFUSE.format(name=name)}{body}", 0o755)
    host.write(
        "opt/venvs/matrix-synapse/bin/python",
        f"#!/bin/sh\n{_REFUSE.format(name='synapse')}{_SYNAPSE_PYTHON}",
        0o755,
    )
    host.settings(settings)
    return host


_HOMESERVER = """\
signing_key_path: /etc/matrix-synapse/homeserver.signing.key
database: {name: sqlite3, args: {database: /var/lib/matrix-synapse/homeserver.db}}
"""
