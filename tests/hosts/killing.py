"""Runs of the deploy, and of the host tool, that are killed at a chosen point."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.hosts.deployments import TOP, pyinfra_argv
from tests.hosts.lab import Host


@dataclass(frozen=True)
class Point:
    """When to kill: so long after an operation has started, or else after the run has; and not
    before the host's dpkg has logged a stage of its work."""

    seconds: float
    operation: str = ""
    dpkg_stage: str = ""


@dataclass
class Campaign:
    """What was killed, and when."""

    killed: list[Point] = field(default_factory=list)
    ended: list[Point] = field(default_factory=list)  # too late: the run was through
    seconds: float = 0  # how long one uninterrupted run takes


def wait_for_dpkg(host: Host, stage: str, process: subprocess.Popen[str]) -> None:
    """Wait until a line of the host's dpkg log holds a stage, or the process has ended."""
    while process.poll() is None:
        if host.run("grep", "-qsF", stage, "/var/log/dpkg.log", check=False).returncode == 0:
            return
        time.sleep(0.1)


def kill_pyinfra(inventory: Path, point: Point, log: Path, host: Host) -> float | None:
    """Start the public command and kill it, and what it started here, at a point.

    Returns how long it took when it had ended before; then it must have succeeded.
    """
    began = time.monotonic()
    # A killed run leaves its scratch directories.
    scratch = log.with_suffix(".tmp")
    scratch.mkdir(exist_ok=True)
    process = subprocess.Popen(
        pyinfra_argv(inventory, "-y"),
        cwd=TOP,
        env={**os.environ, "PYINFRA_PROGRESS": "off", "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    output = process.stdout
    assert output is not None
    with log.open("a") as record, output:
        record.write(f"===== {point}\n")
        if point.operation:
            for line in output:
                record.write(line)
                if "Starting operation" in line and point.operation in line:
                    break
        if point.dpkg_stage:
            wait_for_dpkg(host, point.dpkg_stage, process)
        try:
            process.wait(point.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None
        record.write(output.read())
    assert process.returncode == 0, f"the run after a killed one failed:\n{log.read_text()}"
    return time.monotonic() - began
