"""The main file that nginx.service runs with: /etc/nginx/nginx.conf with room for many clients.

Debian's nginx.conf allows 768 connections a process. The number stands in `events {}`, which no
other file can set (a second block is an error), and the file is a conffile. So nginx gets a copy of
it as it is now, in which only that number is larger; a larger one of the administrator's stays.

Run by nginx's unit before each start and reload, and when nginx.conf changes, because certbot and
people also reload with `nginx -s reload`. Whatever fails here, nginx starts with Debian's own file.
"""

import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

from ..base import disk
from ..base.paths import Paths
from ..host.links import NGINX_MAIN, TARGETS
from .syntax import TOKEN

# Connections of one worker process, 0.4 KiB of memory each. A waiting client needs two: its own
# and one to Synapse. See MOST_REQUESTS in render/nginx_site.py for what of them is Matrix's.
CONNECTIONS = 32768
# LimitNOFILE= in nginx's drop-in; a connection is an open file, and so is a large body.
OPEN_FILES = 65536
# What the unit reads: it starts nginx with Debian's file unless this names another.
VARIABLE = "ALTPETER_MATRIX_NGINX_CONF"

# Seconds after a change of nginx.conf in which a reload may still have read the old copy.
_LOOKS = (0.0, 0.3, 1.0)


def raised(text: str) -> str:
    """nginx.conf with the limits raised; unchanged where it says them in a way not known here."""
    edits: list[tuple[int, int, str]] = []
    words: list[re.Match[str]] = []
    depth, block, opened, settled = 0, "", 0, False
    position = 0
    while match := TOKEN.match(text, position) if position < len(text) else None:
        position = match.end()
        mark = match["mark"]
        if mark is None:
            words += [match] if match.lastgroup else []
            continue
        directive = [word.group() for word in words]
        if mark == "{":
            if depth == 0:
                block, opened = " ".join(directive), match.end()
            depth += 1
        elif mark == "}":
            depth -= 1
            if depth == 0 and block == "events" and not settled:
                edits.append((opened, opened, f" worker_connections {CONNECTIONS};"))
        elif (depth, block) == (1, "events"):
            # An include may say the number.
            settled |= directive[0] in {"worker_connections", "include"} if directive else False
            edits += _at_least("worker_connections", CONNECTIONS, words)
        elif depth == 0:
            edits += _at_least("worker_rlimit_nofile", OPEN_FILES, words)
        words = []
    for begin, end, new in reversed(edits):
        text = f"{text[:begin]}{new}{text[end:]}"
    return text


def _at_least(name: str, number: int, words: list[re.Match[str]]) -> list[tuple[int, int, str]]:
    """The edit of a directive whose number is smaller."""
    if len(words) != 2 or words[0].group() != name or not words[1].group().isdecimal():
        return []
    return [(*words[1].span(), str(number))] if int(words[1].group()) < number else []


def write(paths: Paths) -> bool:
    """Make the copy and have the unit use it; whether it is another than before."""
    try:
        original = paths.nginx / "nginx.conf"
        mode = stat.S_IMODE(original.stat().st_mode) & 0o644
        # Latin-1 keeps every byte as it is.
        content = raised(original.read_text("latin-1")).encode("latin-1")
        disk.ensure_directory(paths.runtime, 0o755)
        changed = _put(paths.nginx_main, content, mode)
    except BaseException:
        paths.nginx_environment.unlink(missing_ok=True)
        raise
    # Through a link in /etc/nginx, because nginx looks there for what is named without a path. It
    # is missing before the first `apply`, and where somebody deleted it.
    link = paths.root / NGINX_MAIN
    if link.is_symlink() and os.readlink(link) == TARGETS[NGINX_MAIN]:
        _put(paths.nginx_environment, f"{VARIABLE}=/{NGINX_MAIN}\n".encode(), 0o644)
    else:
        paths.nginx_environment.unlink(missing_ok=True)
    return changed


def _put(path: Path, content: bytes, mode: int) -> bool:
    if path.is_file() and path.read_bytes() == content and path.stat().st_mode & 0o777 == mode:
        return False
    disk.replace(path, content, mode)
    return True


def in_use(pid: str, proc: Path = Path("/proc")) -> bool:
    """Whether this process of nginx runs with our main file."""
    try:
        # nginx writes its title over its arguments.
        words = (proc / pid / "cmdline").read_bytes().replace(b"\0", b" ")
        return f" -c /{NGINX_MAIN} ".encode() in words
    except OSError:
        return False


def follow(paths: Paths) -> None:
    """nginx.conf was changed: make the copy, and reload once more a nginx that read the old one.

    Looks again for a while, because systemd does not start this for what changes meanwhile.
    """
    unread: float | None = None
    looks = list(_LOOKS)
    while looks:
        time.sleep(looks.pop(0))
        changed_at = (paths.nginx / "nginx.conf").stat().st_mtime
        if write(paths):
            unread, looks = changed_at, list(_LOOKS[1:])
        if unread is not None and _reloaded_since(unread):
            subprocess.run(["systemctl", "reload", "nginx.service"], check=False, timeout=60)
            unread = None


def _reloaded_since(moment: float) -> bool:
    """Whether a worker process has begun after this moment, by the clock of file times."""
    master = Path("/run/nginx.pid").read_text(encoding="ascii").strip()
    workers = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()
    now, running = time.time(), float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    for pid in workers:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
        if now - running + int(fields[19]) / os.sysconf("SC_CLK_TCK") >= moment - 0.05:
            return True
    return False


if __name__ == "__main__":
    try:
        follow(Paths()) if "--changed" in sys.argv else write(Paths())
    except Exception as error:  # nginx has to start
        print(f"nginx keeps the limits of its own nginx.conf: {error!r}", file=sys.stderr)
