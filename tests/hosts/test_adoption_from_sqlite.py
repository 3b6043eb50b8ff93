"""A server that was set up by hand on SQLite: moved to PostgreSQL, then adopted."""

import asyncio
from pathlib import Path

import pytest

from tests.clients.encrypted_chat import Chat, join_by_invitation, say_and_hear
from tests.hosts.adoptions import is_logged_in
from tests.hosts.attacks import as_synapse
from tests.hosts.deployments import operations_changed
from tests.hosts.effective_options import CONF_D, options_of, unannounced
from tests.hosts.handmade import HOMESERVER, PROMPT, SERVER_NAME, Handmade, agreeing
from tests.hosts.lab import Host, Lab
from tests.hosts.probes import difference, state_of
from tests.hosts.status import status_of
from tests.hosts.test_adoption import SYNAPSE, Cloning, clone, wiki  # noqa: F401 - fixtures
from tests.hosts.test_adoption_by_deploy import Deploying, adopted_while_people_talk

pytestmark = pytest.mark.upgrades

SYNAPSE_UNIT = "matrix-synapse"
SQLITE_FILE = "/var/lib/matrix-synapse/homeserver.db"
# What Synapse's user can put in its place.
AWAY = f"{SQLITE_FILE}.away"
NEVER_ENDING = (
    "create view background_updates as with recursive n(x) as"
    " (select 1 union all select x + 1 from n) select x as update_name, x as ordering from n"
)
ATTACKS = {
    "named pipe": f"mkfifo {SQLITE_FILE}",
    "link to what root alone reads": f"ln -s /etc/shadow {SQLITE_FILE}",
    "endless file": f"ln -s /dev/zero {SQLITE_FILE}",
    "huge file": f"truncate -s 1T {SQLITE_FILE}",
    "link to nothing": f"ln -s /nonexistent {SQLITE_FILE}",
    "directory": f"mkdir {SQLITE_FILE}",
    "nothing": ":",
    "question without an end": "python3 -c 'import sqlite3, sys;"
    f' sqlite3.connect("{SQLITE_FILE}").execute(sys.argv[1])\' "{NEVER_ENDING}"',
}
DRY_RUN = ("altpeter-matrix", "adopt", "--dry-run")
# Ten seconds for the answer of a file, and all else that it looks at.
BOUNDED = ("timeout", "--signal=KILL", "45")
COPYING = "until pgrep -f [s]ynapse_port_db >/dev/null; do sleep 0.05; done; sleep 0.5"


def users(host: Host) -> set[str]:
    """Those that PostgreSQL has."""
    return set(
        host.run(
            "runuser", "-u", "postgres", "--", "psql", "-Atc", "select name from users", "synapse"
        ).stdout.split()
    )


def with_database(host: Host, statement: str) -> None:
    """As Synapse itself would write to it."""
    host.run(
        "python3", "-c",
        f"import sqlite3; database = sqlite3.connect({SQLITE_FILE!r}, timeout=60); "
        f"database.execute({statement!r}); database.commit()",
    )  # fmt: skip


def test_a_server_on_sqlite_is_moved_by_synapses_own_tool(
    clone: Cloning,  # noqa: F811
    tmp_path: Path,
) -> None:
    server = clone("sqlite")
    host = server.host
    server.stay_on_sqlite()
    server.install_package()
    _refused_while_synapse_updates_it(host)
    asyncio.run(_moved_while_people_talk(server, tmp_path))
    assert {f"@alice:{SERVER_NAME}", f"@bob:{SERVER_NAME}"} <= users(host)
    assert host.run("dpkg", "--verify", SYNAPSE).stdout == ""
    status = status_of(host)
    assert status.returncode == 0, status.stdout
    assert "options" not in host.run("ls", "/run/altpeter-matrix").stdout


def _refused_while_synapse_updates_it(host: Host) -> None:
    """Synapse's tool would lose what is half done."""
    with_database(
        host,
        "insert into background_updates (update_name, progress_json) values ('an_index', '{}')",
    )
    before = state_of(host)
    for arguments in (["--dry-run"], []):
        done = host.run("altpeter-matrix", "adopt", *arguments, check=False)
        assert done.returncode == 1, done.stdout
        assert "1 update in the background: an_index" in done.stderr, done.stderr
        assert "hours" in done.stderr and "how many are left" in done.stderr
    assert not difference(before, state_of(host))
    with_database(host, "delete from background_updates")


def test_what_is_put_in_the_place_of_its_database_harms_nobody(
    clone: Cloning,  # noqa: F811
) -> None:
    """Root looks at it before anything is changed, while Synapse's user does what it likes."""
    server = clone("attacked")
    host = server.host
    server.stay_on_sqlite()
    server.install_package()
    host.run(*DRY_RUN)
    for attack, script in ATTACKS.items():
        as_synapse(host, f"mv {SQLITE_FILE} {AWAY}; {script}")
        refused = host.run(*BOUNDED, *DRY_RUN, check=False)
        as_synapse(host, f"rm -rf {SQLITE_FILE}; mv {AWAY} {SQLITE_FILE}")
        said = f"{refused.stdout}{refused.stderr}"
        assert refused.returncode == 1 and SQLITE_FILE in refused.stderr, (attack, refused)
        assert "Traceback" not in said and "root:" not in said, (attack, said)
    # Synapse wrote meanwhile, and what it had not finished it alone brings to an end.
    host.run("systemctl", "restart", "matrix-synapse")
    server.wait_until_synapse_answers()
    host.run(*DRY_RUN)


async def _moved_while_people_talk(server: Handmade, folder: Path) -> None:
    host = server.host
    people = server.account("alice"), server.account("bob")
    async with (
        Chat(people[0], folder / "alice") as alice,
        Chat(people[1], folder / "bob") as bob,
    ):
        room = await join_by_invitation(alice, bob)
        await say_and_hear(alice, bob, room, "on SQLite")
        media = server.upload(alice.token, b"old media")
        shown = server.shows(alice.token, media)
        edited, options = host.read(HOMESERVER), options_of(host)
        snippets = host.run("ls", CONF_D).stdout.split()
        report = host.run("altpeter-matrix", "adopt", "--dry-run").stdout
        assert "database: SQLite (/var/lib/matrix-synapse/homeserver.db) -> PostgreSQL" in report

        # Killed while it copies: the next run begins anew.
        await asyncio.to_thread(_killed_in_the_copy, server, alice.token)
        done = await asyncio.to_thread(
            host.run, "altpeter-matrix", "adopt", check=False, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        await say_and_hear(bob, alice, room, "on PostgreSQL")
        assert "on SQLite" in await bob.history(room)
        assert server.shows(alice.token, media) == shown
        assert not server.told(report, done.stdout, done.stderr)
        assert not unannounced(options, host, report)
        left = host.run("sha256sum", SQLITE_FILE).stdout

        undone = await asyncio.to_thread(host.run, "altpeter-matrix", "adopt", "--undo")
        assert undone.returncode == 0
        # All of the old server, but for the one thing that was announced as final.
        assert host.read(HOMESERVER) == edited
        assert host.run("ls", CONF_D).stdout.split() == [*snippets, "zz-postgresql.yaml"]
        assert PROMPT in status_of(host).stdout
        await asyncio.to_thread(is_logged_in, server, alice.token)
        await say_and_hear(alice, bob, room, "and there to stay")
        await asyncio.to_thread(host.run, "altpeter-matrix", "adopt", timeout=600)
        await say_and_hear(bob, alice, room, "adopted once more")
        assert "on SQLite" in await bob.history(room)
        assert host.run("sha256sum", SQLITE_FILE).stdout == left, "the old database was written to"


def _killed_in_the_copy(server: Handmade, token: str) -> None:
    """The tool alone, which is a failure that it goes back from; all, undone; and all once more."""
    host = server.host
    failed = host.sh(
        "altpeter-matrix adopt >/root/adopt.log 2>&1 & adopt=$!; "
        f"{COPYING}; pkill -KILL -f [s]ynapse_port_db; "
        "if wait $adopt; then exit 7; fi; cat /root/adopt.log",
        timeout=300,
    )
    assert "synapse_port_db: did not move the database" in failed.stdout
    is_logged_in(server, token)
    assert "synapse" not in databases(host)

    _kill_all(host)
    assert host.run("systemctl", "is-active", SYNAPSE_UNIT, check=False).stdout == "inactive\n"
    status = status_of(host)
    assert status.returncode == 1 and PROMPT in status.stdout, status.stdout
    assert "the move of its database from SQLite has not ended" in status.stdout, status.stdout
    assert "Synapse runs on SQLite" in host.run("altpeter-matrix", "adopt", "--undo").stdout
    is_logged_in(server, token)
    assert "synapse" not in databases(host)
    again = host.run("altpeter-matrix", "adopt", "--undo", check=False)
    assert again.returncode == 1 and "no adoption is to be undone" in again.stderr

    _kill_all(host)


def _kill_all(host: Host) -> None:
    host.sh(
        "setsid altpeter-matrix adopt >/root/adopt.log 2>&1 & adopt=$!; "
        f"{COPYING}; kill -KILL -$adopt; wait $adopt || true",
        timeout=300,
    )


def databases(host: Host) -> list[str]:
    return host.run(
        "runuser", "-u", "postgres", "--", "psql", "-Atc", "select datname from pg_database"
    ).stdout.split()


def test_the_deploy_alone_moves_the_server_from_sqlite(
    clone: Cloning,  # noqa: F811
    lab: Lab,
    tmp_path: Path,
) -> None:
    server = clone("ported")
    host, settings = server.host, agreeing(lab)
    server.stay_on_sqlite()
    host.sh("apt-get -q update")
    deploying = Deploying(server, tmp_path / "inventory")
    options = options_of(host)
    shown = deploying.run(settings, "--dry", adopt=True)
    assert f"database: SQLite ({SQLITE_FILE}) -> PostgreSQL" in shown.stderr
    asyncio.run(adopted_while_people_talk(server, deploying, settings, tmp_path))

    assert {f"@alice:{SERVER_NAME}", f"@bob:{SERVER_NAME}"} <= users(host)
    assert not unannounced(options, host, shown.stderr)
    again = deploying.run(settings, "-y", "--json", adopt=True)
    assert operations_changed(again) == []
    assert host.run("dpkg", "--verify", SYNAPSE).stdout == ""
    status = status_of(host)
    assert status.returncode == 0, status.stdout
