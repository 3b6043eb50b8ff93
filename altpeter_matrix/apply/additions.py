"""The administrator's own files, which go into each generation: nginx.d and synapse.d."""

from collections.abc import Mapping
from pathlib import Path

from ..base.errors import Problem, SettingsError
from ..base.paths import Paths
from ..base.text import decoded


def read_nginx(paths: Paths) -> Mapping[str, str]:
    return _read(paths.nginx_additions, ".conf")


def read_synapse(paths: Paths) -> Mapping[str, str]:
    return _read(paths.synapse_additions, ".yaml")


def _read(directory: Path, suffix: str) -> dict[str, str]:
    """The text of each file; dotfiles are an editor's or dpkg's leftovers, not additions."""
    if not directory.is_dir():
        return {}
    texts = {}
    problems = []
    for path in sorted(directory.iterdir()):
        if path.suffix != suffix or path.name.startswith("."):
            continue
        try:
            texts[path.name] = decoded(path.read_bytes())
        except UnicodeDecodeError:
            problems.append(Problem(str(path), "is not UTF-8 text", "save it as UTF-8"))
        except OSError as error:
            problems.append(
                Problem(str(path), f"cannot be read ({error.strerror})", "repair or remove it")
            )
    if problems:
        raise SettingsError(problems)
    return texts
