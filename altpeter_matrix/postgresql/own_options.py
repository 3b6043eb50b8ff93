"""Our file in the conf.d of a cluster, and what others have said beside it.

Who has decided, wins: an option that is set in any other file of the cluster, postgresql.conf and
ALTER SYSTEM among them, is left out of ours, whatever PostgreSQL's own order of the files is.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..base import disk, untrusted_files
from ..base.commands import run
from ..base.errors import HostError
from ..base.paths import Paths
from . import cluster_files, layout
from .cluster_list import Cluster
from .connection import OWN_DATABASES, Limits, Statement, as_superuser, said

NAME = "50-altpeter-matrix.conf"
# What initdb writes into postgresql.conf: nobody has decided that.
_OF_INITDB = {"shared_buffers": "128MB", "max_wal_size": "1GB"}
# All of ours but this one can change while PostgreSQL runs.
AT_START = "shared_buffers"
_NOT_NOW = "setting could not be applied"
_SET = re.compile(r"^(\w+) = (.*)$", re.MULTILINE)
_FILES = Statement(
    "select sourcefile, name, setting, applied, error from pg_catalog.pg_file_settings"
    " order by seqno"
)
_DATABASES = Statement(
    "select datname from pg_catalog.pg_database where not datistemplate order by datname"
)
_RULES = Statement(
    "select line_number, error from pg_catalog.pg_hba_file_rules where error is not null"
)
_CHECKPOINT = Statement("checkpoint")
_RELOAD = Statement("select pg_catalog.pg_reload_conf()")


@dataclass(frozen=True)
class Said:
    """An option as a file says it. error: why PostgreSQL does not take it."""

    file: str
    name: str
    value: str
    applied: bool
    error: str


def place(paths: Paths, cluster: Cluster) -> Path:
    """Where our file is, or would be."""
    return layout.configuration(paths, cluster.version, cluster.name) / "conf.d" / NAME


def read(paths: Paths, cluster: Cluster) -> str | None:
    """Our file; None when it is not there."""
    found = untrusted_files.content(paths, place(paths, cluster), cluster_files.OWNER)
    return None if found is None else found.decode(errors="surrogateescape")


def write(paths: Paths, cluster: Cluster, text: str | None) -> None:
    """Replace our file; None: remove it."""
    file = place(paths, cluster)
    if text is None:
        disk.remove(file)
    else:
        cluster_files.write(file, text.encode(errors="surrogateescape"), 0o644)


def files(cluster: Cluster) -> list[Said]:
    """What all files of a running cluster say now, in their order."""
    [rows] = as_superuser(_FILES, port=cluster.port)
    return [
        Said(str(file or ""), str(name or ""), str(value or ""), applied is True, str(error or ""))
        for file, name, value, applied, error in rows
    ]


def without(text: str, others: Iterable[Said]) -> str:
    """Our file less the options that somebody else has set."""
    decided = {
        one.name.lower()
        for one in others
        if Path(one.file).name != NAME and _OF_INITDB.get(one.name.lower()) != one.value
    }
    kept = (line for line in text.splitlines(keepends=True) if _option(line) not in decided)
    return "".join(kept)


def _option(line: str) -> str:
    match = _SET.match(line)
    return match[1] if match else ""


def value(text: str | None, option: str) -> str | None:
    """What a file of ours says of an option."""
    return dict(_SET.findall(text or "")).get(option)


def read_by(found: Iterable[Said]) -> bool:
    """Whether PostgreSQL reads our file at all."""
    return any(Path(one.file).name == NAME for one in found)


def waits_for_restart(found: Iterable[Said]) -> bool:
    """Whether the files ask for another size of PostgreSQL's cache than it runs with."""
    return any(one.name == AT_START and one.error == _NOT_NOW for one in found)


def of_others(cluster: Cluster, database: str) -> list[str]:
    """The databases that are neither Synapse's nor PostgreSQL's own."""
    [rows] = as_superuser(_DATABASES, port=cluster.port)
    ours = {*OWN_DATABASES, database}
    return [said(str(row[0])) for row in rows if row[0] not in ours]


def reload(cluster: Cluster) -> None:
    """Have PostgreSQL read its files."""
    as_superuser(_RELOAD, port=cluster.port)


def checkpoint(cluster: Cluster) -> None:
    """Write what a restart would have to write while everybody waits for it."""
    with suppress(HostError):
        as_superuser(_CHECKPOINT, port=cluster.port, limits=Limits(seconds=120.0))


def refusal(paths: Paths, cluster: Cluster) -> str | None:
    """Why the cluster would not start again with its files as they are; None: it would."""
    directory = layout.configuration(paths, cluster.version, cluster.name)
    asked = run(
        "runuser", "-u", cluster_files.OWNER, "--",
        paths.on_host(f"/usr/lib/postgresql/{cluster.version}/bin/postgres"), "-D", cluster.data,
        "-c", f"config_file={directory / 'postgresql.conf'}", "-C", AT_START,
        check=False, timeout=30,
    )  # fmt: skip
    if not asked.ok:
        return said(asked.output)
    [rules] = as_superuser(_RULES, port=cluster.port)
    return f"pg_hba.conf, line {rules[0][0]}: {said(str(rules[0][1]))}" if rules else None
