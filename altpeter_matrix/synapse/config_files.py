"""Synapse's configuration on disk, read as Synapse reads it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from ..base import untrusted_files
from ..base.errors import Problem, ValidationError
from ..base.paths import SYNAPSE_OPTIONS, Paths
from ..base.yaml_text import YamlMistake, load_as_synapse
from ..host.links import SYNAPSE as OUR_LINK
from ..postgresql.layout import PORT

# Files to take for others while a candidate is checked; None: the file will not be there.
Instead = Mapping[Path, bytes | None]
NOTHING: Instead = MappingProxyType({})


def files(paths: Paths) -> list[Path]:
    """homeserver.yaml, then conf.d/*.yaml in sorted order: later files win, key by key."""
    found = [paths.synapse / "homeserver.yaml"]
    names = untrusted_files.names(paths, paths.synapse_conf_d)
    return found + [paths.synapse_conf_d / name for name in names if name.endswith(".yaml")]


def others(paths: Paths) -> list[Path]:
    """All of them but ours."""
    return [path for path in files(paths) if path != paths.root / OUR_LINK]


def merged_without_ours(paths: Paths) -> Mapping[str, Any]:
    """The shallow merge of everything that is not ours."""
    return merged(paths, others(paths))


def merged(paths: Paths, wanted: Iterable[Path]) -> Mapping[str, Any]:
    """The shallow merge of files, in their order."""
    options: dict[str, Any] = {}
    for path, text in untrusted_files.contents(paths, wanted).items():
        options |= read_text(path, text)
    return options


def in_force(paths: Paths) -> Mapping[str, Any]:
    """What Synapse reads now, merged as it merges."""
    ours = paths.root / OUR_LINK
    options: dict[str, Any] = {}
    for path in files(paths):
        if path == ours and path.is_symlink():
            options |= read_generated(paths.current)
        else:
            options |= read(paths, path)
    return options


def signing_key(paths: Paths) -> Path:
    configured = merged_without_ours(paths).get("signing_key_path")
    return paths.on_host(str(configured or "/etc/matrix-synapse/homeserver.signing.key"))


def read(paths: Paths, path: Path) -> Mapping[str, Any]:
    """The options in one of the files; nothing when it is not there."""
    text = untrusted_files.content(paths, path)
    return {} if text is None else read_text(path, text)


def read_generated(generation: Path) -> Mapping[str, Any]:
    """The options in our own file."""
    path = generation / SYNAPSE_OPTIONS
    try:
        return read_text(path, path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(path, error) from None


def read_text(path: Path, text: bytes) -> Mapping[str, Any]:
    """The options in the text of a file; ValidationError names one that is not YAML."""
    try:
        return parse(text)
    except yaml.YAMLError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> ValidationError:
    what = f"cannot be read as YAML ({_reason(error)})"
    return ValidationError(Problem(str(path), what, "repair or remove the file"))


def _reason(error: Exception) -> str:
    """What is wrong and in which line; never the line itself, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, YamlMistake):
        return error.shapeless.what
    if mark is not None:
        return f"line {mark.line + 1}: {getattr(error, 'problem', None) or 'not YAML'}"
    return error.strerror or "unreadable" if isinstance(error, OSError) else "not text"


def parse(text: bytes) -> Mapping[str, Any]:
    """The options of such a text; yaml.YAMLError, and nothing else, for one that is not YAML."""
    data = load_as_synapse(text)
    return data if isinstance(data, dict) else {}


def database_of(paths: Paths) -> str | None:
    """Synapse's database in the cluster on the standard port; None: it is elsewhere."""
    return local_database(read_generated(paths.current))


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
    found = untrusted_files.contents(paths, others(paths))
    return {str(path): text.decode(errors="replace") for path, text in found.items()}
