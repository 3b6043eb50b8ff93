"""Watching a server's database move from one PostgreSQL to another, and killing it meanwhile."""

import shlex
import time
from dataclasses import dataclass

from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.lab.commands import Result
from tests.hosts.probes import assert_healthy, request, wait_until_serving

UPGRADE = ("altpeter-matrix", "database", "upgrade")
STANDSTILL = "/var/lib/altpeter-matrix/database-standstill"
# Moments of an upgrade to kill it at, each by what is so then.
KILLS = {
    "Synapse stops": f"test -e {STANDSTILL}",
    "the new cluster's data begin": "test -d /var/lib/postgresql/17/main/base/5",
    "the new cluster is configured": "test -e /etc/postgresql/17/main/pg_hba.conf",
    "pg_upgrade works": "pgrep -x pg_upgrade",
    "the old cluster is not started any more": "grep -qx manual /etc/postgresql/15/main/start.conf",
    "statistics are made": "pgrep -x vacuumdb",
}


def clusters(host: Host) -> dict[str, tuple[int, str]]:
    """Port and state of each cluster, by version and name."""
    rows = map(str.split, host.run("pg_lsclusters", "--no-header").stdout.splitlines())
    return {f"{row[0]}/{row[1]}": (int(row[2]), row[3]) for row in rows}


def asked(host: Host, query: str, port: int = 5432) -> str:
    """What the cluster at a port answers to a query."""
    psql = ("runuser", "-u", "postgres", "--", "psql", "-p", str(port), "-Atc", query)
    return host.run(*psql).stdout.strip()


def databases(host: Host, port: int) -> set[str]:
    return set(asked(host, "select datname from pg_database", port).split())


def upgrade(host: Host, *options: str, check: bool = True) -> Result:
    return host.run(*UPGRADE, *options, check=check, timeout=600)


@dataclass(frozen=True)
class Correspondence:
    """A user with a session and a room from before all moves."""

    server: Deployment
    token: str
    room: str

    @classmethod
    def begin(cls, server: Deployment, token: str) -> "Correspondence":
        made = request(server, "/_matrix/client/v3/createRoom", method="POST", body={}, token=token)
        assert made.status == 200, made.body
        return cls(server, token, made.json()["room_id"])

    def write(self, text: str) -> None:
        sent = request(
            self.server, f"/_matrix/client/v3/rooms/{self.room}/send/m.room.message/{text}",
            method="PUT", body={"msgtype": "m.text", "body": text}, token=self.token,
        )  # fmt: skip
        assert sent.status == 200, sent.body

    def read(self) -> list[str]:
        """All messages, oldest first."""
        got = request(
            self.server, f"/_matrix/client/v3/rooms/{self.room}/messages?dir=f&limit=100",
            token=self.token,
        )  # fmt: skip
        assert got.status == 200, got.body
        events = got.json()["chunk"]
        return [event["content"]["body"] for event in events if event["type"] == "m.room.message"]

    def until_synapse_reconnects(self) -> None:
        """It finds out that a connection to its database is lost when it next uses it."""
        end = time.monotonic() + 30
        while True:
            try:
                self.read()
                return
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def assert_served_by(self, version: int, *messages: str) -> None:
        """The session works, exactly these messages are there, and the host is well."""
        wait_until_serving(self.server)
        assert self.read() == list(messages)
        assert_healthy(self.server)
        host = self.server.host
        there = clusters(host)
        assert there[f"{version}/main"] == (5432, "online"), there
        assert [port for port, _state in there.values()].count(5432) == 1, there
        assert "synapse" in databases(host, 5432)
        host.run("grep", "-qx", "auto", f"/etc/postgresql/{version}/main/start.conf")


def killed_when(host: Host, condition: str, *options: str) -> str:
    """Begin an upgrade and kill it with SIGKILL once a shell condition holds; what it said."""
    argv = shlex.join([*UPGRADE, *options])
    done = host.sh(
        f"{argv} >/root/upgrade.log 2>&1 & pid=$!\n"
        f"until {{ {condition}; }} >/dev/null 2>&1; do\n"
        "  if grep -q '^State:.Z' /proc/$pid/status; then cat /root/upgrade.log; exit 1; fi\n"
        "  sleep 0.02\n"
        "done\n"
        "kill -9 $pid\n"
        "cat /root/upgrade.log",
        timeout=600,
    )
    return done.stdout
