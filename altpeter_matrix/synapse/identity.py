"""The server name and the statistics choice: Synapse's package owns them, in files and debconf.

Its maintainer script rewrites both files from debconf at each upgrade, so whoever changes one has
to change the other.
"""

from pathlib import Path
from typing import Any

from ..base import disk, untrusted_files
from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..host.facts import Synapse
from ..postgresql import synapse_database
from ..settings.model import Settings
from . import config_files


def server_name_problems(
    paths: Paths, settings: Settings, synapse: Synapse, local_database: str | None
) -> list[Problem]:
    """A server name is for ever: it is in every user ID, room and signature."""
    if synapse.server_name in {None, settings.server_name} or not is_live(paths, local_database):
        return []
    return [other_name(settings, synapse)]


def other_name(settings: Settings, synapse: Synapse) -> Problem:
    return Problem(
        "settings.yaml: server_name",
        f'"{settings.server_name}" is not the name of this server, "{synapse.server_name}",'
        " and a server name can never change once a server has run",
        f"write `server_name: {synapse.server_name}`; for another name install another server",
    )


def is_live(paths: Paths, local_database: str | None) -> bool:
    """Whether Synapse has run here with its name: its tables exist."""
    if sqlite_users(paths) > 0:
        return True
    names = {local_database, _present_database(paths)} - {None}
    found = [synapse_database.inspect(name) for name in names if name]
    return any(one is not None and one.users for one in found)


def _present_database(paths: Paths) -> str | None:
    """The local database that Synapse uses until now."""
    current = config_files.read_generated(paths.current)
    return config_files.local_database(
        current if "database" in current else config_files.merged_without_ours(paths)
    )


def database_problems(paths: Paths, local_database: str | None) -> list[Problem]:
    """Another database would be an empty one: all users and messages would seem lost."""
    present = _present_database(paths)
    if present is None or local_database is None or present == local_database:
        return []
    old, new = synapse_database.inspect(present), synapse_database.inspect(local_database)
    if old is None or not old.users or (new is not None and new.users):
        return []
    return [
        Problem(
            "settings.yaml: database.name",
            f'"{local_database}" holds no server, while "{present}" holds this one',
            f"write `database: {{name: {present}}}`, or copy the database first",
        )
    ]


def sqlite_users(paths: Paths) -> int:
    """Users in the SQLite file of a Synapse that ran before this package came.

    HostError when nobody knows: another program may keep it locked, or it may be damaged.
    """
    file = paths.synapse_data / "homeserver.db"
    import sqlite3  # noqa: PLC0415 - rarely needed

    def count() -> int | str:
        # A named pipe would keep SQLite waiting.
        if not file.is_file() or file.stat().st_size == 0:
            return 0
        try:
            connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            try:
                return int(connection.execute("select count(*) from users").fetchone()[0])
            finally:
                connection.close()
        except sqlite3.Error as error:
            return 0 if "no such table" in str(error) else str(error)

    # As Synapse's user: SQLite also writes beside the file, and believes what is in it.
    found: int | str = untrusted_files.as_user(paths, count)
    if isinstance(found, int):
        return found
    raise HostError(
        Problem(
            str(file), f"may hold the users of this server and cannot be read ({found})",
            "run this again; if it stays so, repair the file or restore it from a backup, or"
            " move it away if nobody needs it",
        )
    )  # fmt: skip


def sqlite_problems(paths: Paths) -> list[Problem]:
    # Left there when the server moved to PostgreSQL, nobody reads it any more.
    if paths.current.exists() or _uses_postgresql(paths):
        return []
    users = sqlite_users(paths)
    if users == 0:
        return []
    return [
        Problem(
            str(paths.synapse_data / "homeserver.db"),
            f"holds {users} users: this host already runs Synapse, on SQLite",
            "run `altpeter-matrix adopt --dry-run`, then `altpeter-matrix adopt`, which moves it to"
            " PostgreSQL",
        )
    ]


def _uses_postgresql(paths: Paths) -> bool:
    synapse_database = config_files.merged_without_ours(paths).get("database")
    return isinstance(synapse_database, dict) and synapse_database.get("name") == "psycopg2"


def keep(paths: Paths, key: str, value: Any) -> None:
    """Have the file of Synapse's package say what is in force, wherever it was said before."""
    file = paths.synapse_conf_d / f"{key}.yaml"
    if value is not None and config_files.read(paths, file).get(key) != value:
        text = f"# Kept here by Synapse's package.\n{key}: {_scalar(value)}\n"
        disk.replace(file, text.encode(), 0o644)


def follow_settings(
    paths: Paths, settings: Settings, synapse: Synapse, *, missing_only: bool
) -> list[str]:
    """Make Synapse's own files and debconf say what the settings say; what was changed.

    missing_only: before the candidate is checked, only what Synapse cannot be parsed without.
    The server name gets here only while the server has never run under another one.
    """
    changed = []
    merged = config_files.merged_without_ours(paths)
    for key, value in _answers(settings).items():
        missing = merged.get(key) in {None, ""}
        if merged.get(key) != value and (missing or key == "server_name" or not missing_only):
            _write(paths, key, value)
            changed.append(key)
            _tell_debconf(synapse.package, key, value)
    return changed


def answer_debconf(settings: Settings, package: str) -> None:
    """Have an upgrade of Synapse at a terminal ask nothing that the settings answer.

    A question that debconf could show to nobody, since its package was installed without a person
    there, is asked at the next upgrade.
    """
    for key, value in _answers(settings).items():
        _tell_debconf(package, key, value)


def _answers(settings: Settings) -> dict[str, Any]:
    """What Synapse's package asks, by the option of Synapse that the answer becomes."""
    return {"server_name": settings.server_name, "report_stats": settings.report_stats}


def _write(paths: Paths, key: str, value: Any) -> None:
    file = paths.synapse_conf_d / f"{key}.yaml"
    overriding = [
        path
        for path in config_files.others(paths)
        if path != file and key in config_files.read(paths, path) and _wins(path, file)
    ]
    if overriding:
        raise HostError(
            Problem(
                str(overriding[0]), f"sets {key} again", f"remove the line from {overriding[0]}"
            )
        )
    text = f"# This line is set from /etc/altpeter-matrix/settings.yaml.\n{key}: {_scalar(value)}\n"
    disk.ensure_directory(file.parent, 0o755)
    disk.replace(file, text.encode(), 0o644)


def _wins(path: Path, file: Path) -> bool:
    return path.parent == file.parent and path.name > file.name


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tell_debconf(package: str, key: str, value: Any) -> None:
    """Best effort: without it Synapse's next upgrade brings the old answer back, and the apply
    that follows each upgrade corrects it again."""
    question = f"matrix-synapse/{key.replace('_', '-')}"
    dialogue = f"SET {question} {_scalar(value)}\nFSET {question} seen true\n"
    try:
        run("debconf-communicate", package, input=dialogue, check=False, timeout=30)
    except HostError:
        return
