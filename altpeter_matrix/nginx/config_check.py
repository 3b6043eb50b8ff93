"""Checking a candidate generation with nginx itself, on nginx's complete configuration.

nginx has no option to test another set of sites, so a scratch copy of /etc/nginx is made of links,
with our entry pointing at the candidate; the live configuration is never touched.
"""

import re
import shutil
from pathlib import Path

from ..base import disk
from ..base.commands import Result, run
from ..base.errors import Problem, ValidationError
from ..base.paths import CURRENT, Paths
from ..host.links import NGINX_SITE
from ..synapse.config_files import NOTHING, Instead

_SITES = ("sites-enabled", "conf.d")


def check(paths: Paths, candidate: Path, *, enabled: bool, instead: Instead = NOTHING) -> None:
    """ValidationError when nginx rejects its configuration with the candidate in it.

    enabled: whether our site is in sites-enabled; an administrator may have taken it out.
    instead: sites that will not be there.
    """
    with disk.scratch(paths.runtime, "nginx") as scratch:
        _build(paths, scratch, candidate if enabled else None, instead)
        result = _test(scratch / "nginx.conf")
        if result.ok:
            return
        message = _reason(result).replace(str(scratch), "/etc/nginx")
        message = message.replace(f"{candidate}/nginx/local/", "/etc/altpeter-matrix/nginx.d/")
        _build(paths, scratch, None, instead)
        without = _test(scratch / "nginx.conf")
        if not without.ok:
            reason = _reason(without).replace(str(scratch), "/etc/nginx")
            raise ValidationError(
                Problem(
                    "nginx",
                    f"its configuration is broken, and not by altpeter-matrix: {reason}",
                    "repair that file, check with `nginx -t`, then run `altpeter-matrix apply`",
                )
            )
        raise ValidationError(
            Problem(
                _culprit(message) or "nginx", f"nginx rejects the configuration: {message}",
                "correct what you changed last in settings.yaml or nginx.d, then run"
                " `altpeter-matrix apply`",
            )
        )  # fmt: skip


def rejected(configuration: Path) -> str | None:
    """Why nginx would not start with a configuration; None: it would."""
    result = _test(configuration)
    return None if result.ok else _reason(result)


def _build(paths: Paths, scratch: Path, candidate: Path | None, instead: Instead) -> None:
    """A copy of /etc/nginx: links, but for nginx.conf and the directories of sites."""
    enabled = scratch / "sites-enabled"
    for old in scratch.iterdir():
        shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for entry in paths.nginx.iterdir():
        if entry.name not in {"nginx.conf", *_SITES}:
            (scratch / entry.name).symlink_to(entry)
    main = (paths.nginx / "nginx.conf").read_text(encoding="utf-8", errors="surrogateescape")
    # Only includes: other directives (log files, certificates) keep naming the real files.
    rewritten = re.sub(r"(^\s*include\s+)/etc/nginx/", rf"\1{scratch}/", main, flags=re.MULTILINE)
    (scratch / "nginx.conf").write_text(rewritten, encoding="utf-8", errors="surrogateescape")
    enabled.mkdir()
    ours = paths.root / NGINX_SITE
    for name in _SITES:
        sites = paths.nginx / name
        (scratch / name).mkdir(exist_ok=True)
        for entry in sites.iterdir() if sites.is_dir() else ():
            if entry != ours and entry not in instead:
                # Through the real directory: a relative link would lead nowhere from here.
                (scratch / name / entry.name).symlink_to(entry)
    if candidate is not None:
        site = (candidate / "nginx/site.conf").read_text(encoding="utf-8")
        (enabled / ours.name).write_text(
            site.replace(f"{CURRENT}/", f"{candidate}/"), encoding="utf-8"
        )


def _test(configuration: Path) -> Result:
    return run("nginx", "-t", "-q", "-c", configuration, timeout=60, check=False)


def _reason(result: Result) -> str:
    """nginx's own lines, errors before warnings, without its time stamps."""
    stamp = r"^(nginx: )?(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?(\[\w+\]) (\d+#\d+: )?"
    lines = [re.sub(stamp, r"\3 ", line.strip()) for line in result.output.splitlines()]
    errors = [line for line in lines if line.startswith(("[emerg]", "[alert]", "[crit]"))]
    return " | ".join(errors[:3] or lines[-3:]) or f"status {result.returncode} without a word"


def _culprit(message: str) -> str | None:
    """The local addition that nginx names."""
    match = re.search(r"/etc/altpeter-matrix/nginx\.d/[^\s:]+", message)
    return match.group() if match else None
