"""What Synapse's own parser accepts although it does not do what the administrator meant.

`python -m synapse.config` knows no unknown option, no option that a later file replaces, no
listener that nginx cannot reach: this module does.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any

from ..base.errors import Objection, SettingsError, error, warning
from ..base.paths import Paths
from ..base.resources import known_synapse_options
from ..base.yaml_text import parse_mapping
from ..host.facts import HostFacts
from ..host.links import SYNAPSE as SYNAPSE_LINK
from ..settings.model import Settings
from ..settings.schema import annotated, owners
from .generation import LocalAdditions, RenderSecrets, parsed_additions, synapse_options
from .listeners_lint import listener_objections
from .synapse_config import Options, options

OUR_FILE = PurePosixPath(SYNAPSE_LINK).name
SETTINGS_FILE = "settings.yaml"

_LARGEST_STORED = 2 * 1024**3

# Synapse replaces these as a whole, so an addition with one key of them drops all others.
_GROUPS = ("database", "email", "media_retention", "presence")


def lint(
    settings: Settings,
    facts: HostFacts,
    additions: LocalAdditions,
    secrets: RenderSecrets,
    others: Mapping[str, str],
) -> tuple[Objection, ...]:
    """All findings about Synapse's options.

    others: path and text of homeserver.yaml and of the files in conf.d that are not ours, in the
    order in which Synapse reads them.
    """
    base = options(settings, facts, secrets.smtp_password)
    ours = synapse_options(settings, facts, additions.synapse, secrets)
    sources = (
        (SETTINGS_FILE, "synapse.", settings.synapse),
        *((path, "", parsed) for path, parsed in parsed_additions(additions.synapse)),
    )
    found: list[Objection] = []
    for source, prefix, addition in sources:
        found += _unknown_options(source, prefix, addition)
        found += _replaced_groups(source, prefix, addition, base)
        found += _other_owner(source, prefix, addition, base)
    found += _uploads(_origin("max_upload_size", sources), ours)
    found += _email(_origin("email", sources), ours)
    found += _user_agent(_origin("user_agent_suffix", sources), ours)
    found += listener_objections(
        _origin("listeners", sources), ours.get("listeners"), settings.listener.port
    )
    for path, text in others.items():
        found += _other_file(path, text, ours)
    return tuple(found)


def _origin(key: str, sources: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """Where an option comes from: the last source that sets it wins."""
    place = f"{SETTINGS_FILE}: {owners().get(key, key)}"
    for source, prefix, addition in sources:
        if key in addition:
            place = f"{source}: {prefix}{key}"
    return place


def _unknown_options(source: str, prefix: str, addition: Mapping[str, Any]) -> Iterator[Objection]:
    for key in map(str, addition):
        if key not in known_synapse_options():
            near = get_close_matches(key.replace("-", "_").lower(), known_synapse_options(), n=1)
            yield warning(
                f"{source}: {prefix}{key}",
                "is no option of Synapse that this package knows",
                f"did you mean {near[0]}?" if near else "check Synapse's configuration manual",
            )


def _replaced_groups(
    source: str, prefix: str, addition: Mapping[str, Any], base: Options
) -> Iterator[Objection]:
    for key in _GROUPS:
        if key in addition and isinstance(base.get(key), Mapping):
            new = addition[key] if isinstance(addition[key], Mapping) else {}
            dropped = [name for name in base[key] if name not in new]
            if dropped:
                yield warning(
                    f"{source}: {prefix}{key}",
                    f"replaces this package's {key} as a whole and so drops {', '.join(dropped)}",
                    "repeat them here if you still want them",
                )


def _other_owner(
    source: str, prefix: str, addition: Mapping[str, Any], base: Options
) -> Iterator[Objection]:
    """Options that nginx has to agree with: they have a setting of their own."""
    for key, setting in owners().items():
        if setting in annotated("x-nginx") and key in addition and addition[key] != base[key]:
            yield warning(
                f"{source}: {prefix}{key}",
                f"is not what nginx follows, {setting}",
                f"set {setting} in settings.yaml instead",
            )


def _uploads(where: str, ours: Options) -> Iterator[Objection]:
    """Synapse's tables hold a file's length in PostgreSQL's integer (local_media_repository)."""
    size = ours.get("max_upload_size")
    if isinstance(size, int) and size > _LARGEST_STORED:
        yield warning(
            where, "is more than the 2G of a file that Synapse can store", "write 2G or less"
        )


def _email(where: str, ours: Options) -> Iterator[Objection]:
    """What makes Synapse refuse to start, named by option instead of by a traceback."""
    email = ours.get("email")
    if not isinstance(email, Mapping) or not email:
        return
    if not email.get("notif_from"):
        yield error(where, "has no notif_from, so Synapse does not start", "add notif_from")
    for key in ("force_tls", "require_transport_security"):
        if email.get(key) and email.get("enable_tls") is False:
            yield error(
                f"{where}.{key}",
                "contradicts enable_tls: false, so Synapse does not start",
                "remove one of them",
            )


def _user_agent(where: str, ours: Options) -> Iterator[Objection]:
    suffix = ours.get("user_agent_suffix")
    if isinstance(suffix, str) and not suffix.isascii():
        yield error(
            where, "has letters beyond ASCII, so Synapse does not start", "write it in ASCII"
        )


def _other_file(path: str, text: str, ours: Options) -> Iterator[Objection]:
    name = PurePosixPath(path).name
    try:
        other = parse_mapping(text, path)
    except SettingsError as unreadable:
        # Synapse itself takes the last of two equal keys; whatever else is wrong, its own check
        # says with more authority.
        yield from (Objection("warning", problem) for problem in unreadable.problems)
        return
    if PurePosixPath(path).parent.name != "conf.d":
        return  # homeserver.yaml: Synapse's own defaults, meant to be replaced
    for key in sorted(map(str, set(other) & set(ours))):
        if other[key] == ours[key]:
            continue
        if name > OUR_FILE:
            yield warning(
                f"{path}: {key}",
                "is read after this package's file and wins over it",
                f"move it to {Paths().synapse_additions}, or remove it",
            )
        else:
            yield warning(
                f"{path}: {key}",
                "has no effect, because this package's file is read after it",
                f"move it to {Paths().synapse_additions}, or remove it",
            )
