"""Synapse's configuration on disk, read as Synapse reads it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from .errors import Problem, ValidationError
from .links import SYNAPSE as OUR_LINK
from .paths import Paths
from .postgresql import PORT
from .yaml_text import load_as_synapse

# Files to take for others while a candidate is checked; None: the file will not be there.
Instead = Mapping[Path, bytes | None]
NOTHING: Instead = MappingProxyType({})


def files(paths: Paths) -> list[Path]:
    """homeserver.yaml, then conf.d/*.yaml in sorted order: later files win, key by key."""
    found = [paths.synapse / "homeserver.yaml"]
    if paths.synapse_conf_d.is_dir():
        names = sorted(p.name for p in paths.synapse_conf_d.iterdir() if p.name.endswith(".yaml"))
        found += [paths.synapse_conf_d / name for name in names]
    return found


def others(paths: Paths) -> list[Path]:
    """All of them but ours."""
    return [path for path in files(paths) if path != paths.root / OUR_LINK]


def merged_without_ours(paths: Paths) -> Mapping[str, Any]:
    """The shallow merge of everything that is not ours."""
    merged: dict[str, Any] = {}
    for path in others(paths):
        merged |= read(path)
    return merged


def read(path: Path) -> Mapping[str, Any]:
    """The options in one of the files; ValidationError names a file that is not YAML."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = _reason(error)
        raise ValidationError(
            Problem(str(path), f"cannot be read as YAML ({reason})", "repair or remove the file")
        ) from None


def _reason(error: Exception) -> str:
    """What is wrong and in which line; never the line itself, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1}: {getattr(error, 'problem', None) or 'not YAML'}"
    return error.strerror or "unreadable" if isinstance(error, OSError) else "not text"


def parse(text: bytes) -> Mapping[str, Any]:
    """The options of such a text; yaml.YAMLError, and nothing else, for one that is not YAML."""
    data = load_as_synapse(text)
    return data if isinstance(data, dict) else {}


def local_database(options: Mapping[str, Any]) -> str | None:
    """The PostgreSQL database that options name, when it is in the cluster on the standard port
    of this host, reached over the Unix socket."""
    database = options.get("database")
    if not isinstance(database, dict) or database.get("name") != "psycopg2":
        return None
    arguments = database.get("args")
    if not isinstance(arguments, dict):
        return None
    if not str(arguments.get("host") or "/var/run/postgresql").startswith("/"):
        return None
    if str(arguments.get("port") or PORT) != str(PORT):
        return None
    name = arguments.get("dbname") or arguments.get("database")
    return str(name) if name else None


def texts_of_others(paths: Paths) -> Mapping[str, str]:
    """Path and text of each file that is not ours, in the order Synapse reads them."""
    return {
        str(path): path.read_text(encoding="utf-8", errors="replace")
        for path in others(paths)
        if path.is_file()
    }
