"""``altpeter-matrix apply`` with nothing to do against starting Python with its libraries."""

from __future__ import annotations

import json

from tests.hosts.lab import Host

from .result import Comparison, Result
from .timing import say

LIMIT = 3.0
TURNS = 20
# Runs on the host, so that no time of the connection is in it.
MEASURE = """
import json, subprocess, sys, time

def seconds(argv):
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began

ours = ["altpeter-matrix", "apply"]
theirs = ["/usr/bin/python3", "-c", "import jinja2, yaml, click"]
measured = {"ours": [], "theirs": []}
seconds(ours), seconds(theirs)
for turn in range(int(sys.argv[1])):
    sides = [("ours", ours), ("theirs", theirs)]
    for side, argv in sides if turn % 2 else reversed(sides):
        measured[side].append(seconds(argv))
print(json.dumps(measured))
"""
GENERATION = ("readlink", "/var/lib/altpeter-matrix/current")


def measure(host: Host, turns: int = TURNS) -> Result:
    """Time both on a deployed host; a new generation would mean that there was something to do."""
    name = f"apply with nothing to do, Debian {host.debian}"
    before = host.run(*GENERATION).stdout
    measured = json.loads(host.run("python3", "-", str(turns), input=MEASURE).stdout)
    after = host.run(*GENERATION).stdout
    assert before == after, f"apply had something to do: {before.strip()} became {after.strip()}"
    say(f"{name}: {turns} turns")
    return Comparison(name, tuple(measured["ours"]), tuple(measured["theirs"]), LIMIT)
