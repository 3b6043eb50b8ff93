"""Everything one apply knows before it changes anything: settings, facts, rendered files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..base.accounts import Accounts, read_accounts
from ..base.errors import Problem, SettingsError, ValidationError
from ..base.paths import SYNAPSE_OPTIONS, Paths
from ..base.text import decoded
from ..host.facts import HostFacts, Synapse
from ..settings.model import Settings, parse_settings_text
from ..synapse import config_files, secrets_store
from . import additions, host_facts
from .generations import SETTINGS, Generation, Store
from .preflight import require_synapse

if TYPE_CHECKING:
    from ..render.generation import LocalAdditions, RenderedFile


@dataclass(frozen=True)
class Rendered:
    """What the settings ask for, on this host."""

    settings: Settings
    accounts: Accounts
    facts: HostFacts
    synapse: Synapse
    files: "tuple[RenderedFile, ...]"
    warnings: tuple[Problem, ...]
    watched: tuple[str, ...]
    origins: Mapping[str, str]  # where the administrator wrote an option of Synapse

    @property
    def local_database(self) -> str | None:
        """The database of this host's cluster that Synapse is told to use; None: another one."""
        return config_files.local_database(self.options)

    @property
    def options(self) -> Mapping[str, Any]:
        """What Synapse is told."""
        text = next(file.content for file in self.files if file.path == SYNAPSE_OPTIONS)
        return config_files.parse(text)


def read_settings(paths: Paths, file: Path | None = None) -> Settings:
    """The settings of this host, or of another file; SettingsError says what is wrong in it."""
    file = file or paths.settings
    return parse_settings_text(settings_text(file), source=file.name)


def settings_of(paths: Paths, generation: Generation) -> Settings:
    """The settings that a generation was made from; those of this host where it has no copy.

    A newer version of this package may not understand the copy, and an older one made none.
    """
    copy = generation.directory / SETTINGS
    try:
        return read_settings(paths, copy)
    except SettingsError:
        return read_settings(paths)


def settings_in_use(paths: Paths) -> Settings:
    """The settings that the server runs with; where nothing was applied, those of this host."""
    current = Store(paths, read_accounts(paths.root)).current()
    return read_settings(paths) if current is None else settings_of(paths, current)


def known_settings(paths: Paths) -> Settings:
    """Those of this host; where they are lost or cannot be used, those that it serves with."""
    try:
        return read_settings(paths)
    except SettingsError:
        return settings_in_use(paths)


def settings_text(file: Path) -> str:
    """The text of a settings file; SettingsError when it cannot be read."""
    where = str(file)
    try:
        return decoded(file.read_bytes())
    except FileNotFoundError:
        raise SettingsError(
            Problem(
                where, "is missing", "run `altpeter-matrix init --server-name NAME`, or write it"
            )
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            Problem(where, f"is not UTF-8 text ({error.reason})", "save it as UTF-8")
        ) from None
    except OSError as error:
        raise SettingsError(
            Problem(where, f"cannot be read ({error.strerror})", "make it a readable file")
        ) from None


def render_host(
    paths: Paths, settings: Settings, more: Mapping[str, str] = MappingProxyType({})
) -> Rendered:
    """Render for this host. Changes nothing.

    more: texts by name that synapse.d is to have besides what is there.
    """
    # Loaded here: an apply with nothing to do must not pay for the linter and the renderer.
    from ..render.generation import LocalAdditions, RenderSecrets, render  # noqa: PLC0415
    from ..render.lint import lint  # noqa: PLC0415

    accounts = read_accounts(paths.root)
    facts = host_facts.read_facts(paths, accounts, settings)
    synapse = require_synapse(facts)
    local = LocalAdditions(additions.read_nginx(paths), {**additions.read_synapse(paths), **more})
    secrets_store.webhook_token(paths, settings)  # missing, it is refused before it is needed
    secrets = RenderSecrets(secrets_store.smtp_password(paths, settings))
    findings = lint(settings, facts, local, secrets, config_files.texts_of_others(paths))
    errors = [finding.problem for finding in findings if finding.severity == "error"]
    if errors:
        raise ValidationError(errors)
    files = render(settings, facts, local, secrets, synapse_drop_in=_unit_inputs(paths, settings))
    return Rendered(
        settings=settings,
        accounts=accounts,
        facts=facts,
        synapse=synapse,
        files=files,
        warnings=tuple(finding.problem for finding in findings),
        origins=_origins(settings, local),
        watched=() if settings.email is None else (str(settings.email.password_file),),
    )


def _origins(settings: Settings, local: "LocalAdditions") -> dict[str, str]:
    from ..render.generation import parsed_additions  # noqa: PLC0415 - as above

    found = {key: f"settings.yaml: synapse.{key}" for key in settings.synapse}
    for path, options in parsed_additions(local.synapse):
        found |= {key: f"{path}: {key}" for key in options}
    return found


def _unit_inputs(paths: Paths, settings: Settings) -> str:
    """What Synapse loads besides its generation: a change of these needs a restart, too."""
    try:
        drop_in = paths.synapse_drop_in.read_text(encoding="utf-8")
    except FileNotFoundError:
        drop_in = ""
    return f"{drop_in}\nreport_stats: {settings.report_stats}\n"
