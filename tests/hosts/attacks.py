"""Commands that an administrator, apt or a timer runs while somebody attacks the host."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from shlex import quote

from tests.hosts.lab import Host

ENDS_WITHIN = 15
STATUS = ("altpeter-matrix", "status")
APPLY = ("altpeter-matrix", "apply")
CHECK = ("altpeter-matrix", "upgrade", "check", "--automatic")
# Runs commands side by side, each for as long as it takes and no longer than is awaited.
_RUN = """
import json, subprocess, sys, time
commands = json.load(sys.stdin)
began = time.monotonic()
running = [subprocess.Popen(["timeout", "-s", "KILL", "40", *one], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
           for one in commands]
ended = {}
while len(ended) < len(running):
    for number, one in enumerate(running):
        if number not in ended and one.poll() is not None:
            ended[number] = time.monotonic() - began
    time.sleep(0.02)
print(json.dumps([[one.returncode, ended[number], one.stdout.read()]
                  for number, one in enumerate(running)]))
"""


@dataclass(frozen=True)
class Ended:
    """One command: how it ended, after how many seconds, and what it said."""

    status: int
    seconds: float
    output: str


def run_all(host: Host, *commands: Sequence[str]) -> Mapping[Sequence[str], Ended]:
    """Run commands at the same time. An AssertionError for each that does not end in time."""
    said = host.run("python3", "-c", _RUN, input=json.dumps(commands)).stdout
    ended = {one: Ended(*it) for one, it in zip(commands, json.loads(said), strict=True)}
    late = [(one, it) for one, it in ended.items() if it.seconds > ENDS_WITHIN]
    assert late == [], f"did not end within {ENDS_WITHIN} s"
    return ended


@contextmanager
def attacker(host: Host, user: str, script: str, *properties: str) -> Iterator[None]:
    """A shell script that runs as a user of the host until the block ends."""
    unit, file = f"attack-{user}", f"/srv/attack-{user}.sh"
    options = [f"--property={one}" for one in properties]
    # In a file: systemd would expand what looks like its variables.
    host.write(file, script)
    host.run("systemd-run", "--quiet", f"--unit={unit}", f"--uid={user}", *options, "sh", file)
    try:
        yield
    finally:
        host.run("systemctl", "kill", "--signal=KILL", unit, check=False)
        host.run("systemctl", "reset-failed", unit, check=False)


def as_synapse(host: Host, script: str) -> None:
    """Run a shell script as Synapse's user."""
    host.sh(f"runuser -u matrix-synapse -- sh -ec {quote(script)}")
