"""Checking a candidate generation with Synapse's own parser, on all of its files."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path

import yaml

from ..base import disk, untrusted_files
from ..base.accounts import SYNAPSE_USER, read_accounts
from ..base.commands import Result, run
from ..base.errors import HostError, Problem, ValidationError
from ..base.paths import CURRENT, SYNAPSE_OPTIONS, Paths
from ..base.stamps import stamp
from ..host.facts import Synapse
from ..host.links import SYNAPSE as OUR_LINK
from . import config_files
from .config_files import NOTHING, Instead

# Each costs a start of Python; more options than that are rarely new at once.
_SUSPECTS = 12
PARSER = ("-m", "synapse.config")
# A candidate's code says what it likes, on somebody's terminal and in a mail.
_LONGEST = 1000
# In /run: whoever doubts the answer reboots, or removes it.
_ACCEPTED = "synapse.accepted"
# Not .yaml: Synapse reads all of those in the directory.
_HOMESERVER = "homeserver.first"
_NOISE = re.compile(r"^\s*(File \"|\^|Traceback|warnings\.warn|.*DeprecationWarning)")


def ensure_signing_key(paths: Paths, synapse: Synapse, candidate: Path) -> bool:
    """Make Synapse's signing key when there is none; whether it was made.

    Synapse's unit would do it, but its hardened form cannot write to /etc, and the parser refuses
    a configuration whose key is missing.
    """
    key = config_files.signing_key(paths)
    if untrusted_files.content(paths, key) is not None:
        return False
    with configuration(paths, candidate) as arguments:
        result = as_synapse(
            paths, synapse, "-m", "synapse.app.homeserver", *arguments, "--generate-keys"
        )
    if not result.ok or untrusted_files.content(paths, key) is None:
        raise ValidationError(_problem("could not make its signing key", result))
    return True


def check_once(
    paths: Paths, synapse: Synapse, candidate: Path, origins: Mapping[str, str] | None = None
) -> None:
    """`check`, unless Synapse has accepted the same since the host booted.

    Asking costs a start of Synapse's Python, and a deploy applies twice: between the two only the
    certificate comes, which is nginx's.
    """
    accepted, question = paths.runtime / _ACCEPTED, _fingerprint(paths, synapse, candidate)
    with suppress(OSError):
        if accepted.read_text() == question:
            return
    check(paths, synapse, candidate, origins)
    disk.replace(accepted, question.encode(), 0o600)


def check(
    paths: Paths,
    synapse: Synapse,
    candidate: Path,
    origins: Mapping[str, str] | None = None,
    instead: Instead = NOTHING,
) -> None:
    """ValidationError when Synapse rejects its configuration with the candidate in it."""

    def attempt(without: Collection[str]) -> Result:
        with configuration(paths, candidate, without, instead) as arguments:
            return as_synapse(paths, synapse, *PARSER, *arguments)

    judge(attempt, origins)


def judge(
    attempt: Callable[[Collection[str]], Result], origins: Mapping[str, str] | None = None
) -> None:
    """ValidationError when a Synapse rejects a configuration.

    attempt: has it read the configuration without some options.
    origins: where the administrator wrote an option, by its name. Synapse's message often does not
    tell (some are a bare AttributeError), so the option without which it is content is looked for.
    """
    result = attempt(())
    if result.ok:
        return
    origins = origins or {}
    where = None
    if origins and attempt(origins).ok:
        suspects = list(origins)[:_SUSPECTS]
        where = next((origins[one] for one in suspects if attempt([one]).ok), None)
    raise ValidationError(_problem("rejects the configuration", result, where))


def _fingerprint(paths: Paths, synapse: Synapse, candidate: Path) -> str:
    """Of what the answer depends on: Synapse itself, its files, and secrets and keys they name."""
    ours = {path: str(path.relative_to(candidate)) for path in (candidate / "synapse").iterdir()}
    trusted = ours | {path: str(path) for path in paths.secrets.glob("*")}
    digest = hashlib.sha256(
        stamp(paths.on_host(f"/var/lib/dpkg/info/{synapse.package}.list")).encode()
    )
    for path, name in sorted(trusted.items(), key=itemgetter(1)):
        digest.update(f"{name}\0{_described(path)}\0".encode())
    others = untrusted_files.contents(
        paths, (*config_files.others(paths), config_files.signing_key(paths))
    )
    for path, content in others.items():
        digest.update(f"{path}\0{_readers(path)}\0".encode() + content + b"\0")
    return digest.hexdigest()


def _described(path: Path) -> str:
    try:
        return f"{_readers(path)} {disk.sha256(path)}"
    except OSError as error:
        return str(error.errno)


def _readers(path: Path) -> str:
    """Who may read a file: Synapse does not run as root."""
    try:
        state = path.stat()
        return f"{state.st_mode} {state.st_uid} {state.st_gid}"
    except OSError as error:
        return str(error.errno)


@contextmanager
def configuration(
    paths: Paths,
    candidate: Path,
    without: Collection[str] = (),
    instead: Instead = NOTHING,
) -> Iterator[list[str]]:
    """Arguments for Synapse that name its real files, with the candidate in the place of ours."""
    # Not $TMPDIR: libpam-tmpdir gives root one that nobody else can enter.
    with disk.scratch(paths.runtime, "synapse") as scratch:
        # Entered by the matrix-synapse user; the files themselves keep their modes.
        scratch.chmod(0o755)
        ours = paths.root / OUR_LINK
        accounts = read_accounts(paths.root)
        group = accounts.group_id(accounts.synapse_group())
        homeserver = paths.synapse / "homeserver.yaml"
        # What was read, and not the files themselves: they may be others by the time Synapse looks.
        for path, content in untrusted_files.contents(paths, config_files.others(paths)).items():
            if path not in instead:
                name = _HOMESERVER if path == homeserver else path.name
                disk.write_new(scratch / name, content, 0o640, group)
        generated = candidate / SYNAPSE_OPTIONS
        # It names its log configuration through `current`, where another one may be, or none.
        text = generated.read_bytes().replace(f"{CURRENT}/".encode(), f"{candidate}/".encode())
        if without:
            options = config_files.parse(text)
            kept = {key: value for key, value in options.items() if key not in without}
            text = yaml.safe_dump(kept).encode()
        # Not the group of the file: what serves now may have been replaced by hand.
        disk.write_new(scratch / ours.name, text, 0o640, group)
        if (packaged := instead.get(homeserver)) is not None:
            disk.write_new(scratch / _HOMESERVER, packaged, 0o640, group)
        yield ["-c", str(scratch / _HOMESERVER), "-c", f"{scratch}/"]


def as_synapse(paths: Paths, synapse: Synapse, *arguments: str, text: str = "") -> Result:
    """Its Python, with the user of the unit: the same files are readable, or are not.

    text: what it reads from its input.
    """
    python = paths.on_host(synapse.python)
    if not python.exists():
        raise HostError(Problem(str(python), "is missing", f"reinstall {synapse.package}"))
    command = as_synapse_command(python)
    return run(*command, *arguments, input=text, timeout=120, check=False)


def as_synapse_command(python: Path) -> tuple[str, ...]:
    """How to start the Python of the installed Synapse as its user."""
    return ("runuser", "-u", SYNAPSE_USER, "--", str(python))


def _problem(what: str, result: Result, where: str | None = None) -> Problem:
    if where is not None:
        return Problem(where, f"Synapse {what}: {reason(result)}", "correct or remove this option")
    return Problem(
        "Synapse",
        f"{what}: {reason(result)}",
        "correct what you changed last in settings.yaml or synapse.d, then run"
        " `altpeter-matrix apply`",
    )


def reason(result: Result) -> str:
    """What Synapse says: its ConfigError, or the last line of a traceback. Never more than a few
    lines, and nothing that a terminal would obey."""
    return "".join(one if one.isprintable() else " " for one in _said(result))[:_LONGEST]


def _said(result: Result) -> str:
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    for index, line in enumerate(lines):
        if line.startswith("Error in configuration"):
            return " ".join(lines[index : index + 3])
    telling = [line for line in lines if not _NOISE.match(line)]
    return telling[-1] if telling else f"status {result.returncode} without a word"
