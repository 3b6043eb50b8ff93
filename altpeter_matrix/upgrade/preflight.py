"""Whether a Synapse that is not installed yet would serve this host: asked of its own code.

The installed one goes on meanwhile; nothing of what it uses is touched.
"""

import gzip
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..apply.activation import Host
from ..apply.preflight import disk_problems
from ..apply.prepared import read_settings, render_host
from ..apt import candidates, keyrings
from ..apt.candidates import Candidate
from ..base import sandbox
from ..base.errors import HostError, MatrixConfigError, Objection, error, warning
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.redaction import redacted
from ..base.resources import document
from ..host import last_backup, own_backup
from ..host.facts import Synapse
from ..host.requirements import FREE_TO_APPLY
from ..synapse import conffile_edits, config_files, schema_numbers
from . import candidate_code
from .preflight_result import PreflightResult

# Older ones have holes that are known: whatever replaces them is a security update.
SAFE_SINCE = "1.157.2"
_ENTRY = re.compile(r"^\S+ \((?P<version>[^)]+)\) .*urgency=(?P<urgency>\w+)")
_SECURITY = re.compile(r"CVE-\d{4}-\d+|GHSA-|\bsecurity\b", re.IGNORECASE)
_BACKUP = (
    "the age of the last backup: set updates.backup in settings.yaml to where backups are"
    f" ({document('updates.md')})"
)
_AGAIN = "then `altpeter-matrix upgrade check`"


def check(host: Host, synapse: Synapse, deb: Path) -> PreflightResult:
    """Every check on a package file. HostError when it cannot be looked at at all."""
    paths = host.paths
    version = candidates.field(deb, "Version")
    size = int(candidates.field(deb, "Installed-Size") or 0) * 1024
    findings = list(_disk(paths, synapse, version, size))
    if findings:
        late, skipped = _backup(paths, version, None, security=False)
        return PreflightResult(
            synapse.package,
            version,
            synapse.version,
            False,
            None,
            (*findings, *late),
            tuple(skipped),
        )
    with candidates.unpacked(paths, deb) as root:
        candidate = Candidate(synapse, version, root)
        return _examine(paths, candidate)


def _examine(paths: Paths, candidate: Candidate) -> PreflightResult:
    unchecked: list[str] = []
    options = config_files.in_force(paths)
    findings: list[Objection] = []
    way_back = None
    origins, hints = _settings(paths)
    findings += hints
    if not candidate.synapse.bundled:
        unchecked.append("what its own code says: its libraries are other packages, not at hand")
    elif not candidate.python.exists():
        # A release upgrade brings it in the same transaction.
        target = candidate.python.resolve()
        unchecked.append(f"what its own code says: its Python ({target}) is not installed yet")
    else:
        answers: dict[str, Any] = {}
        try:
            answers = candidate_code.ask(paths, candidate, options)
        except sandbox.NotConfined as unsafe:
            unchecked += [f"what its own code says: it {one.what}" for one in unsafe.problems]
        except HostError as mute:
            findings += [Objection("error", problem) for problem in mute.problems]
        if missing := answers.get("library_missing"):
            unchecked.append(f"what its own code says: {missing}")
        elif answers:
            findings += candidate_code.parser_findings(paths, candidate, origins)
            findings += _demands(candidate, answers)
        if unknown := answers.get("database_unknown"):
            unchecked.append(f"its own test of the database, which asks anew: {unknown}")
        way_back = _way_back(paths, candidate.synapse, answers)
        findings += _database(paths, candidate, answers, way_back)
        findings += _removed(paths, candidate, options)
    findings += conffile_edits.collisions(paths, candidate.root, candidate.name)
    found, skipped = keyrings.objections(paths)
    findings += found
    unchecked += skipped
    security = _is_security(candidate)
    found, skipped = _backup(paths, candidate.name, way_back, security=security)
    findings += found
    unchecked += skipped
    clean = tuple(_redacted(one, options) for one in dict.fromkeys(findings))
    return PreflightResult(
        candidate.synapse.package, candidate.version, candidate.synapse.version,
        security, way_back, clean, tuple(unchecked),
    )  # fmt: skip


def _redacted(finding: Objection, options: Mapping[str, Any]) -> Objection:
    what = redacted(finding.problem.what, options)
    return replace(finding, problem=replace(finding.problem, what=what))


def _disk(paths: Paths, synapse: Synapse, version: str, size: int) -> Iterator[Objection]:
    """Room for the copy that is checked, and for dpkg, which unpacks the new beside the old."""
    for problem in disk_problems(paths):
        yield Objection("error", problem)
    for place in (paths.state, paths.on_host("/opt" if synapse.bundled else "/usr")):
        free = _free(place)
        if free < size + FREE_TO_APPLY:
            yield error(
                str(place),
                f"its disk has {free // 1024**2} MiB left, and Synapse {version} needs"
                f" {(size + FREE_TO_APPLY) // 1024**2}",
                f"free some space (`apt-get clean`, old logs), {_AGAIN}",
            )


def _free(place: Path) -> int:
    """Bytes that are free where a directory is, or will be made."""
    return shutil.disk_usage(next(p for p in (place, *place.parents) if p.exists())).free


def _settings(paths: Paths) -> tuple[Mapping[str, str], list[Objection]]:
    """Where each option was written, and what the linter says of unknown or doubled ones."""
    try:
        rendered = render_host(paths, read_settings(paths))
    except (MatrixConfigError, OSError) as refused:
        # They are not what serves: `status` and the next apply speak of them.
        return {}, [Objection("warning", problem) for problem in problems_of(refused)]
    return rendered.origins, [Objection("warning", problem) for problem in rendered.warnings]


def _demands(candidate: Candidate, answers: Mapping[str, Any]) -> Iterator[Objection]:
    name = candidate.name
    if answers.get("python_is_enough") is False:
        yield error(
            "Python",
            f"{name} demands {answers.get('requires_python')}, and {answers['python']} is here",
            f"upgrade this host to the next release of Debian ({document('upgrades.md')})",
        )
    elif wrong := answers.get("dependencies_error"):
        yield error(
            name, f"lacks what it needs: {wrong}", "wait for a newer package; nothing is to be done"
        )
    if wrong := answers.get("database_error"):
        yield error(
            "PostgreSQL",
            f"{name} does not accept the database: {wrong}",
            "`altpeter-matrix database upgrade` moves it to a newer PostgreSQL"
            f" ({document('upgrades.md')});"
            " for anything else see `altpeter-matrix status`",
        )
    schema, compat = answers.get("schema"), answers.get("database_compat")
    if schema is not None and compat is not None and compat > schema:
        yield error(
            "PostgreSQL",
            f"the database is of a later Synapse (it needs schema {compat}, {name} knows {schema})",
            "install a newer version instead",
        )


def _way_back(paths: Paths, synapse: Synapse, answers: Mapping[str, Any]) -> bool | None:
    """Whether the installed version accepts the database that the candidate will have changed."""
    compat = answers.get("compat")
    venv = paths.on_host(synapse.python).parents[1]
    for file in venv.glob(f"lib/python3*/site-packages/{schema_numbers.FILE}"):
        known = schema_numbers.schema_version(file.read_text("utf-8"))
        if known is not None and compat is not None:
            return known >= int(compat)
    return None


def _database(
    paths: Paths, candidate: Candidate, answers: Mapping[str, Any], way_back: bool | None
) -> Iterator[Objection]:
    if way_back is False:
        yield warning(
            candidate.name,
            f"changes the database so that {candidate.synapse.version} cannot use it any more",
            f"have a backup: going back means to restore it ({document('recovery.md')})",
        )
    if pending := answers.get("background_updates"):
        where = "Synapse's background updates"
        what = f"{pending} are not finished yet"
        if way_back is False:
            yield error(where, f"{what}, and there is no way back", "let them end; this retries")
        else:
            yield warning(where, what, "nothing is to be done: they go on after the upgrade")
    schema, present = answers.get("schema"), answers.get("database_schema")
    size = answers.get("database_size")
    if schema is not None and present is not None and schema > present and size:
        free = _free(paths.root / "var/lib")
        if free < size:
            yield warning(
                "PostgreSQL",
                f"the migration to schema {schema} may need up to {size // 1024**2} MiB, and"
                f" {free // 1024**2} are free",
                "free some space",
            )


def _backup(
    paths: Paths, name: str, way_back: bool | None, *, security: bool
) -> tuple[list[Objection], list[str]]:
    """Findings, and what was not looked at."""
    try:
        settings = read_settings(paths)
    except MatrixConfigError:
        return [], ["the age of the last backup: settings.yaml cannot be used"]
    updates = settings.updates
    if updates.backup is None and settings.backup is None:
        return [], [_BACKUP]
    problem = last_backup.problem(paths, updates)
    if settings.backup is not None and (problem is not None or updates.backup is None):
        problem = own_backup.age_problem(paths, settings)
    if problem is None:
        return [], []
    # A hole that is known is worse than an upgrade that may have to be repaired by hand.
    if way_back is False and not security:
        what = f"{problem.what}, and without one there is no way back from {name}"
        return [
            Objection("error", replace(problem, what=what, remedy=f"{problem.remedy}, {_AGAIN}"))
        ], []
    return [Objection("warning", problem)], []


def _removed(paths: Paths, candidate: Candidate, options: Mapping[str, Any]) -> Iterator[Objection]:
    """Options that the installed version reads and the candidate does not know any more.

    Synapse ignores such an option without a word, so its name is looked for in both sources.
    """
    installed = paths.on_host(candidate.synapse.python).parents[1]
    before, after = _words(installed), _words(candidate.python.parents[1])
    if not before or not after:
        return
    for option in sorted(map(str, options)):
        if option in before and option not in after:
            yield warning(
                option,
                f"is an option that {candidate.name} does not know any more; it will be ignored",
                "read Synapse's upgrade notes, then remove it",
            )


def _words(venv: Path) -> frozenset[str]:
    """Every quoted name in the source of Synapse's configuration."""
    files = venv.glob("lib/python3*/site-packages/synapse/config/*.py")
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files)
    return frozenset(word for text in texts for word in re.findall(r"[\"'](\w+)[\"']", text))


def _is_security(candidate: Candidate) -> bool:
    """By what is known of the installed version, and by the candidate's changelog since."""
    upstream = re.split(r"[+~-]", candidate.synapse.version)[0]
    if candidates.is_newer(SAFE_SINCE, upstream):
        return True
    try:
        text = gzip.decompress(candidate.changelog.read_bytes()).decode(errors="replace")
    except (OSError, EOFError):
        return False
    for line in text.splitlines():
        if entry := _ENTRY.match(line):
            if not candidates.is_newer(entry["version"], candidate.synapse.version):
                return False
            if entry["urgency"].lower() in {"high", "emergency", "critical"}:
                return True
        elif _SECURITY.search(line):
            return True
    return False
