"""What an adoption will do, for a person to read before it happens. Secrets never appear."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..apply.diff import differences
from ..base import untrusted_files
from ..base.paths import Paths
from ..base.redaction import redacted
from ..synapse import config_files
from .survey import ADDITION, Survey


def report(paths: Paths, decided: Survey) -> Iterator[str]:
    """Line by line: what is kept, what changes, and the differences of the files."""
    settings = decided.settings
    yield f"This server, {settings.server_name}, can be adopted."
    certificate = decided.rendered.facts.certificate
    if not certificate.placeholder:
        yield f"Its certificate stays: {certificate.fullchain}"
    if decided.addition:
        kept = [line.partition(":")[0] for line in decided.addition.splitlines()
                if line[:1].isalpha()]  # fmt: skip
        yield f"\nKept as they are, in {paths.synapse_additions / ADDITION}:"
        yield from (f"  {key}" for key in kept)
    yield "\nWhat changes:"
    yield from (f"  {change}" for change in decided.changes)
    yield "\nFiles:"
    old, new = (
        {name: without_secrets(text, decided.reading.options) for name, text in texts.items()}
        for texts in _files(paths, decided)
    )
    yield from differences(old, new, labels=("now", "adopted"))


def without_secrets(text: str, options: Mapping[str, Any]) -> str:
    """A file without the secrets that it holds, whatever their YAML looks like.

    options: those in force. What this file says and another overrules is a secret, too.
    """
    try:
        own = config_files.parse(text.encode())
    except (ValueError, yaml.YAMLError):  # a site of nginx's
        own = {}
    return redacted(redacted(text, options), own)


def _files(paths: Paths, decided: Survey) -> tuple[dict[str, str], dict[str, str]]:
    old = {
        _name(paths, path): path.read_text(encoding="utf-8", errors="replace")
        for path in decided.sites
    }
    found = untrusted_files.contents(paths, (*decided.packaged, *decided.snippets))
    old |= {_name(paths, path): text.decode(errors="replace") for path, text in found.items()}
    new = {_name(paths, path): text.decode() for path, text in decided.packaged.items()}
    new[_name(paths, paths.synapse_additions / ADDITION)] = decided.addition
    if not paths.settings.exists():
        new[_name(paths, paths.settings)] = decided.settings_text
    for path, text in decided.renewals.items():
        old[_name(paths, path)] = path.read_text(encoding="utf-8")
        new[_name(paths, path)] = text
    return old, new


def _name(paths: Paths, path: Path) -> str:
    return str(path.relative_to(paths.root))
