"""`altpeter-matrix diff`: what an apply would change in the generated files."""

import difflib
import re
from collections.abc import Mapping

from ..base.paths import Paths
from ..base.redaction import HIDDEN
from .generations import Store
from .prepared import read_settings, render_host

HIDDEN_NEW = "«another secret»"
SECRET_LINE = re.compile(
    # Also what somebody only commented out.
    r"^(?P<key>[\s#]*(?:-\s+)?['\"]?[\w.-]*"
    r"(?:secret|secret_key|pass|passwd|password|pepper|token|credential|private_key|api_key|dsn)"
    r"['\"]?\s*:\s*)(?P<value>\S.*)$",
    re.IGNORECASE,
)


def diff(paths: Paths) -> list[str]:
    """A unified diff from the current generation to what the settings ask for now."""
    rendered = render_host(paths, read_settings(paths))
    store = Store(paths, rendered.accounts)
    current = store.current()
    old = {}
    for name in current.files if current else ():
        file = current.directory / name if current else paths.current / name
        old[name] = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    new = {str(file.path): file.content.decode() for file in rendered.files}
    return differences(old, new)


def differences(
    old: Mapping[str, str],
    new: Mapping[str, str],
    labels: tuple[str, str] = ("current", "candidate"),
) -> list[str]:
    """The lines of a unified diff, file by file; secrets never appear in it."""
    lines: list[str] = []
    for name in sorted({*old, *new}):
        if old.get(name) == new.get(name) or name.endswith("/fingerprint"):
            continue
        before, after = _hide(old.get(name, "").splitlines(), new.get(name, "").splitlines())
        lines += difflib.unified_diff(
            before,
            after,
            f"{labels[0]}/{name}" if name in old else "/dev/null",
            f"{labels[1]}/{name}" if name in new else "/dev/null",
            lineterm="",
        )
    return lines


def _hide(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Secrets replaced, so that a changed one still shows as a change."""
    known = {match.group("value") for line in before if (match := SECRET_LINE.match(line))}

    def hidden(line: str) -> str:
        match = SECRET_LINE.match(line)
        if match is None:
            return line
        mark = HIDDEN if match.group("value") in known else HIDDEN_NEW
        return f"{match.group('key')}{mark}"

    return [hidden(line) for line in before], [hidden(line) for line in after]
