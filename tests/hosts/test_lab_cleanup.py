"""What a run of the lab leaves behind, however it ends: nothing, and it touches nobody else's."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .lab import Lab, LabError, cgroups, kernel, machine
from .lab.commands import run
from .lab.layout import LAB, ROOT
from .lab.ledger import Ledger

# Tokens of all runs of the lab "killed": what one leaves is looked for in later tests too.
TOKENS: set[str] = set()


def remember_token() -> None:
    """Note the token of the present run, which every name outside its directory carries."""
    entries = dict(Ledger(LAB / "killed/ledger").entries())
    TOKENS.add(entries["kernel settings"])


def traces() -> dict[str, set[str]]:
    """Return what the lab "killed" has on this machine outside its own directory, by kind.

    Other labs may come and go meanwhile, so this looks for the names that only this one uses.
    """

    def lines(*argv: str) -> list[str]:
        return run(*argv).stdout.splitlines()

    kinds = {
        "links": [path.name for path in Path("/sys/class/net").iterdir()],
        "tables": lines("nft", "list", "tables"),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "groups": [str(path) for top in cgroups.hierarchies() for path in top.iterdir()],
        "machines": [
            line for line in lines("ps", "-ww", "-eo", "args") if "systemd-nspawn" in line
        ],
        "users of kernel settings": [path.name for path in kernel.MEMORY.glob("users/*")],
        "propagated": [path.name for path in machine.PROPAGATE.iterdir()],
    }
    wanted = {*TOKENS, str(LAB / "killed")}
    return {
        kind: {name for name in names if any(word in name for word in wanted)}
        for kind, names in kinds.items()
    }


def nothing_left() -> bool:
    return not any(traces().values())


# A shell that runs something in the background, as CI may run us, has it ignore Ctrl-C, and that is
# inherited; a person's Ctrl-C is not ignored.
CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.hosts.lab import Lab
with Lab.open(sys.argv[1]) as lab:
    print("up", flush=True)
    time.sleep(600)
"""


# Its threads make hosts and files as fast as they can, whatever becomes of them.
BUSY_CHILD = CHILD.replace(
    "    print(",
    """    import threading
    def go_on(work):
        while True:
            try:
                work()
            except Exception:
                time.sleep(0.001)
    def make_host():
        host = lab.host("busy")
        host.kill()
        host.start()
        lab.discard(host)
    def make_file():
        directory = lab.state / "records"
        directory.mkdir(exist_ok=True)
        (directory / f"{time.monotonic()}").touch()
    for work in (make_host, make_file):
        threading.Thread(target=go_on, args=[work], daemon=True).start()
    print(""",
)


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[str]]:
    """A run of its own that has a lab named "killed"."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, "killed"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    remember_token()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        Lab.clean("killed")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    with running(CHILD) as process:
        yield process


@pytest.fixture
def foreign_bridge() -> Iterator[str]:
    """A bridge that somebody else made, named as the lab names its own."""
    name = f"lab-{secrets.token_hex(3)}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    yield name
    subprocess.run(["ip", "link", "delete", name], check=True)


def test_the_next_run_removes_what_a_killed_one_left_and_nothing_else(
    child: subprocess.Popen[str], foreign_bridge: str
) -> None:
    child.kill()
    child.wait()
    assert all(traces().values()), "a killed run leaves something of every kind"
    with Lab.open("killed"):
        present = {name for name in TOKENS if Path("/sys/class/net", f"lab-{name}").exists()}
        assert not present
        remember_token()
        assert all(traces().values())
        assert Path("/sys/class/net", foreign_bridge).exists()
    assert nothing_left()
    assert Path("/sys/class/net", foreign_bridge).exists()
    kept = {path.name for path in (LAB / "killed").iterdir()}
    assert kept == {"lock", "logs", "ssh_key", "ssh_key.pub"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_leaves_nothing(
    child: subprocess.Popen[str], number: signal.Signals
) -> None:
    child.send_signal(number)
    assert child.wait(120) != 0
    assert nothing_left()


def test_a_terminated_run_whose_threads_go_on_leaves_nothing() -> None:
    with running(BUSY_CHILD) as child:
        time.sleep(2)
        child.terminate()
        assert child.wait(120) == -signal.SIGTERM
        assert nothing_left()


def test_a_closed_ledger_takes_nothing_more_and_waits_for_what_is_being_made(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    closing = threading.Thread(target=ledger.close)
    with ledger.making("directory", str(tmp_path / "made")):
        closing.start()
        closing.join(0.2)
        assert closing.is_alive()
        (tmp_path / "made").mkdir()
    closing.join()
    with pytest.raises(LabError, match="closed"):
        ledger.add("directory", str(tmp_path / "late"))
    assert ledger.undo() == []
    assert not (tmp_path / "made").exists()


def test_a_closed_lab_makes_no_host_that_was_about_to_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Lab.open("killed") as lab:
        remember_token()
        # The last thing before the host is made.
        monkeypatch.setattr(lab.services, "update_dns", lab.close)
        with pytest.raises(LabError, match="closed"):
            lab.host("late")
    assert nothing_left()
    assert not (LAB / "killed/hosts/late").exists()


def test_a_second_live_run_of_the_same_name_is_refused(child: subprocess.Popen[str]) -> None:
    with pytest.raises(LabError, match=f"'killed' is in use by process {child.pid}"):
        Lab.open("killed")
    with pytest.raises(LabError, match="in use"):
        Lab.clean("killed")


def test_a_detached_lab_outlives_its_run_until_cleaned() -> None:
    script = CHILD.replace("time.sleep(600)", "lab.detach(); print(*lab.services.host.ssh_argv)")
    detach = [sys.executable, "-c", script, "killed"]
    done = subprocess.run(detach, cwd=ROOT, capture_output=True, text=True, check=True)
    remember_token()
    shell = done.stdout.splitlines()[-1].split()
    try:
        answer = subprocess.run([*shell, "hostname"], capture_output=True, text=True, check=True)
        assert answer.stdout == "lab\n"
        assert all(traces().values())
    finally:
        remove = [sys.executable, "-m", "tests.hosts.lab", "clean", "killed"]
        subprocess.run(remove, cwd=ROOT, check=True)
    assert nothing_left()
