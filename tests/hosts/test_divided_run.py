"""A run of the tests in two processes, as `make test` has it, leaves no lab when it is ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab.commands import run
from .lab.layout import LAB, ROOT

NAME = "divided"
LABS = (LAB / f"{NAME}-gw0", LAB / f"{NAME}-gw1")
# What a shell runs in the background ignores Ctrl-C, and so would all that we start.
PYTEST = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main(sys.argv[1:]))
"""
RUN = [
    sys.executable, "-c", PYTEST, "--numprocesses", "2", "--dist", "loadscope",
    "tests/hosts/test_lab.py", "tests/hosts/test_two_clusters.py",
]  # fmt: skip


@pytest.fixture
def divided() -> Iterator[subprocess.Popen[bytes]]:
    """A run of which each process has begun to boot hosts."""
    process = subprocess.Popen(
        RUN,
        cwd=ROOT,
        env={**os.environ, "LAB_NAME": NAME},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not all(str(lab) in machines() for lab in LABS):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    yield process
    process.kill()
    process.wait()


def machines() -> str:
    """The command lines of all machines that run, the lab's and others."""
    shown = run("ps", "-ww", "-eo", "args").stdout.splitlines()
    return "\n".join(line for line in shown if "systemd-nspawn" in line)


def press_ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """The terminal tells every process, not only the first."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize(
    "end",
    [press_ctrl_c, pytest.param(subprocess.Popen.terminate, marks=pytest.mark.upgrades)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_divided_run_closes_its_labs_when_it_is_ended(
    divided: subprocess.Popen[bytes], end: object
) -> None:
    assert callable(end)
    end(divided)
    assert divided.wait(180) == 2
    for lab in LABS:
        assert str(lab) not in machines()
        assert str(lab) not in Path("/proc/self/mountinfo").read_text()
        assert not (lab / "ledger").exists()
