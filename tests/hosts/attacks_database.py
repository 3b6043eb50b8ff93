"""What Synapse's role does to its own database, and whether that reached PostgreSQL's superuser."""

from pathlib import Path

from tests.hosts.lab import Host

ATTACK = Path(__file__).with_name("attacks_database.sql").read_text()
MOVED = Path(__file__).with_name("attacks_database_move.sql").read_text()
MARKS = "/var/lib/postgresql/struck-"


def as_synapse(host: Host, sql: str, *, database: str = "synapse", check: bool = True) -> str:
    return psql(host, "matrix-synapse", sql, database, check)


def as_superuser(host: Host, sql: str, database: str = "postgres") -> str:
    return psql(host, "postgres", sql, database, check=True)


def psql(host: Host, user: str, sql: str, database: str, check: bool) -> str:
    done = host.run(
        "runuser", "-u", user, "--", "psql", "-XqAt", "--set=ON_ERROR_STOP=1", "-d", database,
        input=sql, check=check,
    )  # fmt: skip
    return f"{done.stdout}{done.stderr}".strip()


def struck(host: Host) -> str:
    """How a superuser came to run that role's functions; the marks are gone afterwards."""
    return host.sh(f"cd /; ls {MARKS}* 2>/dev/null || :; rm -f {MARKS}*").stdout
