"""What a host shows to everybody for however short a time: command lines, and readable files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.hosts.lab import Host

# Leaves every command line that ever shows up in the process list in one file. A process may become
# another program at any time, but mostly when it is new: after a second it is looked at less often.
WATCH_PROCESSES = """
import os, time
seen, since = set(), {}
look = 0
with open("/root/processes.log", "ab", buffering=0) as log:
    while True:
        look += 1
        since = {pid: since.get(pid, look) for pid in os.listdir("/proc") if pid.isdigit()}
        for pid, first in since.items():
            if look - first > 200 and (look + first) % 10:
                continue
            try:
                file = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
                line = os.read(file, 1_000_000).replace(b"\\0", b" ")
                os.close(file)
            except OSError:
                continue
            if line not in seen:
                seen.add(line)
                log.write(line + b"\\n")
        time.sleep(0.005)
"""

# Leaves what another user can read, for however short a time, in one file. That user's rights are
# nobody's and those of a group that has some.
WATCH_FILES = """
import os, pwd, stat, time
user = pwd.getpwnam("www-data")
seen = set()

def content(path):
    try:
        with open(path, "rb") as file:
            return path.encode() + b"\\n" + file.read(1_000_000) + b"\\n"
    except PermissionError:
        return b""

def look(directory, log):
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                look(entry.path, log)
                continue
            state = entry.stat(follow_symlinks=False)
            # Other rights make it another file: the ctime changes with them.
            key = entry.path, state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size
            if key in seen or not stat.S_ISREG(state.st_mode):
                continue
            log.write(content(entry.path))
        except OSError:
            continue
        seen.add(key)

with open("/root/readable.log", "ab", buffering=0) as log:
    os.setgroups([user.pw_gid])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    while True:
        for top in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/etc/altpeter-matrix",
                    "/etc/matrix-synapse", "/var/lib/altpeter-matrix", "/var/cache/debconf"):
            look(top, log)
        time.sleep(0.02)
"""


@contextmanager
def watched_processes(host: Host) -> Iterator[Callable[[], str]]:
    """Record every command line seen on a host; the function given returns them, once it ended."""
    with _watched(host, "processes", WATCH_PROCESSES) as seen:
        yield seen


@contextmanager
def watched_files(host: Host) -> Iterator[Callable[[], str]]:
    """Record every text that another user could read, likewise."""
    with _watched(host, "readable", WATCH_FILES) as seen:
        yield seen


@contextmanager
def _watched(host: Host, what: str, program: str) -> Iterator[Callable[[], str]]:
    unit, script, log = f"watch-{what}", f"/root/watch_{what}.py", f"/root/{what}.log"
    host.write(script, program)
    host.run("systemd-run", "--quiet", f"--unit={unit}", "python3", script)
    seen = ""
    try:
        yield lambda: seen
    finally:
        host.run("systemctl", "stop", unit)
        seen = host.sh(f"iconv -c -t utf-8 {log}", check=False).stdout
        host.run("rm", script, log)
