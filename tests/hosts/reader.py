"""What a reader of README.md does: clone, deploy, type at a terminal."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.hosts.lab import Host

# A make that runs below another would take over its options.
ENVIRONMENT = {key: value for key, value in os.environ.items() if "MAKE" not in key}


def run(
    *argv: str, cwd: Path, input: str | None = None, timeout: float = 900
) -> "subprocess.CompletedProcess[str]":
    """Run a command of README.md on the controller; failure shows its output."""
    done = subprocess.run(
        argv,
        cwd=cwd,
        input=input or "",
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def remove(top: Path) -> None:
    """Remove the clone, and the demo that a killed run may have left in it."""
    if (top / "build/lab/demo").is_dir():
        run(sys.executable, "-m", "tests.hosts.lab", "clean", "demo", cwd=top)
    shutil.rmtree(top.parent, ignore_errors=True)


def deploy_as_told(checkout: Path, host: Host, settings: Mapping[str, Any]) -> str:
    """The section "Deploy to your own server", from ``make deb`` on; what it said at the end."""
    run("make", "deb", cwd=checkout)
    run("cp", "-r", "examples", "my-server", cwd=checkout)
    inventory = checkout / "my-server/inventory.py"
    access = {
        "ssh_user": "root",
        "ssh_key": str(host.ssh_key),
        "ssh_known_hosts_file": str(host.ssh_known_hosts),
    }
    mine = inventory.read_text()
    assert '"matrix.example.org"' in mine
    mine = mine.replace('"matrix.example.org"', f'"{host.ipv4}"')
    mine = mine.replace('{"ssh_user": "root"}', repr(access))
    inventory.write_text(mine)
    group_data = checkout / "my-server/group_data/homeserver.py"
    assert '"example.org"' in group_data.read_text()
    group_data.write_text(f"matrix = {settings!r}\n")
    done = run(
        *("build/venv/bin/pyinfra", "my-server/inventory.py", "deploy.py"),
        cwd=checkout,
        input="\n",
    )
    return done.stdout + done.stderr


def answered_within(seconds: float, pid: int, terminal: int) -> bytes:
    """The next output of a program on a terminal; the program ends if there is none."""
    ready, _, _ = select.select([terminal], [], [], seconds)
    if not ready:
        os.kill(pid, signal.SIGKILL)
        return b""
    return os.read(terminal, 4096)


def typed(host: Host, command: str, *answers: str) -> str:
    """Run a command on a terminal of the host; answer each question for an account."""
    argv = [*host.ssh_argv[:1], "-tt", *host.ssh_argv[1:], command]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(argv[0], argv)
    said, left = b"", list(answers)
    with suppress(OSError):  # the terminal's end
        while chunk := answered_within(60, pid, terminal):
            said += chunk
            # click writes the space last, when nothing typed is thrown away any more.
            if left and re.search(rb"(?i:password|repeat|localpart|admin)[^\n]*: $", said):
                os.write(terminal, left.pop(0).encode() + b"\n")
                said += b"\n"
    _, status = os.waitpid(pid, 0)
    text = said.decode(errors="replace")
    assert os.waitstatus_to_exitcode(status) == 0, text
    return text
